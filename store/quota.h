/*
 * quota: how much the account may still send, a second and a day.
 *
 * Counts recipients. Slots lie on a grid one interval apart; the dot that SES
 * counts goes out at its slot or as soon after as it can, and lateness up to an
 * interval is made good. The day is an exact rolling window: a recipient counts
 * from its dot until daily-window after SES's reply. Times are clock_mono_us.
 * Safe from any thread: it owns its lock and never waits for anything else
 * while holding it.
 *
 * The ledger behind it is the journal (quota_rebuild); another one may come to
 * stand behind this header.
 */
#ifndef STORE_QUOTA_H
#define STORE_QUOTA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/err.h"
#include "store/journal.h"

struct quota;

struct quota_limits {
	double rate;	    /* recipients a second; negative: unlimited */
	int64_t daily;	    /* recipients a window; negative: unlimited */
	int64_t window_us;
	int64_t doubt_us;   /* a dot without a reply counts for window_us from this long after it (data-timeout) */
};

struct quota *quota_new(const struct quota_limits *);
void quota_free(struct quota *);

/* New limits (SIGHUP); what was spent stays spent. */
void quota_limits(struct quota *, const struct quota_limits *);

/*
 * Count what the journal says was spent within the window, each row's age
 * measured by mono within one boot, by wall time across boots. Called before
 * the first delivery, and after limits that need more of the past than was
 * kept.
 */
int quota_rebuild(struct quota *, const char *journal_path, struct err *);

/* What a delivery holds from quota_take until settle or release. */
struct quota_ticket {
	int64_t slot_us; /* when its dot is to be expected */
	int64_t day_us;	 /* not before then, for the day's sake */
	int64_t dot_us;	 /* when its dot went out; 0 before */
	bool passed;	 /* its place is free: dot, overdue, given back */
	unsigned reads;	 /* how often the ledger had been read at its dot */
	bool counts;	 /* spends the day */
};

/*
 * When the next slot is (now or earlier: at once), day included, for a
 * recipient that counts or not. Nothing is taken.
 */
int64_t quota_next(struct quota *, bool counts);

/* Take the next slot, which may lie in the future. */
void quota_take(struct quota *, bool counts, struct quota_ticket *);

/*
 * Give a ticket back whose dot was not sent: the day's unit returns, and those
 * behind it move up.
 */
void quota_release(struct quota *, struct quota_ticket *);

/*
 * Its dialogue takes so long that nobody knows when its dot comes, if ever:
 * those behind it move up. At a time when it has no place it changes nothing.
 */
void quota_overdue(struct quota *, struct quota_ticket *);

/*
 * The dialogue is ready for its dot: returns the time at which it may go out,
 * which is the next free place on the grid but no closer than half an interval
 * to the dot before it, and enters it. Sleep until then. -1 when that is later
 * than latest_us, since many were late at one time: nothing is entered.
 */
int64_t quota_dot(struct quota *, struct quota_ticket *, int64_t latest_us);

/*
 * SES replied: accepted recipients count for window_us from now, refused ones
 * are given back.
 */
void quota_accepted(struct quota *, struct quota_ticket *);
void quota_refused(struct quota *, struct quota_ticket *);

/* No reply came: counts from doubt_us past its dot. */
void quota_doubtful(struct quota *, struct quota_ticket *);

/*
 * SES said 454: for the rate (the pace is lowered for a while and creeps back)
 * or for the day (others spend from the same account: hold, probe every
 * window/50, but not sooner than 2 s nor later than 5 min). Also does what
 * quota_refused does.
 */
void quota_throttled_rate(struct quota *, struct quota_ticket *);
void quota_throttled_day(struct quota *, struct quota_ticket *);

/*
 * When a recipient that has `ahead` others before it would find a free unit of
 * the day: now or earlier when there is room.
 */
int64_t quota_day_slot(struct quota *, size_t ahead);

/* Recipients a second now; negative: unlimited. */
double quota_pace(struct quota *);

/* For `postern quota`, metrics and replies. */
struct quota_state {
	struct quota_limits limits;
	double pace;	    /* recipients a second now; limits.rate but after throttling; negative: unlimited */
	int64_t spent;	    /* in the window, open ones included */
	int64_t next_us;    /* the next slot, clock_mono_us */
	int64_t hold_until; /* SES said that the day is full: clock_mono_us of the next probe, or 0 */
};
void quota_state(struct quota *, struct quota_state *);

#endif
