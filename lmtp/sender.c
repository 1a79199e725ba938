/* SPDX-License-Identifier: BSD-2-Clause */
#include "config.h"

#include "lmtp/sender_parts.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/clock.h"
#include "core/log.h"
#include "core/mem.h"
#include "core/thread.h"

#define PAUSE_US US_PER_SEC	     /* between looks at the breakers */
#define SILENT_MAX_US (3 * US_PER_SEC) /* in mid-dialogue (SES facts 1.5) */
#define SENDING_WITHIN_US (3 * US_PER_SEC)
#define COMMIT_AHEAD_US (20 * US_PER_MS) /* of the slot: what a commit takes */

static void
disconnect(struct sender *s)
{
	ses_disconnect(s->ses, s->connection);
	s->connection = NULL;
	ses_release(s->ses);
	s->ses = NULL;
}

static int
reconnect(struct sender *s, struct ses_result *result)
{
	disconnect(s);
	s->ses = server_ses(s->server);
	s->conf = ses_conf(s->ses);
	s->connection = ses_connect(s->ses, result);
	if (s->connection != NULL) {
		log_info(NULL, "connected", "to", s->connection->name, "tls",
		    stream_tls_text(s->connection->stream));
		return 0;
	}
	return -1;
}

/*
 * Fit for the next message: not stale, not over its count, made by the
 * configuration in force.
 */
static bool
fit(struct sender *s)
{
	return sender_in_force(s) && s->connection->messages <
		(unsigned)s->conf->ses.messages_per_connection &&
	    !connection_stale(s->connection);
}

/*
 * Our own Received field, and the fields of this attempt, which steer SES and
 * are removed by it. The tag postern=ID-N-ATTEMPT lets an event settle a
 * doubtful delivery.
 */
static void
extra_fields(const struct sender *s, const struct delivery *d, struct buf *out)
{
	const struct conf_list *tags = &s->conf->ses.message_tags;

	buf_adds(out, d->mail->received);
	if (s->conf->ses.configuration_set[0] != '\0')
		buf_addf(out, "X-SES-CONFIGURATION-SET: %s\r\n",
		    s->conf->ses.configuration_set);
	buf_addf(out, "X-SES-MESSAGE-TAGS: postern=%s-%u-%u", d->mail->id_text,
	    d->n, d->attempts + 1);
	for (size_t i = 0; i < tags->n; i++)
		buf_addf(out, ",\r\n\t%s", tags->items[i]);
	if (d->mail->tags[0] != '\0')
		buf_addf(out, ",\r\n\t%s", d->mail->tags);
	buf_adds(out, "\r\n");
}

static int
prepare(struct sender *s, struct delivery *d, struct ses_result *result)
{
	struct buf extra;
	struct ses_mail mail = {
		.sender = d->mail->sender.text,
		.recipient = d->rcpt.text,
		.head = &d->mail->head,
		.message = d->mail->message,
		.body_off = d->mail->body_off,
	};
	int64_t began = clock_mono_us();
	int rc;

	buf_init(&extra, 64 * 1024);
	extra_fields(s, d, &extra);
	mail.extra = extra.data;
	rc = dialogue_prepare(s->connection, &mail,
	    dispatch_deadline(s->server->dispatch, d), result);
	buf_free(&extra);
	if (rc == 0)
		dispatch_prepared(s->server->dispatch,
		    clock_mono_us() - began + COMMIT_AHEAD_US);
	return rc;
}

/*
 * In DATA, and the dot is not to go out: only closing the connection keeps SES
 * from accepting what it has.
 */
static void
drop_in_data(struct sender *s, struct delivery *d)
{
	s->connection->broken = true;
	quota_release(s->server->quota, &d->ticket);
}

/*
 * The pace may have been lowered since the slot was taken: then this is too
 * early to sit here and wait.
 */
static bool
too_early(struct sender *s, struct delivery *d)
{
	struct verdict v = { .code = 0 };

	if (d->ticket.slot_us - clock_mono_us() <= SILENT_MAX_US)
		return false;
	drop_in_data(s, d);
	dispatch_requeue(s->server->dispatch, d,
	    d->ticket.slot_us - SILENT_MAX_US, &v);
	return true;
}

/* `sending` could not be written, and SES hears no dot before it is. */
static void
unwritten(struct sender *s, struct delivery *d, const struct err *err)
{
	struct verdict v;

	drop_in_data(s, d);
	log_error(d->mail->id_text, "journal", "n", LOG_NUM(d->n), "outcome",
	    "not sent", "reason", err->text);
	verdict_local(err, &v);
	if (d->tries < SENDER_TRIES_MAX)
		dispatch_requeue(s->server->dispatch, d,
		    clock_mono_us() + sender_backoff_us(d->tries++), &v);
	else
		dispatch_finish(s->server->dispatch, d, &v);
}

/*
 * Everything up to the dot's permission; false when the delivery has been seen
 * to otherwise.
 */
static bool
ready_for_dot(struct sender *s, struct delivery *d)
{
	struct err err;

	if (too_early(s, d))
		return false;
	clock_sleep_until(d->ticket.slot_us - COMMIT_AHEAD_US);
	if (!dispatch_may_dot(s->server->dispatch, d)) {
		drop_in_data(s, d);
		dispatch_drop(s->server->dispatch, d);
		return false;
	}
	if (record_sending(s->server->journal, &d->mail->id, d->n,
		d->attempts, d->counts,
		clock_mono_us() + SENDING_WITHIN_US, &err) == -1) {
		unwritten(s, d, &err);
		return false;
	}
	return true;
}

static void
account_for(struct quota *quota, struct delivery *d,
    const struct ses_result *result)
{
	if (result->class == SES_OK)
		quota_accepted(quota, &d->ticket);
	else if (result->class == SES_DOUBTFUL)
		quota_doubtful(quota, &d->ticket);
	else if (result->class == SES_PACE)
		quota_throttled_rate(quota, &d->ticket);
	else if (result->class == SES_DAY_FULL)
		quota_throttled_day(quota, &d->ticket);
	else
		quota_refused(quota, &d->ticket);
}

/*
 * Many were late together and are ready together: those whose place is seconds
 * away can't sit here in silence, nor is the ledger of the day prepared for a
 * dot so long after its `sending`.
 */
static void
crowded(struct sender *s, struct delivery *d)
{
	struct ses_result result = {
		.class = SES_PACE,
		.phase = SES_PHASE_DOT,
		.text = "others were late, too: its place moved too far",
	};

	drop_in_data(s, d);
	sender_again(s, d, &result, 0, d->attempts);
}

static void
dot(struct sender *s, struct delivery *d)
{
	int64_t at = quota_dot(s->server->quota, &d->ticket,
	    clock_mono_us() + SILENT_MAX_US);
	struct ses_result result;
	struct verdict v;

	if (at == -1) {
		crowded(s, d);
		return;
	}
	memset(&result, 0, sizeof(result));
	clock_sleep_until(at);
	dialogue_dot(s->connection,
	    clock_mono_us() + s->conf->ses.data_timeout, &result);
	account_for(s->server->quota, d, &result);
	if (result.class != SES_OK && result.class != SES_DOUBTFUL) {
		sender_refused(s, d, &result, d->attempts);
		return;
	}
	ses_report(s->ses, d->mail->sender.text, &result);
	verdict_from_ses(&result, &v);
	sender_conclude(s, d, &v, d->attempts);
}

/* What is known to be in trouble is not asked again, but for a probe. */
static bool
may_send(struct sender *s, struct delivery *d)
{
	struct ses_result result;
	struct verdict v;

	if (ses_may_send(s->ses, s->connection, d->mail->sender.text,
		&result) == 0)
		return true;
	quota_release(s->server->quota, &d->ticket);
	verdict_from_ses(&result, &v);
	sender_conclude(s, d, &v, 0);
	return false;
}

static void
carry(struct sender *s, struct delivery *d)
{
	struct ses_result result;

	if (!may_send(s, d))
		return;
	if (prepare(s, d, &result) == -1) {
		if (result.class == SES_PACE || result.class == SES_DAY_FULL)
			account_for(s->server->quota, d, &result);
		else
			quota_release(s->server->quota, &d->ticket);
		sender_refused(s, d, &result, 0);
		dialogue_reset(s->connection);
		return;
	}
	if (ready_for_dot(s, d))
		dot(s, d);
}

/* Give a delivery back whose connection turned out to be of no more use. */
static bool
renew(struct sender *s, struct delivery *d)
{
	struct ses_result result;
	struct verdict v;

	if (fit(s) || reconnect(s, &result) == 0)
		return true;
	quota_release(s->server->quota, &d->ticket);
	verdict_from_ses(&result, &v);
	dispatch_requeue(s->server->dispatch, d, 0, &v);
	sender_fail_waiting(s, &result);
	return false;
}

/* Serve on one connection until it is idle for too long or lost. */
static void
serve(struct sender *s)
{
	struct delivery *d;

	while ((d = dispatch_next(s->server->dispatch,
		    s->conf->ses.idle_timeout)) != NULL) {
		if (!renew(s, d))
			return;
		carry(s, d);
		if (s->connection->broken)
			return; /* whoever comes next starts afresh */
	}
}

static void *
sender_main(void *arg)
{
	struct sender s = { .server = arg };
	struct dispatch *dispatch = s.server->dispatch;
	struct ses_result result;
	bool idle, lost;
	int rc;

	do {
		rc = reconnect(&s, &result);
		dispatch_sender_ready(dispatch);
		if (rc == 0)
			serve(&s);
		else
			sender_fail_waiting(&s, &result);
		idle = s.connection != NULL && !s.connection->broken;
		lost = s.connection == NULL;
		disconnect(&s);
	} while ((lost && dispatch_pause(dispatch, PAUSE_US)) ||
	    (idle && dispatch_rest(dispatch)));
	dispatch_sender_end(dispatch);
	return NULL;
}

void
sender_spawn(void *arg)
{
	struct server *server = arg;
	struct verdict v;
	struct err err;

	if (thread_start(sender_main, server) == 0) {
		atomic_store(&server->no_thread, false);
		return;
	}
	if (!atomic_exchange(&server->no_thread, true))
		log_error(NULL, "no-thread", "what", "sender");
	if (dispatch_sender_failed(server->dispatch) > 0)
		return; /* the others take longer */
	(void)err_set(&err, ERR_LOCAL, "no thread to be had for sending");
	verdict_local(&err, &v);
	dispatch_fail_waiting(server->dispatch, &v);
}
