/*
 * journal/attime: the wall time that rows carry, which never goes backwards.
 *
 * While the wall clock stands ahead of the last row, `at` is the wall clock.
 * While it stands behind (it was stepped back, or came up wrong after a boot),
 * time goes on from the last row at half the pace, until the wall clock has
 * caught up. Not for several threads at once.
 */
#ifndef STORE_JOURNAL_ATTIME_H
#define STORE_JOURNAL_ATTIME_H

#include <stdint.h>

/* Steps of the wall clock below this are left to NTP and not worth a row. */
#define ATTIME_STEP_US INT64_C(2000000)

struct attime {
	int64_t at;	 /* of the last row */
	int64_t mono;	 /* when it was given */
	int64_t offset;	 /* wall minus mono at that time */
};

/*
 * Begin after a last row with this `at` (0: there is none), with both clocks
 * now. Returns by how much the wall clock is behind it, or 0.
 */
int64_t attime_start(struct attime *, int64_t last_at, int64_t wall,
    int64_t mono);

/*
 * The time for rows written now. *step_r gets by how much the wall clock was
 * stepped since the last call, 0 for less than ATTIME_STEP_US.
 */
int64_t attime_next(struct attime *, int64_t wall, int64_t mono,
    int64_t *step_r);

#endif
