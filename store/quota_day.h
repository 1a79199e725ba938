/*
 * quota_day: the day of quota, a rolling window of recipients.
 *
 * ends holds, in order, when each recipient that was sent stops to count; open
 * counts those whose end is not known yet. Nothing is sent while both together
 * have reached the limit. Tickets are such as count. Under quota's lock; times
 * are clock_mono_us.
 */
#ifndef STORE_QUOTA_DAY_H
#define STORE_QUOTA_DAY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "store/quota.h"

struct day_ends {
	int64_t *us; /* a ring */
	size_t cap, first, live;
};

/* A ledger that is being read. */
struct day_reading {
	struct day_ends fresh; /* what it has */
	struct day_ends since; /* what had its dot after it began */
	int64_t window_us;
};

struct quota_day {
	struct day_ends ends;
	int64_t open, dotted;	/* of those open, past their dot */
	unsigned reads;		/* of the ledger, one under way included */
	int64_t dotted_before;	/* of those dotted, before the last began */
	struct day_ends *since; /* while the ledger is read, or NULL */
	bool holding;
	int64_t hold_until_us;
};

/* What it keeps, not the struct; one of zeros has begun. */
void day_free(struct quota_day *);

/* When the recipient behind `ahead` others finds room; now: at once. */
int64_t day_slot(struct quota_day *, const struct quota_limits *, int64_t now,
    size_t ahead);

/* Recipients in the window, open ones included. */
int64_t day_spent(struct quota_day *, int64_t now);

/* The next probe while SES says that the day is full; 0: it does not. */
int64_t day_held_until(const struct quota_day *);

/* A ticket's way: taken, its dot goes out (sets reads), given back. */
void day_take(struct quota_day *, const struct quota_limits *, int64_t now);
void day_dot(struct quota_day *, struct quota_ticket *);
void day_give_back(struct quota_day *, const struct quota_ticket *);

/* Of one given back: SES has taken it, or may have. */
void day_accepted(struct quota_day *, const struct quota_limits *,
    const struct quota_ticket *, int64_t now);
void day_doubtful(struct quota_day *, const struct quota_limits *,
    const struct quota_ticket *);

/* SES says that it is full. */
void day_hold(struct quota_day *, const struct quota_limits *, int64_t now);

/*
 * Read the ledger: begin; day_reading_add for each recipient in it, called by
 * ledger_read, which takes a while and needs no lock; end: if it is whole, what
 * was read takes the place of what was counted, otherwise that stays. What is
 * counted meanwhile is not lost. limits are those in force at the beginning.
 */
void day_reading_begin(struct quota_day *, const struct quota_limits *,
    struct day_reading *);
int day_reading_add(void *reading, int64_t end_us);
void day_reading_end(struct quota_day *, struct day_reading *, bool whole);

#endif
