/* SPDX-License-Identifier: BSD-2-Clause */
#include "config.h"

#include "store/quota.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "core/clock.h"
#include "core/mem.h"
#include "store/ledger.h"

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
 * Day. ends[] holds, in order, when each recipient that was sent stops to
 * count; open counts those whose end is not known yet. Nothing is sent while
 * live + open has reached the limit.
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

#define HOLD_SHARE 50
#define HOLD_MIN_US (2 * US_PER_SEC)
#define HOLD_MAX_US (300 * US_PER_SEC)

struct quota {
	pthread_mutex_t lock;
	struct quota_limits limits;

	int64_t next_us;
	int64_t last_dot_us;
	int64_t pending;
	double share; /* of the rate that is used now */
	int64_t down_at_us, up_at_us;

	int64_t *ends; /* a ring */
	size_t cap, first, live;
	int64_t open, dotted; /* of those open, past their dot */
	/* While the ledger is read, what it may not have: */
	unsigned reads;	       /* the readings so far, this one included */
	int64_t dotted_before; /* of those dotted, before it began */
	struct quota *since;   /* ends of those whose dot came later; else NULL */
	bool holding;
	int64_t hold_until_us;
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
	free(q->ends);
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

static int64_t *
end_at(struct quota *q, size_t i)
{
	return &q->ends[(q->first + i) % q->cap];
}

static void
grow(struct quota *q)
{
	size_t cap = q->cap > 0 ? q->cap * 2 : 256;
	int64_t *ends = mem_array(cap, sizeof(*ends));

	for (size_t i = 0; i < q->live; i++)
		ends[i] = *end_at(q, i);
	free(q->ends);
	q->ends = ends;
	q->cap = cap;
	q->first = 0;
}

/* Nearly always at the end: only doubtful ones end later than what follows. */
static void
add_end(struct quota *q, int64_t end_us)
{
	size_t i;

	if (q->limits.daily < 0)
		return;
	if (q->live == q->cap)
		grow(q);
	for (i = q->live++; i > 0 && *end_at(q, i - 1) > end_us; i--)
		*end_at(q, i) = *end_at(q, i - 1);
	*end_at(q, i) = end_us;
}

/* Of a recipient that SES has, or may have. */
static void
count(struct quota *q, const struct quota_ticket *t, int64_t end_us)
{
	if (!t->counts)
		return;
	add_end(q, end_us);
	if (q->since != NULL && t->reads == q->reads)
		add_end(q->since, end_us);
}

static void
expire(struct quota *q, int64_t now)
{
	while (q->live > 0 && *end_at(q, 0) <= now) {
		q->first = (q->first + 1) % q->cap;
		q->live--;
	}
}

/*
 * When the recipient behind `ahead` others finds room in the window. Where that
 * hangs on recipients whose own end is still unknown, a whole window from now
 * is the latest.
 */
static int64_t
day_slot(struct quota *q, int64_t now, size_t ahead)
{
	int64_t over, at = now;

	expire(q, now);
	if (q->limits.daily >= 0) {
		over = (int64_t)(q->live + ahead) + q->open + 1 -
		    q->limits.daily;
		if (over > (int64_t)q->live)
			at = now + q->limits.window_us;
		else if (over > 0)
			at = *end_at(q, (size_t)over - 1);
	}
	return q->holding && q->hold_until_us > at ? q->hold_until_us : at;
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
	int64_t day = counts ? day_slot(q, now, 0) : now;

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

static int64_t
probe_interval(const struct quota *q)
{
	int64_t us = q->limits.window_us / HOLD_SHARE;

	return us < HOLD_MIN_US ? HOLD_MIN_US
	    : us > HOLD_MAX_US	? HOLD_MAX_US
				: us;
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
		.day_us = counts ? day_slot(q, now, 0) : now,
		.counts = counts,
	};
	q->pending++;
	if (counts) {
		q->open++;
		if (q->holding)
			q->hold_until_us = now + probe_interval(q);
	}
	unlock(q);
}

static bool
is_pending(const struct quota_ticket *t)
{
	return t->dot_us == 0 && !t->passed;
}

static void
give_back(struct quota *q, struct quota_ticket *t)
{
	if (is_pending(t))
		q->pending--;
	t->passed = true;
	if (t->counts)
		q->open--;
	if (t->counts && t->dot_us != 0) {
		q->dotted--;
		q->dotted_before -= t->reads != q->reads;
	}
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
	if (is_pending(t)) {
		t->passed = true;
		q->pending--;
	}
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
	if (is_pending(t))
		q->pending--;
	if (t->counts)
		q->dotted++;
	t->dot_us = at;
	t->reads = q->reads;
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
	count(q, t, now + q->limits.window_us);
	if (t->counts)
		q->holding = false;
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
	count(q, t, t->dot_us + q->limits.doubt_us + q->limits.window_us);
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
	q->holding = true;
	q->hold_until_us = clock_mono_us() + probe_interval(q);
	unlock(q);
}

int64_t
quota_day_slot(struct quota *q, size_t ahead)
{
	int64_t at;

	lock(q);
	at = day_slot(q, clock_mono_us(), ahead);
	unlock(q);
	return at;
}

void
quota_limits(struct quota *q, const struct quota_limits *limits)
{
	lock(q);
	q->limits = *limits;
	unlock(q);
}

static int
count_one(void *arg, int64_t end_us)
{
	add_end(arg, end_us);
	return 0;
}

/*
 * What had its dot before the ledger was read, and waits for its reply, stands
 * in the journal and is counted as open already. Only what has no reply ends
 * later than a window from now, so it is the last that come off.
 */
static void
drop_dotted(struct quota *fresh, int64_t dotted)
{
	int64_t beyond = clock_mono_us() + fresh->limits.window_us;

	for (; dotted > 0 && fresh->live > 0; dotted--) {
		if (*end_at(fresh, fresh->live - 1) <= beyond)
			break;
		fresh->live--;
	}
}

/* What came later counts, whether the part that was read has it or not. */
static void
put_in_place(struct quota *q, struct quota *fresh)
{
	drop_dotted(fresh, q->dotted_before);
	for (size_t i = 0; i < q->since->live; i++)
		add_end(fresh, *end_at(q->since, i));
	free(q->ends);
	q->ends = fresh->ends;
	q->cap = fresh->cap;
	q->first = fresh->first;
	q->live = fresh->live;
}

/* Read without the lock: it may take a while. */
int
quota_rebuild(struct quota *q, const char *journal_path, struct err *err)
{
	struct quota fresh = { .ends = NULL }, since = { .ends = NULL };
	int rc;

	lock(q);
	fresh.limits = since.limits = q->limits;
	q->since = &since;
	q->reads++;
	q->dotted_before = q->dotted;
	unlock(q);
	rc = fresh.limits.daily < 0 ? 0
	    : ledger_read(journal_path, fresh.limits.window_us,
		fresh.limits.doubt_us, count_one, &fresh, err);
	lock(q);
	if (rc == 0)
		put_in_place(q, &fresh);
	else
		free(fresh.ends);
	q->since = NULL;
	unlock(q);
	free(since.ends);
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
	expire(q, now);
	state->limits = q->limits;
	state->pace = pace(q);
	state->spent = (int64_t)q->live + q->open;
	state->next_us = next_slot(q, now, true);
	state->hold_until = q->holding ? q->hold_until_us : 0;
	unlock(q);
}
