/* SPDX-License-Identifier: BSD-2-Clause */
#include "config.h"

#include "store/journal/attime.h"

/*
 * Half pace: standing still would give an hour of rows one time, and full
 * pace would leave the journal ahead of the world for good.
 */

int64_t
attime_start(struct attime *t, int64_t last_at, int64_t wall, int64_t mono)
{
	t->mono = mono;
	t->offset = wall - mono;
	t->at = last_at > wall ? last_at : wall;
	return t->at - wall;
}

int64_t
attime_next(struct attime *t, int64_t wall, int64_t mono, int64_t *step_r)
{
	int64_t step = wall - mono - t->offset;
	int64_t passed = mono > t->mono ? mono - t->mono : 0;

	*step_r = step > ATTIME_STEP_US || step < -ATTIME_STEP_US ? step : 0;
	if (*step_r != 0)
		t->offset += step;
	if (wall >= t->at)
		t->at = wall;
	else
		t->at += passed / 2;
	t->mono = mono;
	return t->at;
}
