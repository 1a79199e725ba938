/* SPDX-License-Identifier: BSD-2-Clause */
#include "config.h"

#include "lmtp/session.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/clock.h"
#include "core/hostname.h"
#include "core/log.h"
#include "core/mem.h"
#include "lmtp/arrival.h"
#include "lmtp/gate.h"

/*
 * From a message that has been received to an answer for each of its
 * recipients: gate, claim, journal, submit, and collect in the order of the
 * RCPTs.
 */
#define LATE_WITHIN_US (5 * US_PER_SEC)
#define LOOK_AGAIN_US US_PER_SEC

struct relay {
	struct session *s;
	struct turn *turn;
	struct mail *mail;
	struct delivery **deliveries; /* by recipient; NULL for second namings and refused ones */
	bool *joined;		      /* another session's */
	int64_t began_us, deadline_us;
	const struct gate_reply *refusal; /* of the gate, for whom SES has not taken it before */
	bool client_gone;
};

static void
reply_verdict(struct session *s, const struct verdict *v)
{
	session_reply(s, v->code, v->dsn, "%s", v->text);
}

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

static bool
goes_out(const struct recipient *r)
{
	return r->accepted && r->same == NULL;
}

/* Claim before the journal is asked: see dispatch.h. */
static void
claim(struct relay *r, const unsigned char *digest)
{
	struct transaction *txn = r->s->txn;

	for (size_t i = 0; i < txn->nrcpts; i++)
		if (goes_out(txn->rcpts[i]))
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
		if (goes_out(txn->rcpts[i]))
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
		if (!goes_out(txn->rcpts[i]))
			continue;
		txn->rcpts[i]->verdict = v;
		if (!r->joined[i])
			dispatch_finish(r->s->server->dispatch,
			    r->deliveries[i], &v);
		(void)dispatch_leave(r->turn, r->deliveries[i], true, &last);
	}
}

/*
 * Wait for something to happen: an outcome, the client going away, the
 * deadline. Input that waits (a pipelined QUIT) hides the client's going; then
 * only POLLRDHUP, where there is one, can tell.
 */
static void
wait_for_news(struct relay *r, int64_t until_us)
{
#ifdef POLLRDHUP
	const short hup = POLLRDHUP;
#else
	const short hup = 0;
#endif
	struct pollfd p[2] = {
		{ .fd = r->s->wake[0], .events = POLLIN },
		{ .fd = stream_fd(r->s->stream), .events = hup },
	};
	int64_t rest = until_us - clock_mono_us();

	if (hup == 0 && stream_pending(r->s->stream) == 0)
		p[1].events = POLLIN;
	if (poll(p, 2, rest <= 0 ? 0
		: (int)((rest + US_PER_MS - 1) / US_PER_MS)) <= 0)
		return;
	if (p[0].revents != 0)
		session_drain_wake(r->s);
	if (p[1].revents != 0)
		r->client_gone = (p[1].revents & (hup | POLLHUP | POLLERR)) !=
			0 || stream_peer_gone(r->s->stream);
}

/* Outcomes that nobody has journalled yet, for one request of them all. */
struct late {
	unsigned *n;
	struct record_outcome *outcomes;
	size_t count;
};

static void
late_add(struct late *late, const struct relay *r, const struct recipient *to)
{
	const struct verdict *v = &to->verdict;

	log_info(r->mail->id_text, record_state_name(v->state), "n",
	    LOG_NUM(to->n), "to", to->address.text, "reply", v->text);
	late->n[late->count] = to->n;
	late->outcomes[late->count++] = (struct record_outcome) {
		.state = v->state,
		.code = v->code,
		.dsn = v->dsn,
		.reply = v->text,
	};
}

static void
late_write(struct late *late, const struct relay *r)
{
	struct err err;

	if (late->count > 0 &&
	    record_outcomes(r->s->server->journal, &r->mail->id, late->n,
		late->outcomes, late->count, clock_mono_us() + LATE_WITHIN_US,
		&err) == -1)
		log_error(r->mail->id_text, "journal", "outcomes",
		    LOG_NUM(late->count), "reason", err.text);
	free(late->n);
	free(late->outcomes);
}

/* Its turn has not come in time: why not? */
static void
no_turn(struct relay *r, const struct verdict *last, struct verdict *v)
{
	struct ses *ses = server_ses(r->s->server);
	struct ses_result result;
	struct quota_state q;
	int64_t now = clock_mono_us();

	if (last->code != 0) {
		*v = *last;
		v->state = RECORD_DEFERRED;
	} else if (r->client_gone) {
		verdict_stopping(v);
	} else if (ses_trouble(ses, r->mail->sender.text, &result) == -1) {
		verdict_from_ses(&result, v);
	} else {
		quota_state(r->s->server->quota, &q);
		verdict_no_turn(now - r->began_us, q.pace,
		    clock_wall_us() + q.next_us - now, v);
	}
	ses_release(ses);
}

/*
 * One recipient's outcome, if it is known or may be given up; verdict.code
 * tells.
 */
static void
settle(struct relay *r, size_t i, bool give_up, struct late *late)
{
	struct recipient *to = r->s->txn->rcpts[i];
	struct delivery *d = r->deliveries[i];
	enum delivery_progress p =
	    dispatch_progress(r->s->server->dispatch, d);
	enum delivery_left left;
	struct verdict last;

	if (p == DELIVERY_DONE || p == DELIVERY_UNRECORDED) {
		to->verdict = d->verdict;
		(void)dispatch_leave(r->turn, d, true, &last);
		if (p == DELIVERY_UNRECORDED)
			late_add(late, r, to);
		return;
	}
	if (!give_up)
		return;
	left = dispatch_leave(r->turn, d, r->client_gone, &last);
	if (left == DELIVERY_STAY)
		return;
	no_turn(r, &last, &to->verdict);
	if (left == DELIVERY_LEFT_LAST)
		late_add(late, r, to);
}

/*
 * All that can be settled from recipient i on, journalled together: when time
 * is up or the account fails, that is all of them at once.
 */
static void
sweep(struct relay *r, size_t i)
{
	bool give_up = r->client_gone || clock_mono_us() >= r->deadline_us;
	struct transaction *txn = r->s->txn;
	struct late late = {
		.n = mem_array(txn->nrcpts, sizeof(*late.n)),
		.outcomes = mem_array(txn->nrcpts, sizeof(*late.outcomes)),
	};

	for (; i < txn->nrcpts; i++)
		if (goes_out(txn->rcpts[i]) &&
		    txn->rcpts[i]->verdict.code == 0)
			settle(r, i, give_up, &late);
	late_write(&late, r);
}

/*
 * Past its dot a delivery waits for SES however long that takes (data-timeout
 * bounds it); before it, until answer-within has passed or the client has gone.
 * Who looks now and then also has dispatch see whether its senders are stuck.
 */
static void
await(struct relay *r, size_t i)
{
	int64_t now, until;

	for (;;) {
		if (r->s->txn->rcpts[i]->verdict.code == 0)
			sweep(r, i);
		if (r->s->txn->rcpts[i]->verdict.code != 0)
			return;
		now = clock_mono_us();
		until = now + LOOK_AGAIN_US;
		if (r->deadline_us > now && r->deadline_us < until)
			until = r->deadline_us;
		wait_for_news(r, until);
	}
}

/*
 * RFC 2033 section 4.2: a reply for each accepted RCPT, in their order, each as
 * soon as it is known.
 */
static void
collect(struct relay *r)
{
	struct transaction *txn = r->s->txn;
	struct recipient *to;

	for (size_t i = 0; i < txn->nrcpts; i++) {
		to = txn->rcpts[i];
		if (!to->accepted)
			continue;
		if (to->same != NULL)
			to->verdict = to->same->verdict;
		else
			await(r, i);
		if (r->client_gone)
			continue;
		reply_verdict(r->s, &to->verdict);
		if (session_flush(r->s) == -1)
			r->client_gone = true;
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

/* Journal what the gate refused, in one go with nothing else to wait for. */
static void
record_refusals(struct relay *r)
{
	struct transaction *txn = r->s->txn;
	struct late late = {
		.n = mem_array(txn->nrcpts, sizeof(*late.n)),
		.outcomes = mem_array(txn->nrcpts, sizeof(*late.outcomes)),
	};

	for (size_t i = 0; i < txn->nrcpts; i++)
		if (goes_out(txn->rcpts[i]) && r->refusal != NULL &&
		    txn->rcpts[i]->verdict.code == r->refusal->code)
			late_add(&late, r, txn->rcpts[i]);
	late_write(&late, r);
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
		record_refusals(&r);
	}
	collect(&r);
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
