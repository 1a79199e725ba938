/*
 * histogram: how long things took, in bounded memory.
 *
 * Like a floating-point number: a bucket for each power of two and the six bits
 * below its first, so that a percentile is off by 1.6 % at most. Not for
 * several threads at once.
 */
#ifndef CORE_HISTOGRAM_H
#define CORE_HISTOGRAM_H

#include <stdint.h>

#define HISTOGRAM_BUCKETS (64 * 45) /* up to 35 years */

struct histogram {
	int64_t count, max_us;
	int64_t buckets[HISTOGRAM_BUCKETS];
};

/* A negative time, from clocks that differ, counts as none. */
void histogram_add(struct histogram *, int64_t us);

/* What this share of all (0.5: half) took at most; 0 when there are none. */
int64_t histogram_at(const struct histogram *, double share);

#endif
