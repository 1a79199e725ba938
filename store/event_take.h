/*
 * event_take: events into the journal.
 *
 * Each is a row of the journal about the delivery it belongs to, changes that
 * delivery's feedback, may settle it, and may put its recipient on the
 * suppression list. The same report again, or in another order, changes nothing.
 */
#ifndef STORE_EVENT_TAKE_H
#define STORE_EVENT_TAKE_H

#include "core/conf.h"
#include "store/event.h"
#include "store/suppression.h"

struct event_counts {
	uint64_t taken;	     /* about a delivery: new, or unmatched before */
	uint64_t repeated;   /* taken before */
	uint64_t unmatched;  /* new, about nothing known here: kept all the same */
	uint64_t suppressed; /* addresses */
	uint64_t settled;    /* deliveries */
};

/*
 * Events in one op, all of them taken or none: what they take of the journal's
 * time is what mail in the same transaction waits for, some milliseconds.
 */
#define EVENT_TAKE_LOT 128

/*
 * A lot at a time, each durable before the next, so that mail that waits for
 * the journal is not held up; nor on a full disk, where a lot is refused at
 * once (ERR_FULL). suppress: words as in events.suppress. list may be NULL
 * (CLI). The counts are added to, for what was taken before a failure, too; the
 * rest may be given again. within_us: how long each lot may wait for the
 * journal; finding the deliveries first takes its own time.
 */
int event_take(struct journal *, struct suppressions *list,
    const struct conf_list *suppress, const struct event *, size_t n,
    int64_t within_us, struct event_counts *, struct err *);

#endif
