/* SPDX-License-Identifier: BSD-2-Clause */
#include "config.h"

#include "lmtp/session.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/clock.h"
#include "core/hostname.h"
#include "core/log.h"
#include "core/mem.h"
#include "lmtp/arrival.h"
#include "lmtp/gate.h"
#include "lmtp/relay_parts.h"

/*
 * From a message that has been received to an answer for each of its
 * recipients: gate, claim, journal, submit, and collect in the order of the
 * RCPTs.
 */

/* Our place in the trail that RFC 5321 section 4.4 wants. */
static char *
received_field(const struct session *s, const char *id)
{
	char host[HOSTNAME_SIZE], when[CLOCK_RFC5322_LEN], from[256];
	size_t n;

	n = strspn(s->lhlo, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVW"
			    "XYZ0123456789.-_:[]");
	(void)snprintf(from, sizeof(from), "%.*s", (int)n, s->lhlo);
	return mem_printf("Received: from %s (%s)\r\n"
			  "\tby %s (Postern) with %s id %s;\r\n\t%s\r\n",
	    from, s->is_unix ? "local socket" : s->peer,
	    hostname(host),
	    stream_is_tls(s->stream) ? "LMTPS" : "LMTP", id,
	    clock_rfc5322(clock_wall_us(), when));
}

/* Claim before the journal is asked: see dispatch.h. */
static void
claim(struct relay *r, const unsigned char *digest)
{
	struct transaction *txn = r->s->txn;

	for (size_t i = 0; i < txn->nrcpts; i++)
		if (relay_goes_out(txn->rcpts[i]))
			r->joined[i] = !dispatch_claim(r->turn, digest,
			    &txn->rcpts[i]->address, &r->deliveries[i]);
}

/* The gate's answer; whom SES has taken it for before hears that instead. */
static void
refuse(struct relay *r, size_t i)
{
	struct recipient *to = r->s->txn->rcpts[i];
	struct verdict last;

	verdict_answer(r->refusal->code, r->refusal->dsn, r->refusal->text,
	    &to->verdict);
	dispatch_finish(r->s->server->dispatch, r->deliveries[i],
	    &to->verdict);
	(void)dispatch_leave(r->turn, r->deliveries[i], true, &last);
}

/*
 * What the journal knows from before decides: answered from it, held, or lined
 * up.
 */
static void
submit(struct relay *r, size_t i, const struct record_rcpt *known)
{
	struct session *s = r->s;
	struct delivery *d = r->deliveries[i];
	struct verdict v;

	if (r->joined[i]) {
		dispatch_extend(r->turn, d, r->deadline_us);
		return;
	}
	d->n = known->n;
	d->attempts = known->attempts;
	if (known->state == RECORD_SENT) {
		verdict_sent_before(known->ses_id, known->sent_at, &v);
		log_info(r->mail->id_text, "repeat", "n", LOG_NUM(d->n), "to",
		    d->rcpt.text, "ses-id", known->ses_id);
		dispatch_finish(s->server->dispatch, d, &v);
		return;
	}
	if (r->refusal != NULL) {
		refuse(r, i);
		return;
	}
	if (known->state == RECORD_DOUBTFUL || known->state == RECORD_SENDING) {
		if (s->conf->store.doubtful == CONF_DOUBTFUL_HOLD) {
			verdict_held(&v);
			dispatch_finish(s->server->dispatch, d, &v);
			return;
		}
		log_warning(r->mail->id_text, "resend", "n", LOG_NUM(d->n),
		    "to", d->rcpt.text, "reason",
		    "in doubt: may be a duplicate");
	}
	dispatch_submit(r->turn, d, r->mail, r->deadline_us);
}

static void
submit_all(struct relay *r, const struct arrival *a)
{
	struct transaction *txn = r->s->txn;
	size_t next = 0;

	for (size_t i = 0; i < txn->nrcpts; i++) {
		if (txn->rcpts[i]->same != NULL || txn->rcpts[i]->counted_only)
			continue;
		if (relay_goes_out(txn->rcpts[i]))
			submit(r, i, &a->rcpts[next]);
		next++;
	}
}

/* The journal could not take it: nothing of this session's goes out. */
static void
fail_all(struct relay *r, const struct err *err)
{
	struct transaction *txn = r->s->txn;
	struct verdict v, last;

	verdict_local(err, &v);
	log_error(NULL, "journal", "outcome", "not accepted", "reason",
	    err->text);
	for (size_t i = 0; i < txn->nrcpts; i++) {
		if (!relay_goes_out(txn->rcpts[i]))
			continue;
		txn->rcpts[i]->verdict = v;
		if (!r->joined[i])
			dispatch_finish(r->s->server->dispatch,
			    r->deliveries[i], &v);
		(void)dispatch_leave(r->turn, r->deliveries[i], true, &last);
	}
}

static void
log_arrival(const struct relay *r, const struct arrival *a,
    const struct gate_output *out)
{
	const struct origin *o = out->origin;

	log_info(r->mail->id_text, a->record.known ? "offered" : "received",
	    "from", r->s->txn->sender.text, "original",
	    o != NULL ? o->original : NULL, "user",
	    o != NULL && o->user[0] != '\0' ? o->user : NULL, "size",
	    LOG_NUM(message_size(r->mail->message)), "rcpts",
	    LOG_NUM(a->record.nrcpts), "queue-ids",
	    out->queue_ids.len > 0 ? out->queue_ids.data : NULL,
	    "message-id", out->message_id, "repairs",
	    out->repairs.len > 0 ? out->repairs.data : NULL);
}

static void
fill_mail(struct relay *r, const struct arrival *a, struct gate_output *out)
{
	struct mail *mail = r->mail;

	mail->id = a->record.id;
	(void)uuid_text(&mail->id, mail->id_text);
	mail->sender = out->sender;
	mail->body_off = out->body_off;
	mail->head = out->head; /* the bytes are handed over */
	buf_init(&out->head, 0);
	mail->received = received_field(r->s, mail->id_text);
	mail->tags = mem_strndup(out->tags.data, out->tags.len);
}

static void
relay_init(struct relay *r, struct session *s, struct message *message)
{
	*r = (struct relay) { .s = s };
	r->began_us = clock_mono_us();
	r->deadline_us = r->began_us + s->conf->lmtp.answer_within;
	r->turn = turn_new(s->server->dispatch, s->wake[1]);
	r->deliveries = mem_array(s->txn->nrcpts, sizeof(*r->deliveries));
	r->joined = mem_array(s->txn->nrcpts, sizeof(*r->joined));
	r->mail = mail_new(message);
}

static void
relay_free(struct relay *r)
{
	turn_free(r->turn);
	/* What is left there was about these outcomes. */
	session_drain_wake(r->s);
	mail_release(r->mail);
	free(r->deliveries);
	free(r->joined);
}

/*
 * With what the gate made of it, or with its refusal: the digest comes first
 * either way.
 */
static int
send_all(struct session *s, struct message *message, struct gate_output *out,
    const struct gate_reply *refusal)
{
	unsigned char digest[SHA256_LEN];
	struct relay r;
	struct arrival a;
	struct err err;

	relay_init(&r, s, message);
	r.refusal = refusal;
	message_digest(message, digest);
	claim(&r, out->has_received ? digest : NULL);
	if (arrival_journal(s, message, out, &a, &err) == -1) {
		fail_all(&r, &err);
	} else {
		fill_mail(&r, &a, out);
		log_arrival(&r, &a, out);
		submit_all(&r, &a);
		relay_record_refusals(&r);
	}
	relay_collect(&r);
	arrival_free(&a);
	relay_free(&r);
	return r.client_gone ? -1 : 0;
}

int
relay_message(struct session *s, struct message *message)
{
	char host[HOSTNAME_SIZE];
	struct rewrite_rules rules;
	struct gate_input in = {
		.rules = &rules,
		.message = message,
		.sender = &s->txn->sender,
		.wall_us = clock_wall_us(),
		.queue_id = s->xforward.ident,
	};
	struct gate_output out;
	struct gate_reply reply;
	bool pass;
	int rc;

	server_rules(s->server, hostname(host), &rules);
	pass = gate_check(&in, &out, &reply) == GATE_PASS;
	rc = send_all(s, message, &out, pass ? NULL : &reply);
	gate_output_free(&out);
	rules_put(&rules);
	return rc;
}
