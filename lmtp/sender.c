/* SPDX-License-Identifier: BSD-2-Clause */
#include "config.h"

#include "lmtp/sender.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/clock.h"
#include "core/log.h"
#include "core/mem.h"
#include "core/thread.h"
#include "ses/dialogue.h"

#define PAUSE_US US_PER_SEC	     /* between looks at the breakers */
#define SILENT_MAX_US (3 * US_PER_SEC) /* in mid-dialogue (SES facts 1.5) */
#define TRIES_MAX 3
#define SENDING_WITHIN_US (3 * US_PER_SEC)
#define OUTCOME_WITHIN_US (60 * US_PER_SEC)
#define OUTCOME_AGAIN_US (2 * US_PER_SEC) /* with a journal that fails at once */
#define THROTTLED_US US_PER_SEC /* until another try (SES facts 2.6) */
#define COMMIT_AHEAD_US (20 * US_PER_MS) /* of the slot: what a commit takes */

struct sender {
	struct server *server;
	struct ses *ses; /* held: what the connection was made by */
	const struct conf *conf; /* the account's */
	struct connection *connection;
};

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
 * Whether SIGHUP has put another account, or other ways to it, in the place of
 * ours.
 */
static bool
in_force(struct sender *s)
{
	struct ses *now = server_ses(s->server);
	bool same = now == s->ses;

	ses_release(now);
	return same;
}

/*
 * What no message can get past defers all that wait: the operator has to act,
 * and the MTA keeps the mail. A network that is down may be back within
 * answer-within: those wait.
 */
static void
fail_waiting(struct sender *s, const struct ses_result *result)
{
	struct verdict v;

	if (!in_force(s) || !ses_stops_all(s->ses, result))
		return;
	verdict_from_ses(result, &v);
	dispatch_fail_waiting(s->server->dispatch, &v);
}

/*
 * Fit for the next message: not stale, not over its count, made by the
 * configuration in force.
 */
static bool
fit(struct sender *s)
{
	return in_force(s) && s->connection->messages <
		(unsigned)s->conf->ses.messages_per_connection &&
	    !connection_stale(s->connection);
}

static int
record(struct sender *s, const struct delivery *d, const struct verdict *v,
    unsigned attempt, int64_t within_us, struct err *err)
{
	struct record_outcome o = {
		.state = v->state,
		.ses_id = v->state == RECORD_SENT ? v->ses_id : NULL,
		.code = v->code,
		.dsn = v->dsn,
		.reply = v->text,
		.endpoint = s->connection != NULL ? s->connection->name : NULL,
		.attempt = attempt,
	};

	return record_outcome(s->server->journal, &d->mail->id, d->n, &o,
	    clock_mono_us() + within_us, err);
}

static void
log_outcome(const struct delivery *d, const struct verdict *v,
    const struct connection *c)
{
	log_info(d->mail->id_text, record_state_name(v->state), "n",
	    LOG_NUM(d->n), "to", d->rcpt.text, "attempt",
	    LOG_NUM(d->attempts), "via", c != NULL ? c->name : NULL, "reply",
	    v->text);
}

/*
 * SES has it, and while we live nobody shall send it again for want of a
 * journal: the MTA is put off, and its next try waits here for the record.
 */
static void
insist(struct sender *s, struct delivery *d, const struct verdict *sent,
    unsigned attempt, const struct verdict *trouble)
{
	struct err err;

	dispatch_unwritten(s->server->dispatch, d, trouble);
	do
		clock_sleep_until(clock_mono_us() + OUTCOME_AGAIN_US);
	while (record(s, d, sent, attempt, OUTCOME_WITHIN_US, &err) == -1);
}

/* An outcome that nothing is to be done about any more. */
static void
conclude(struct sender *s, struct delivery *d, struct verdict *v,
    unsigned attempt)
{
	struct verdict trouble;
	struct err err;

	log_outcome(d, v, s->connection);
	if (record(s, d, v, attempt, OUTCOME_WITHIN_US, &err) == -1) {
		log_error(d->mail->id_text, "journal", "n", LOG_NUM(d->n),
		    "outcome", record_state_name(v->state), "ses-id",
		    v->state == RECORD_SENT ? v->ses_id : NULL, "reason",
		    err.text);
		verdict_local(&err, &trouble);
		if (v->state == RECORD_SENT)
			insist(s, d, v, attempt, &trouble);
		else
			*v = trouble;
	}
	dispatch_finish(s->server->dispatch, d, v);
}

/* Another try within this transaction: journalled when it spent a dot. */
static void
again(struct sender *s, struct delivery *d, const struct ses_result *result,
    int64_t after_us, unsigned attempt)
{
	struct verdict v;
	struct err err;

	verdict_from_ses(result, &v);
	v.state = RECORD_DEFERRED;
	log_info(d->mail->id_text, "retry", "n", LOG_NUM(d->n), "class",
	    ses_class_name(result->class), "phase",
	    ses_phase_name(result->phase), "reply", result->text);
	if (attempt > 0 &&
	    record(s, d, &v, attempt, OUTCOME_WITHIN_US, &err) == -1) {
		log_error(d->mail->id_text, "journal", "n", LOG_NUM(d->n),
		    "outcome", "deferred", "reason", err.text);
		verdict_local(&err, &v);
		dispatch_finish(s->server->dispatch, d, &v);
		return;
	}
	dispatch_requeue(s->server->dispatch, d, clock_mono_us() + after_us,
	    &v);
}

/* AWS's advice for a service failure (SES facts 1.5). */
static int64_t
backoff_us(unsigned tries)
{
	static const int64_t steps[TRIES_MAX] = { 5, 10, 30 };

	return steps[tries < TRIES_MAX ? tries : TRIES_MAX - 1] * US_PER_SEC;
}

/* SES, or the way to it, said no. attempt is 0 when no dot was sent. */
static void
refused(struct sender *s, struct delivery *d, const struct ses_result *result,
    unsigned attempt)
{
	struct verdict v;

	ses_report(s->ses, d->mail->sender.text, result);
	if (result->class == SES_PACE || result->class == SES_DAY_FULL) {
		again(s, d, result, THROTTLED_US, attempt);
		return;
	}
	if ((result->class == SES_RECONNECT ||
		result->class == SES_TRY_AGAIN) && d->tries < TRIES_MAX) {
		d->tries++;
		again(s, d, result,
		    result->class == SES_RECONNECT ? 0
						   : backoff_us(d->tries - 1),
		    attempt);
		return;
	}
	if (result->class == SES_UNKNOWN_5XX)
		log_error(d->mail->id_text, "unknown-reply", "phase",
		    ses_phase_name(result->phase), "code",
		    LOG_NUM(result->code), "reply", result->text);
	verdict_from_ses(result, &v);
	conclude(s, d, &v, attempt);
	fail_waiting(s, result);
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
	if (d->tries < TRIES_MAX)
		dispatch_requeue(s->server->dispatch, d,
		    clock_mono_us() + backoff_us(d->tries++), &v);
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
	again(s, d, &result, 0, d->attempts);
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
		refused(s, d, &result, d->attempts);
		return;
	}
	ses_report(s->ses, d->mail->sender.text, &result);
	verdict_from_ses(&result, &v);
	conclude(s, d, &v, d->attempts);
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
	conclude(s, d, &v, 0);
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
		refused(s, d, &result, 0);
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
	fail_waiting(s, &result);
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
			fail_waiting(&s, &result);
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

	if (thread_start(sender_main, server) == 0)
		return;
	log_error(NULL, "no-thread", "what", "sender");
	if (dispatch_sender_failed(server->dispatch) > 0)
		return; /* the others take longer */
	(void)err_set(&err, ERR_LOCAL, "no thread to be had for sending");
	verdict_local(&err, &v);
	dispatch_fail_waiting(server->dispatch, &v);
}

void
sender_abandon(void *arg, struct delivery *d)
{
	const struct sender_end *end = arg;
	struct sender s = { .server = end->server };
	struct verdict v;
	struct ses_result result = {
		.class = SES_DOUBTFUL,
		.phase = SES_PHASE_DOT,
		.text = "posternd stopped before SES answered",
	};
	struct err err;

	verdict_from_ses(&result, &v);
	log_warning(d->mail->id_text, "doubtful", "n", LOG_NUM(d->n), "to",
	    d->rcpt.text, "reply", v.text);
	if (record(&s, d, &v, d->attempts,
		end->deadline_us - clock_mono_us(), &err) == -1)
		log_error(d->mail->id_text, "journal", "n", LOG_NUM(d->n),
		    "outcome", "doubtful", "reason", err.text);
}
