/* SPDX-License-Identifier: BSD-2-Clause */
#include "config.h"

#include "core/histogram.h"

#include <stddef.h>

/* To each power of two. */
#define STEPS 64

/* Small numbers are their own bucket. */
static size_t
bucket_of(int64_t us)
{
	unsigned shift = 0;
	size_t i;

	if (us < STEPS)
		return us > 0 ? (size_t)us : 0;
	while (us >> shift >= 2 * STEPS)
		shift++;
	i = (size_t)(shift + 1) * STEPS + (size_t)((us >> shift) - STEPS);
	return i < HISTOGRAM_BUCKETS ? i : HISTOGRAM_BUCKETS - 1;
}

static int64_t
last_in(size_t bucket)
{
	if (bucket < STEPS)
		return (int64_t)bucket;
	return ((int64_t)(bucket % STEPS + STEPS + 1) << (bucket / STEPS - 1)) -
	       1;
}

void
histogram_add(struct histogram *h, int64_t us)
{
	h->buckets[bucket_of(us)]++;
	h->count++;
	if (us > h->max_us)
		h->max_us = us;
}

int64_t
histogram_at(const struct histogram *h, double share)
{
	double wanted = share * (double)h->count;
	int64_t seen = 0, upper;

	for (size_t i = 0; i < HISTOGRAM_BUCKETS && h->count > 0; i++) {
		seen += h->buckets[i];
		if (seen == 0 || (double)seen < wanted)
			continue;
		upper = last_in(i);
		return upper < h->max_us ? upper : h->max_us;
	}
	return 0;
}
