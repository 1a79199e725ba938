/* SPDX-License-Identifier: BSD-2-Clause */
#include "config.h"

#include "lmtp/dispatch_parts.h"

#include <stdlib.h>

#include "core/clock.h"
#include "core/mem.h"

#define CONNECT_AHEAD_US US_PER_SEC /* of a slot: what a connection takes */

/* Who waits for a slot may not have to any more: limits, deadlines and what
 * others hold of the quota change. */
#define LOOK_AGAIN_US US_PER_SEC

void
dispatch_wake_senders(struct dispatch *d)
{
	if (d->idle != NULL)
		(void)pthread_cond_signal(&d->idle->cond);
}

static struct delivery_state *
take(struct dispatch *d, int64_t *when_r)
{
	struct delivery_state *s = turn_candidate(d, clock_mono_us(), when_r);

	if (s == NULL)
		return NULL;
	quota_take(d->quota, s->self->counts, &s->self->ticket);
	d->ring = s->turn->next;
	turn_dequeue(d, s);
	s->stage = STAGE_TAKEN;
	taken_add(d, s);
	return s;
}

static void
idle_push(struct dispatch *d, struct idle *me)
{
	me->next = d->idle;
	d->idle = me;
}

static void
idle_remove(struct dispatch *d, struct idle *me)
{
	struct idle **at = &d->idle;

	while (*at != me)
		at = &(*at)->next;
	*at = me->next;
	if (d->waiting > 0)
		dispatch_wake_senders(d);
}

struct delivery *
dispatch_next(struct dispatch *d, int64_t idle_us)
{
	int64_t until = clock_mono_us() + idle_us, when, now;
	struct delivery_state *s = NULL;
	struct idle me;

	clock_cond_init(&me.cond);
	dispatch_lock(d);
	idle_push(d, &me);
	while (!d->stopping) {
		when = INT64_MAX;
		if (d->idle == &me)
			s = take(d, &when);
		now = clock_mono_us();
		if (s != NULL || now >= until)
			break;
		if (when > now + LOOK_AGAIN_US && d->waiting > 0)
			when = now + LOOK_AGAIN_US;
		(void)clock_cond_wait(&me.cond, &d->lock,
		    when < until ? when : until);
	}
	idle_remove(d, &me);
	dispatch_unlock(d);
	(void)pthread_cond_destroy(&me.cond);
	return s != NULL ? s->self : NULL;
}

/*
 * Starts no other one: this one looks at what waits before it does anything
 * else, and while it is on its way there it would seem that nobody does.
 */
void
dispatch_sender_ready(struct dispatch *d)
{
	dispatch_lock(d);
	d->starting--;
	(void)pthread_mutex_unlock(&d->lock);
}

unsigned
dispatch_sender_failed(struct dispatch *d)
{
	unsigned left;

	dispatch_lock(d);
	d->starting--;
	left = --d->senders;
	if (left == 0)
		(void)pthread_cond_broadcast(&d->ended);
	else
		d->again_us = clock_mono_us() + LOOK_AGAIN_US;
	(void)pthread_mutex_unlock(&d->lock);
	return left;
}

bool
dispatch_may_dot(struct dispatch *d, struct delivery *delivery)
{
	struct delivery_state *s = delivery->state;
	bool may;

	dispatch_lock(d);
	may = !d->stopping && s->waiters != NULL;
	if (may) {
		s->stage = STAGE_DOT;
		delivery->attempts++;
	}
	dispatch_unlock(d);
	return may;
}

void
dispatch_drop(struct dispatch *d, struct delivery *delivery)
{
	struct verdict v;

	verdict_stopping(&v);
	dispatch_lock(d);
	delivery_done(d, delivery->state, &v, true);
	dispatch_unlock(d);
}

void
dispatch_unwritten(struct dispatch *d, struct delivery *delivery,
    const struct verdict *so_far)
{
	struct delivery_state *s = delivery->state;

	dispatch_lock(d);
	s->stage = STAGE_UNWRITTEN;
	s->last = *so_far;
	delivery_tell(s);
	dispatch_unlock(d);
}

int64_t
dispatch_deadline(struct dispatch *d, struct delivery *delivery)
{
	int64_t at;

	dispatch_lock(d);
	at = delivery_latest(delivery->state);
	dispatch_unlock(d);
	return at;
}

void
dispatch_requeue(struct dispatch *d, struct delivery *delivery,
    int64_t not_before_us, const struct verdict *so_far)
{
	struct delivery_state *s = delivery->state;
	struct verdict v;

	dispatch_lock(d);
	s->not_before_us = not_before_us;
	/* That time ran out says less than what SES said before. */
	if (so_far->code != 0 &&
	    (s->last.code == 0 || clock_mono_us() < delivery_latest(s)))
		s->last = *so_far;
	if (d->stopping || s->waiters == NULL) {
		verdict_stopping(&v);
		delivery_done(d, s, &v, true);
	} else {
		taken_remove(d, s);
		turn_enqueue(d, s, true);
		/* They may think that it is past its dot, and wait for SES. */
		delivery_tell(s);
	}
	dispatch_unlock(d);
}

/*
 * One sender at a time waits without a connection; others need not start
 * meanwhile.
 */
static bool
wait_alone(struct dispatch *d, int64_t until_us)
{
	struct idle me;
	bool again;

	d->paused = true;
	clock_cond_init(&me.cond);
	(void)clock_cond_wait(&me.cond, &d->lock, until_us);
	(void)pthread_cond_destroy(&me.cond);
	d->paused = false;
	again = d->waiting > 0 && !d->stopping;
	if (again)
		dispatch_starts(d);
	return again;
}

bool
dispatch_pause(struct dispatch *d, int64_t pause_us)
{
	bool again;

	dispatch_lock(d);
	again = !d->paused && d->waiting > 0 && !d->stopping &&
	    wait_alone(d, clock_mono_us() + pause_us);
	dispatch_unlock(d);
	return again;
}

bool
dispatch_rest(struct dispatch *d)
{
	int64_t now, when;
	bool again;

	dispatch_lock(d);
	again = !d->paused && d->waiting > 0 && d->idle == NULL &&
	    !d->stopping;
	while (again) {
		now = clock_mono_us();
		if (turn_candidate(d, now + CONNECT_AHEAD_US, &when) != NULL)
			break;
		when = when - CONNECT_AHEAD_US < now + LOOK_AGAIN_US
		    ? when - CONNECT_AHEAD_US
		    : now + LOOK_AGAIN_US;
		again = wait_alone(d, when);
		if (again)
			d->starting--;
	}
	if (again)
		dispatch_starts(d);
	dispatch_unlock(d);
	return again;
}

void
dispatch_sender_end(struct dispatch *d)
{
	dispatch_lock(d);
	d->senders--;
	if (d->senders == 0)
		(void)pthread_cond_broadcast(&d->ended);
	dispatch_unlock(d);
}

void
dispatch_stop(struct dispatch *d)
{
	struct verdict v;

	verdict_stopping(&v);
	dispatch_fail_waiting(d, &v);
	dispatch_lock(d);
	d->stopping = true;
	for (struct idle *i = d->idle; i != NULL; i = i->next)
		(void)pthread_cond_signal(&i->cond);
	for (struct delivery_state *t = d->taken; t != NULL; t = t->next)
		delivery_tell(t);
	dispatch_unlock(d);
	dispatch_fail_waiting(d, &v);
}

size_t
dispatch_drain(struct dispatch *d, int64_t deadline_us,
    void (*fn)(void *arg, struct delivery *), void *arg)
{
	struct delivery **at_dot;
	size_t left, n = 0;

	dispatch_lock(d);
	while (d->senders > 0)
		if (clock_cond_wait(&d->ended, &d->lock, deadline_us) == -1)
			break;
	left = d->senders;
	at_dot = mem_array(d->ntaken, sizeof(*at_dot));
	for (struct delivery_state *s = d->taken; s != NULL; s = s->next) {
		if (s->stage != STAGE_DOT && s->stage != STAGE_UNWRITTEN)
			continue;
		s->refs++; /* for good: this is the end */
		at_dot[n++] = s->self;
	}
	(void)pthread_mutex_unlock(&d->lock);
	for (size_t i = 0; i < n; i++)
		fn(arg, at_dot[i]);
	free(at_dot);
	return left;
}
