/* SPDX-License-Identifier: BSD-2-Clause */
#include "config.h"

#include "lmtp/relay_parts.h"

#include <poll.h>
#include <stdlib.h>

#include "core/clock.h"
#include "core/log.h"
#include "core/mem.h"

#define LATE_WITHIN_US (5 * US_PER_SEC)
#define LOOK_AGAIN_US US_PER_SEC

bool
relay_goes_out(const struct recipient *r)
{
	return r->accepted && r->same == NULL;
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

void
relay_record_refusals(struct relay *r)
{
	struct transaction *txn = r->s->txn;
	struct late late = {
		.n = mem_array(txn->nrcpts, sizeof(*late.n)),
		.outcomes = mem_array(txn->nrcpts, sizeof(*late.outcomes)),
	};

	for (size_t i = 0; i < txn->nrcpts; i++)
		if (relay_goes_out(txn->rcpts[i]) && r->refusal != NULL &&
		    txn->rcpts[i]->verdict.code == r->refusal->code)
			late_add(&late, r, txn->rcpts[i]);
	late_write(&late, r);
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
	if (!give_up && p != DELIVERY_OVER)
		return;
	left = dispatch_leave(r->turn, d, r->client_gone, &last);
	if (left == DELIVERY_STAY)
		return;
	if (p == DELIVERY_OVER)
		verdict_stopping(&to->verdict);
	else
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
		if (relay_goes_out(txn->rcpts[i]) &&
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

static void
reply_verdict(struct session *s, const struct verdict *v)
{
	session_reply(s, v->code, v->dsn, "%s", v->text);
}

void
relay_collect(struct relay *r)
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
