/* SPDX-License-Identifier: BSD-2-Clause */
#include "config.h"

#include "lmtp/sender_parts.h"

#include "core/clock.h"
#include "core/log.h"

/*
 * What SES's answer comes to: into the journal, to whoever waits, to the
 * breakers; or another try.
 */
#define OUTCOME_WITHIN_US (60 * US_PER_SEC)
#define OUTCOME_AGAIN_US (2 * US_PER_SEC) /* the journal fails at once */
#define THROTTLED_US US_PER_SEC /* until another try (SES facts 2.6) */

/*
 * Whether SIGHUP has put another account, or other ways to it, in the place of
 * ours.
 */
bool
sender_in_force(struct sender *s)
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
void
sender_fail_waiting(struct sender *s, const struct ses_result *result)
{
	struct verdict v;

	if (!sender_in_force(s) || !ses_stops_all(s->ses, result))
		return;
	verdict_from_ses(result, &v);
	dispatch_fail_waiting(s->server->dispatch, &v);
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
 * What SES answered to a dot says whether it has the message, and while we live
 * nobody shall send that again, or hold it back, for want of a journal: the MTA
 * is put off, and its next try waits here for the record. -1 only without a dot.
 */
static int
write_down(struct sender *s, struct delivery *d, const struct verdict *v,
    unsigned attempt, struct verdict *trouble_r)
{
	struct err err;

	if (record(s, d, v, attempt, OUTCOME_WITHIN_US, &err) == 0)
		return 0;
	log_error(d->mail->id_text, "journal", "n", LOG_NUM(d->n), "outcome",
	    record_state_name(v->state), "ses-id",
	    v->state == RECORD_SENT ? v->ses_id : NULL, "reason", err.text);
	verdict_local(&err, trouble_r);
	if (attempt == 0)
		return -1;
	dispatch_unwritten(s->server->dispatch, d, trouble_r);
	do
		clock_sleep_until(clock_mono_us() + OUTCOME_AGAIN_US);
	while (record(s, d, v, attempt, OUTCOME_WITHIN_US, &err) == -1);
	return 0;
}

void
sender_conclude(struct sender *s, struct delivery *d, struct verdict *v,
    unsigned attempt)
{
	struct verdict trouble;

	log_outcome(d, v, s->connection);
	if (write_down(s, d, v, attempt, &trouble) == -1)
		*v = trouble;
	dispatch_finish(s->server->dispatch, d, v);
}

void
sender_again(struct sender *s, struct delivery *d,
    const struct ses_result *result, int64_t after_us, unsigned attempt)
{
	struct verdict v, trouble;

	verdict_from_ses(result, &v);
	v.state = RECORD_DEFERRED;
	log_info(d->mail->id_text, "retry", "n", LOG_NUM(d->n), "class",
	    ses_class_name(result->class), "phase",
	    ses_phase_name(result->phase), "reply", result->text);
	if (attempt > 0)
		(void)write_down(s, d, &v, attempt, &trouble);
	dispatch_requeue(s->server->dispatch, d, clock_mono_us() + after_us,
	    &v);
}

int64_t
sender_backoff_us(unsigned tries)
{
	static const int64_t steps[SENDER_TRIES_MAX] = { 5, 10, 30 };
	unsigned last = SENDER_TRIES_MAX - 1;

	return steps[tries < last ? tries : last] * US_PER_SEC;
}

/*
 * A connection that others have used up, by SES's count or its patience, says
 * nothing about this message; there are only so many of them.
 */
static bool
used_up(const struct sender *s, const struct ses_result *result,
    unsigned attempt)
{
	return result->class == SES_RECONNECT && attempt == 0 &&
	    s->connection->messages > 0;
}

void
sender_refused(struct sender *s, struct delivery *d,
    const struct ses_result *result, unsigned attempt)
{
	struct verdict v;
	int64_t after;

	ses_report(s->ses, d->mail->sender.text, result);
	if (result->class == SES_PACE || result->class == SES_DAY_FULL) {
		sender_again(s, d, result, THROTTLED_US, attempt);
		return;
	}
	if (used_up(s, result, attempt)) {
		sender_again(s, d, result, 0, attempt);
		return;
	}
	if ((result->class == SES_RECONNECT ||
		result->class == SES_TRY_AGAIN) &&
	    d->tries < SENDER_TRIES_MAX) {
		after = result->class == SES_RECONNECT
		    ? 0
		    : sender_backoff_us(d->tries);
		d->tries++;
		sender_again(s, d, result, after, attempt);
		return;
	}
	if (result->class == SES_UNKNOWN_5XX)
		log_error(d->mail->id_text, "unknown-reply", "phase",
		    ses_phase_name(result->phase), "code",
		    LOG_NUM(result->code), "reply", result->text);
	verdict_from_ses(result, &v);
	sender_conclude(s, d, &v, attempt);
	sender_fail_waiting(s, result);
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
