/* SPDX-License-Identifier: BSD-2-Clause */
#include "config.h"

#include "store/quota.h"

#include <pthread.h>
#include <stdlib.h>

#include "core/clock.h"
#include "core/mem.h"
#include "store/ledger.h"
#include "store/quota_day.h"

/*
 * Rate. next_us is the next free place on the grid of dots. Whoever is ready
 * for his dot first gets it, so that one dialogue that drags on costs nothing
 * while others are ready; a ticket's slot is only the place that it would have
 * if all came in the order in which tickets were taken, of which pending wait
 * for their dot. A dot that is a little late leaves the grid alone, so the
 * lateness is made good; one that is later than late_max moves the grid by the
 * rest. So two dots are never closer than half an interval, and over any
 * stretch the dots run ahead of an even pace by less than one interval: what a
 * bucket with a burst of one and that tolerance lets through, with something
 * left for jitter on the way.
 *
 * Day: see quota_day.h.
 */
#define JITTER_US (3 * US_PER_MS)

/*
 * After a 454 the pace goes down at once and back up a little with each
 * recipient that SES accepts: so it hovers just below what SES really allows, a
 * moment's jitter at 200 a second is forgotten in seconds, and at one a second
 * not every sixth is spent on finding out.
 */
#define PACE_DOWN 0.96
#define PACE_FLOOR 0.1 /* share of the rate that always stays */
#define PACE_UP 0.001
#define PACE_UP_PER_SEC 0.04
#define PACE_DOWN_EVERY_US (US_PER_SEC / 2)

struct quota {
	pthread_mutex_t lock;
	struct quota_limits limits;

	int64_t next_us;
	int64_t last_dot_us;
	int64_t pending;
	double share; /* of the rate that is used now */
	int64_t down_at_us, up_at_us;

	struct quota_day day;
};

struct quota *
quota_new(const struct quota_limits *limits)
{
	struct quota *q = mem_new(sizeof(*q));

	(void)pthread_mutex_init(&q->lock, NULL);
	q->limits = *limits;
	q->share = 1;
	q->last_dot_us = q->down_at_us = INT64_MIN / 2;
	return q;
}

void
quota_free(struct quota *q)
{
	if (q == NULL)
		return;
	(void)pthread_mutex_destroy(&q->lock);
	day_free(&q->day);
	free(q);
}

static void
lock(struct quota *q)
{
	(void)pthread_mutex_lock(&q->lock);
}

static void
unlock(struct quota *q)
{
	(void)pthread_mutex_unlock(&q->lock);
}

/* Rounded up: never faster than allowed. 0 without a limit. */
static int64_t
interval(const struct quota *q)
{
	if (q->limits.rate < 0)
		return 0;
	return (int64_t)((double)US_PER_SEC / (q->limits.rate * q->share)) + 1;
}

static void
pace_down(struct quota *q, int64_t now)
{
	/* Those that were under way together meet their 454 together: one
	 * reason to slow down, not many. */
	if (now - q->down_at_us < PACE_DOWN_EVERY_US + 2 * interval(q))
		return;
	q->share *= PACE_DOWN;
	if (q->share < PACE_FLOOR)
		q->share = PACE_FLOOR;
	q->down_at_us = q->up_at_us = now;
	if (q->next_us < now + interval(q))
		q->next_us = now + interval(q);
}

static void
pace_up(struct quota *q, int64_t now)
{
	double gain = PACE_UP_PER_SEC * (double)(now - q->up_at_us) /
	    (double)US_PER_SEC;

	q->share += gain < PACE_UP ? gain : PACE_UP;
	if (q->share > 1)
		q->share = 1;
	q->up_at_us = now;
}

static int64_t
rate_slot(struct quota *q, int64_t now, int64_t step)
{
	return q->next_us < now - step ? now : q->next_us;
}

static int64_t
next_slot(struct quota *q, int64_t now, bool counts)
{
	int64_t step = interval(q);
	int64_t rate = rate_slot(q, now, step) + q->pending * step;
	int64_t day = counts ? day_slot(&q->day, &q->limits, now, 0) : now;

	return day > rate && day > now ? day : rate;
}

int64_t
quota_next(struct quota *q, bool counts)
{
	int64_t at;

	lock(q);
	at = next_slot(q, clock_mono_us(), counts);
	unlock(q);
	return at;
}

void
quota_take(struct quota *q, bool counts, struct quota_ticket *t)
{
	int64_t now;

	lock(q);
	now = clock_mono_us(); /* in the order of the slots */
	if (q->pending == 0)
		q->next_us = rate_slot(q, now, interval(q));
	*t = (struct quota_ticket) {
		.slot_us = next_slot(q, now, counts),
		.day_us = counts ? day_slot(&q->day, &q->limits, now, 0)
				 : now,
		.counts = counts,
	};
	q->pending++;
	if (counts)
		day_take(&q->day, &q->limits, now);
	unlock(q);
}

/* From here on its place moves nobody behind it. */
static void
leave_place(struct quota *q, struct quota_ticket *t)
{
	if (!t->passed)
		q->pending--;
	t->passed = true;
}

static void
give_back(struct quota *q, struct quota_ticket *t)
{
	leave_place(q, t);
	if (t->counts)
		day_give_back(&q->day, t);
}

void
quota_release(struct quota *q, struct quota_ticket *t)
{
	lock(q);
	give_back(q, t);
	unlock(q);
}

void
quota_overdue(struct quota *q, struct quota_ticket *t)
{
	lock(q);
	leave_place(q, t);
	unlock(q);
}

/*
 * How late a dot may be to leave the grid alone: 3/4 of an interval, less where
 * jitter on the way would then be too much.
 */
static int64_t
late_max(int64_t step)
{
	int64_t keep = step / 4 > JITTER_US ? step / 4 : JITTER_US;

	return step - (keep < step / 2 ? keep : step / 2);
}

int64_t
quota_dot(struct quota *q, struct quota_ticket *t, int64_t latest_us)
{
	int64_t now, step, at;

	lock(q);
	now = clock_mono_us(); /* never before the last dot's */
	step = interval(q);
	at = q->next_us > now && step > 0 ? q->next_us : now;
	if (at < t->day_us)
		at = t->day_us;
	if (at < q->last_dot_us + step / 2)
		at = q->last_dot_us + step / 2;
	if (at > latest_us) {
		unlock(q);
		return -1;
	}
	if (q->next_us < at - late_max(step))
		q->next_us = at - late_max(step);
	q->next_us += step;
	q->last_dot_us = at;
	leave_place(q, t);
	if (t->counts)
		day_dot(&q->day, t);
	t->dot_us = at;
	unlock(q);
	return at;
}

void
quota_accepted(struct quota *q, struct quota_ticket *t)
{
	int64_t now = clock_mono_us();

	lock(q);
	give_back(q, t);
	pace_up(q, now);
	if (t->counts)
		day_accepted(&q->day, &q->limits, t, now);
	unlock(q);
}

void
quota_refused(struct quota *q, struct quota_ticket *t)
{
	lock(q);
	give_back(q, t);
	unlock(q);
}

void
quota_doubtful(struct quota *q, struct quota_ticket *t)
{
	lock(q);
	give_back(q, t);
	if (t->counts)
		day_doubtful(&q->day, &q->limits, t);
	unlock(q);
}

void
quota_throttled_rate(struct quota *q, struct quota_ticket *t)
{
	lock(q);
	give_back(q, t);
	pace_down(q, clock_mono_us());
	unlock(q);
}

void
quota_throttled_day(struct quota *q, struct quota_ticket *t)
{
	lock(q);
	give_back(q, t);
	day_hold(&q->day, &q->limits, clock_mono_us());
	unlock(q);
}

int64_t
quota_day_slot(struct quota *q, size_t ahead)
{
	int64_t at;

	lock(q);
	at = day_slot(&q->day, &q->limits, clock_mono_us(), ahead);
	unlock(q);
	return at;
}

void
quota_limits(struct quota *q, const struct quota_limits *limits)
{
	int64_t from;

	lock(q);
	q->limits = *limits;
	from = clock_mono_us();
	/* Dots that have been entered are to come yet. */
	if (from < q->last_dot_us)
		from = q->last_dot_us;
	if (q->next_us > from + interval(q))
		q->next_us = from + interval(q);
	unlock(q);
}

/* Read without the lock: it may take a while. */
int
quota_rebuild(struct quota *q, const char *journal_path, struct err *err)
{
	struct quota_limits limits;
	struct day_reading reading;
	int rc = 0;

	lock(q);
	limits = q->limits;
	day_reading_begin(&q->day, &limits, &reading);
	unlock(q);
	if (limits.daily >= 0)
		rc = ledger_read(journal_path, limits.window_us,
		    limits.doubt_us, day_reading_add, &reading, err);
	lock(q);
	day_reading_end(&q->day, &reading, rc == 0);
	unlock(q);
	return rc;
}

static double
pace(const struct quota *q)
{
	return q->limits.rate < 0
	    ? q->limits.rate
	    : (double)US_PER_SEC / (double)interval(q);
}

double
quota_pace(struct quota *q)
{
	double p;

	lock(q);
	p = pace(q);
	unlock(q);
	return p;
}

void
quota_state(struct quota *q, struct quota_state *state)
{
	int64_t now = clock_mono_us();

	lock(q);
	state->limits = q->limits;
	state->pace = pace(q);
	state->spent = day_spent(&q->day, now);
	state->next_us = next_slot(q, now, true);
	state->hold_until = day_held_until(&q->day);
	unlock(q);
}
