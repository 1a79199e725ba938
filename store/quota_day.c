/* SPDX-License-Identifier: BSD-2-Clause */
#include "config.h"

#include "store/quota_day.h"

#include <stdlib.h>

#include "core/clock.h"
#include "core/mem.h"

#define HOLD_SHARE 50
#define HOLD_MIN_US (2 * US_PER_SEC)
#define HOLD_MAX_US (300 * US_PER_SEC)

void
day_free(struct quota_day *d)
{
	free(d->ends.us);
}

static int64_t *
end_at(struct day_ends *e, size_t i)
{
	return &e->us[(e->first + i) % e->cap];
}

static void
grow(struct day_ends *e)
{
	size_t cap = e->cap > 0 ? e->cap * 2 : 256;
	int64_t *us = mem_array(cap, sizeof(*us));

	for (size_t i = 0; i < e->live; i++)
		us[i] = *end_at(e, i);
	free(e->us);
	e->us = us;
	e->cap = cap;
	e->first = 0;
}

/* Nearly always at the end: only doubtful ones end later than what follows. */
static void
add_end(struct day_ends *e, int64_t end_us)
{
	size_t i;

	if (e->live == e->cap)
		grow(e);
	for (i = e->live++; i > 0 && *end_at(e, i - 1) > end_us; i--)
		*end_at(e, i) = *end_at(e, i - 1);
	*end_at(e, i) = end_us;
}

static void
expire(struct day_ends *e, int64_t now)
{
	while (e->live > 0 && *end_at(e, 0) <= now) {
		e->first = (e->first + 1) % e->cap;
		e->live--;
	}
}

/*
 * Where that hangs on recipients whose own end is still unknown, a whole window
 * from now is the latest.
 */
int64_t
day_slot(struct quota_day *d, const struct quota_limits *limits, int64_t now,
    size_t ahead)
{
	int64_t over, at = now;

	expire(&d->ends, now);
	if (limits->daily >= 0) {
		over = (int64_t)(d->ends.live + ahead) + d->open + 1 -
		    limits->daily;
		if (over > (int64_t)d->ends.live)
			at = now + limits->window_us;
		else if (over > 0)
			at = *end_at(&d->ends, (size_t)over - 1);
	}
	return d->holding && d->hold_until_us > at ? d->hold_until_us : at;
}

int64_t
day_spent(struct quota_day *d, int64_t now)
{
	expire(&d->ends, now);
	return (int64_t)d->ends.live + d->open;
}

int64_t
day_held_until(const struct quota_day *d)
{
	return d->holding ? d->hold_until_us : 0;
}

static int64_t
probe_interval(const struct quota_limits *limits)
{
	int64_t us = limits->window_us / HOLD_SHARE;

	return us < HOLD_MIN_US ? HOLD_MIN_US
	    : us > HOLD_MAX_US	? HOLD_MAX_US
				: us;
}

void
day_hold(struct quota_day *d, const struct quota_limits *limits, int64_t now)
{
	d->holding = true;
	d->hold_until_us = now + probe_interval(limits);
}

void
day_take(struct quota_day *d, const struct quota_limits *limits, int64_t now)
{
	d->open++;
	if (d->holding)
		d->hold_until_us = now + probe_interval(limits);
}

void
day_dot(struct quota_day *d, struct quota_ticket *t)
{
	d->dotted++;
	t->reads = d->reads;
}

void
day_give_back(struct quota_day *d, const struct quota_ticket *t)
{
	d->open--;
	if (t->dot_us != 0) {
		d->dotted--;
		d->dotted_before -= t->reads != d->reads;
	}
}

/* Of a recipient that SES has, or may have. */
static void
count(struct quota_day *d, const struct quota_limits *limits,
    const struct quota_ticket *t, int64_t end_us)
{
	if (limits->daily >= 0)
		add_end(&d->ends, end_us);
	if (d->since != NULL && t->reads == d->reads)
		add_end(d->since, end_us);
}

void
day_accepted(struct quota_day *d, const struct quota_limits *limits,
    const struct quota_ticket *t, int64_t now)
{
	count(d, limits, t, now + limits->window_us);
	d->holding = false;
}

void
day_doubtful(struct quota_day *d, const struct quota_limits *limits,
    const struct quota_ticket *t)
{
	count(d, limits, t, t->dot_us + limits->doubt_us + limits->window_us);
}

/* An unlimited day keeps no ends, and gets none from what is sent meanwhile. */
void
day_reading_begin(struct quota_day *d, const struct quota_limits *limits,
    struct day_reading *r)
{
	*r = (struct day_reading) { .window_us = limits->window_us };
	d->since = limits->daily < 0 ? NULL : &r->since;
	d->reads++;
	d->dotted_before = d->dotted;
}

int
day_reading_add(void *reading, int64_t end_us)
{
	struct day_reading *r = reading;

	add_end(&r->fresh, end_us);
	return 0;
}

/*
 * What had its dot before the ledger was read, and waits for its reply, stands
 * in the journal and is counted as open already. Only what has no reply ends
 * later than a window from now, so it is the last that come off.
 */
static void
drop_dotted(struct day_reading *r, int64_t dotted)
{
	int64_t beyond = clock_mono_us() + r->window_us;

	for (; dotted > 0 && r->fresh.live > 0; dotted--) {
		if (*end_at(&r->fresh, r->fresh.live - 1) <= beyond)
			break;
		r->fresh.live--;
	}
}

/* What came later counts, whether the part that was read has it or not. */
static void
put_in_place(struct quota_day *d, struct day_reading *r)
{
	drop_dotted(r, d->dotted_before);
	for (size_t i = 0; i < r->since.live; i++)
		add_end(&r->fresh, *end_at(&r->since, i));
	free(d->ends.us);
	d->ends = r->fresh;
}

void
day_reading_end(struct quota_day *d, struct day_reading *r, bool whole)
{
	if (whole)
		put_in_place(d, r);
	else
		free(r->fresh.us);
	d->since = NULL;
	free(r->since.us);
}
