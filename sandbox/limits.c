/* SPDX-License-Identifier: BSD-2-Clause */
#include "config.h"

#include "sandbox/limits.h"

#include <pthread.h>
#include <stdlib.h>

#include "core/clock.h"
#include "core/json.h"
#include "core/mem.h"

/*
 * The bucket is kept as the time at which it will be full again (the
 * "theoretical arrival time" of GCRA): now or earlier means full, and each
 * token that is missing puts it one interval later.
 *
 * The window holds one entry a message, oldest first, in a ring that grows;
 * used is the sum over its entries.
 */
struct spent {
	int64_t at_us;
	unsigned n;
};

struct limits {
	pthread_mutex_t lock;

	double rate;
	unsigned burst;
	int64_t tolerance_us;
	enum limits_reading reading;
	double full_us;

	int64_t day;
	int64_t window_us;
	struct spent *ring;
	size_t cap, head, count;
	int64_t used;
};

struct limits *
limits_new(void)
{
	struct limits *l = mem_new(sizeof(*l));

	(void)pthread_mutex_init(&l->lock, NULL);
	l->rate = 1;
	l->burst = 1;
	/* Packets of a well-paced sender arrive a little early at times. */
	l->tolerance_us = 50 * US_PER_MS;
	l->day = 200;
	l->window_us = 24 * 3600 * US_PER_SEC;
	return l;
}

void
limits_free(struct limits *l)
{
	(void)pthread_mutex_destroy(&l->lock);
	free(l->ring);
	free(l);
}

static void
window_grow(struct limits *l)
{
	size_t cap = l->cap > 0 ? l->cap * 2 : 256;
	struct spent *ring = mem_array(cap, sizeof(*ring));

	for (size_t i = 0; i < l->count; i++)
		ring[i] = l->ring[(l->head + i) % l->cap];
	free(l->ring);
	l->ring = ring;
	l->cap = cap;
	l->head = 0;
}

static void
window_add(struct limits *l, int64_t now, unsigned n)
{
	if (l->day <= 0 || n == 0)
		return;
	if (l->count == l->cap)
		window_grow(l);
	l->ring[(l->head + l->count) % l->cap] = (struct spent){ now, n };
	l->count++;
	l->used += n;
}

static void
window_expire(struct limits *l, int64_t now)
{
	while (l->count > 0 && now - l->ring[l->head].at_us >= l->window_us) {
		l->used -= l->ring[l->head].n;
		l->head = (l->head + 1) % l->cap;
		l->count--;
	}
}

static bool
bucket_allows(const struct limits *l, int64_t now, unsigned n)
{
	double interval, missing_us, wanted;

	if (l->rate <= 0)
		return true;
	interval = (double)US_PER_SEC / l->rate;
	missing_us = l->full_us - (double)now;
	if (missing_us < 0)
		missing_us = 0;
	wanted = l->reading == LIMITS_DEBT ? 1 : n < l->burst ? n : l->burst;
	return missing_us + wanted * interval <=
	       l->burst * interval + (double)l->tolerance_us;
}

static void
bucket_take(struct limits *l, int64_t now, unsigned n)
{
	if (l->rate <= 0)
		return;
	if (l->full_us < (double)now)
		l->full_us = (double)now;
	l->full_us += n * (double)US_PER_SEC / l->rate;
}

/*
 * The day lets a message pass while the sum is below the maximum, even if
 * the message then passes it: so SES describes it.
 */
static enum limits_answer
judge(struct limits *l, unsigned rate_n, unsigned day_n, int64_t now)
{
	window_expire(l, now);
	if (l->day > 0 && day_n > 0 && l->used >= l->day)
		return LIMITS_DAY;
	if (!bucket_allows(l, now, rate_n))
		return LIMITS_RATE;
	bucket_take(l, now, rate_n);
	window_add(l, now, day_n);
	return LIMITS_OK;
}

enum limits_answer
limits_spend(
    struct limits *l, unsigned rate_n, unsigned day_n, int64_t *now_us_r)
{
	enum limits_answer answer;

	(void)pthread_mutex_lock(&l->lock);
	*now_us_r = clock_mono_us();
	answer = judge(l, rate_n, day_n, *now_us_r);
	(void)pthread_mutex_unlock(&l->lock);
	return answer;
}

void
limits_spend_other(struct limits *l, unsigned n)
{
	int64_t now;

	(void)pthread_mutex_lock(&l->lock);
	now = clock_mono_us();
	bucket_take(l, now, n);
	window_add(l, now, n);
	(void)pthread_mutex_unlock(&l->lock);
}

/* The bucket starts full under a new rate; debts of the old one mean nothing.
 */
void
limits_set_rate(struct limits *l, double per_sec)
{
	(void)pthread_mutex_lock(&l->lock);
	l->rate = per_sec;
	l->full_us = 0;
	(void)pthread_mutex_unlock(&l->lock);
}

void
limits_set_burst(struct limits *l, unsigned burst)
{
	(void)pthread_mutex_lock(&l->lock);
	l->burst = burst;
	(void)pthread_mutex_unlock(&l->lock);
}

void
limits_set_tolerance(struct limits *l, int64_t us)
{
	(void)pthread_mutex_lock(&l->lock);
	l->tolerance_us = us;
	(void)pthread_mutex_unlock(&l->lock);
}

void
limits_set_reading(struct limits *l, enum limits_reading reading)
{
	(void)pthread_mutex_lock(&l->lock);
	l->reading = reading;
	(void)pthread_mutex_unlock(&l->lock);
}

void
limits_set_day(struct limits *l, int64_t recipients)
{
	(void)pthread_mutex_lock(&l->lock);
	l->day = recipients;
	(void)pthread_mutex_unlock(&l->lock);
}

void
limits_set_window(struct limits *l, int64_t us)
{
	(void)pthread_mutex_lock(&l->lock);
	l->window_us = us;
	(void)pthread_mutex_unlock(&l->lock);
}

void
limits_reset(struct limits *l)
{
	(void)pthread_mutex_lock(&l->lock);
	l->full_us = 0;
	l->count = 0;
	l->used = 0;
	(void)pthread_mutex_unlock(&l->lock);
}

void
limits_json(struct limits *l, struct buf *out)
{
	(void)pthread_mutex_lock(&l->lock);
	window_expire(l, clock_mono_us());
	json_open(out, '{');
	json_key(out, "rate");
	buf_addf(out, "%.6g", l->rate > 0 ? l->rate : -1);
	json_add_int(out, "burst", l->burst);
	json_add_int(out, "tolerance_us", l->tolerance_us);
	json_add_string(
	    out, "reading", l->reading == LIMITS_DEBT ? "debt" : "strict");
	json_add_int(out, "day", l->day > 0 ? l->day : -1);
	json_add_int(out, "window_us", l->window_us);
	json_add_int(out, "used", l->used);
	json_close(out, '}');
	(void)pthread_mutex_unlock(&l->lock);
}
