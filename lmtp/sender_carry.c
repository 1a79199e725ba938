/* SPDX-License-Identifier: BSD-2-Clause */
#include "config.h"

#include "lmtp/sender_parts.h"

#include <string.h>

#include "core/clock.h"
#include "core/log.h"
#include "ses/dialogue.h"
#include "store/ledger.h"

#define SILENT_MAX_US (3 * US_PER_SEC) /* in mid-dialogue (SES facts 1.5) */
#define SENDING_WITHIN_US (3 * US_PER_SEC)
#define COMMIT_AHEAD_US (20 * US_PER_MS) /* of the slot: what a commit takes */

/*
 * `sending` is written while DATA and a body no larger than this are under way,
 * on a connection whose envelope took no longer: the day's ledger relies on the
 * dot's following soon (store/ledger.h).
 */
#define QUICK_BYTES (256 * 1024)
#define QUICK_US US_PER_SEC

#define EXTRA_MAX 4096 /* our own fields, without tags */

/*
 * Our own Received field, and the fields of this attempt, which steer SES and
 * are removed by it. The tag postern=ID-N-ATTEMPT lets an event settle a
 * doubtful delivery.
 */
static void
extra_fields(const struct sender *s, const struct delivery *d,
    unsigned attempt, struct buf *out)
{
	const struct conf_list *tags = &s->conf->ses.message_tags;

	buf_adds(out, d->mail->received);
	if (s->conf->ses.configuration_set[0] != '\0')
		buf_addf(out, "X-SES-CONFIGURATION-SET: %s\r\n",
		    s->conf->ses.configuration_set);
	buf_addf(out, "X-SES-MESSAGE-TAGS: postern=%s-%u-%u", d->mail->id_text,
	    d->n, attempt);
	for (size_t i = 0; i < tags->n; i++)
		buf_addf(out, ",\r\n\t%s", tags->items[i]);
	if (d->mail->tags[0] != '\0')
		buf_addf(out, ",\r\n\t%s", d->mail->tags);
	buf_adds(out, "\r\n");
}

static size_t
extra_max(const struct sender *s, const struct delivery *d)
{
	const struct conf_list *tags = &s->conf->ses.message_tags;
	size_t len = EXTRA_MAX + strlen(d->mail->tags);

	for (size_t i = 0; i < tags->n; i++)
		len += strlen(tags->items[i]) + 4;
	return len;
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

/* No dot after all, for a reason that may be gone soon. */
static void
not_sent(struct sender *s, struct delivery *d, struct verdict *v)
{
	drop_in_data(s, d);
	if (d->tries < TRIES_MAX)
		dispatch_requeue(s->server->dispatch, d,
		    clock_mono_us() + sender_backoff_us(d->tries++), v);
	else
		dispatch_finish(s->server->dispatch, d, v);
}

/* The row of a dot, asked for ahead of it. */
struct sending {
	struct record_sending row;
	int64_t asked_us; /* 0: not yet */
};

/* False when the delivery has been seen to: nobody waits for it. */
static bool
ask_sending(struct sender *s, struct delivery *d, struct sending *sending)
{
	if (!dispatch_may_dot(s->server->dispatch, d)) {
		drop_in_data(s, d);
		dispatch_drop(s->server->dispatch, d);
		return false;
	}
	sending->row = (struct record_sending) {
		.id = &d->mail->id,
		.n = d->n,
		.attempt = d->attempts,
		.counts = d->counts,
	};
	sending->asked_us = clock_mono_us();
	record_sending_ask(s->server->journal, &sending->row,
	    sending->asked_us + SENDING_WITHIN_US);
	return true;
}

/*
 * SES hears no dot before `sending` is written, nor when that was too long ago
 * for the ledger.
 */
static bool
await_sending(struct sender *s, struct delivery *d, struct sending *sending)
{
	struct ses_result slow = {
		.class = SES_RECONNECT,
		.phase = SES_PHASE_BODY,
		.text = "SES took too long to take the message",
	};
	struct verdict v;
	struct err err;

	if (record_sending_await(s->server->journal, &sending->row, &err) ==
	    -1) {
		log_error(d->mail->id_text, "journal", "n", LOG_NUM(d->n),
		    "outcome", "not sent", "reason", err.text);
		verdict_local(&err, &v);
		not_sent(s, d, &v);
		return false;
	}
	if (clock_mono_us() - sending->asked_us < LEDGER_DOT_LAG_US)
		return true;
	drop_in_data(s, d);
	d->tries++;
	sender_again(s, d, &slow, 0, d->attempts);
	return false;
}

/*
 * Everything between body and dot; false when the delivery has been seen to
 * otherwise.
 */
static bool
ready_for_dot(struct sender *s, struct delivery *d, struct sending *sending)
{
	if (sending->asked_us == 0) {
		if (too_early(s, d))
			return false;
		clock_sleep_until(d->ticket.slot_us - COMMIT_AHEAD_US);
		if (!ask_sending(s, d, sending))
			return false;
	}
	return await_sending(s, d, sending);
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

static void
dot(struct sender *s, struct delivery *d)
{
	struct ses_result result;
	struct verdict v;

	memset(&result, 0, sizeof(result));
	clock_sleep_until(quota_dot(s->server->quota, &d->ticket));
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

/*
 * The journal has been asked about it, and knows nothing against it. A
 * delivery that it knows something about has been seen to when this is false.
 */
static bool
submitted(struct sender *s, struct delivery *d)
{
	struct verdict none = { .code = 0 };

	if (dispatch_submitted(s->server->dispatch, d,
		clock_mono_us() + SILENT_MAX_US))
		return true;
	quota_release(s->server->quota, &d->ticket);
	dialogue_reset(s->connection);
	dispatch_requeue(s->server->dispatch, d, 0, &none);
	return false;
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
	if (!submitted(s, d))
		return false;
	quota_release(s->server->quota, &d->ticket);
	verdict_from_ses(&result, &v);
	sender_conclude(s, d, &v, 0);
	return false;
}

/* SES refused something before the dot, or is gone. */
static void
refused_before_dot(struct sender *s, struct delivery *d,
    struct sending *sending, const struct ses_result *result)
{
	unsigned attempt = 0;
	struct err err;

	if (sending->asked_us != 0 &&
	    record_sending_await(s->server->journal, &sending->row, &err) == 0)
		attempt = d->attempts;
	if (result->class == SES_PACE || result->class == SES_DAY_FULL)
		account_for(s->server->quota, d, result);
	else
		quota_release(s->server->quota, &d->ticket);
	sender_refused(s, d, result, attempt);
	dialogue_reset(s->connection);
}

/* Is the dot to follow soon enough for `sending` to be written now? */
static bool
quick(const struct delivery *d, int64_t began_us)
{
	int64_t now = clock_mono_us();

	return d->tries == 0 && now - began_us <= QUICK_US &&
	    d->ticket.slot_us - now <= COMMIT_AHEAD_US &&
	    message_size(d->mail->message) <= QUICK_BYTES;
}

static int
data(struct sender *s, struct delivery *d, unsigned attempt,
    struct ses_mail *mail, struct ses_result *result)
{
	struct buf extra;
	int rc;

	buf_init(&extra, 64 * 1024);
	extra_fields(s, d, attempt, &extra);
	mail->extra = extra.data;
	rc = dialogue_data(s->connection, mail,
	    dispatch_deadline(s->server->dispatch, d), result);
	buf_free(&extra);
	return rc;
}

void
sender_carry(struct sender *s, struct delivery *d)
{
	struct ses_mail mail = {
		.sender = d->mail->sender.text,
		.recipient = d->rcpt.text,
		.extra_max = extra_max(s, d),
		.head = &d->mail->head,
		.message = d->mail->message,
		.body_off = d->mail->body_off,
	};
	struct sending sending = { .asked_us = 0 };
	int64_t began = clock_mono_us();
	struct ses_result result;
	int rc;

	if (!may_send(s, d))
		return;
	rc = dialogue_envelope(s->connection, &mail,
	    dispatch_deadline(s->server->dispatch, d), &result);
	if (!submitted(s, d))
		return;
	if (rc == 0 && quick(d, began) && !ask_sending(s, d, &sending))
		return;
	if (rc == 0)
		rc = data(s, d, d->attempts + (sending.asked_us == 0), &mail,
		    &result);
	if (rc == -1) {
		refused_before_dot(s, d, &sending, &result);
		return;
	}
	dispatch_prepared(s->server->dispatch,
	    clock_mono_us() - began + COMMIT_AHEAD_US);
	if (ready_for_dot(s, d, &sending))
		dot(s, d);
}
