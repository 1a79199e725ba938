/*
 * event_suppress: the recipient of an event onto the suppression list.
 *
 * On the journal's connection, in an op. Whoever keeps the list in memory is
 * told after the commit, so what was added is kept until then.
 */
#ifndef STORE_EVENT_SUPPRESS_H
#define STORE_EVENT_SUPPRESS_H

#include <stddef.h>

#include "core/conf.h"
#include "core/err.h"
#include "store/event.h"
#include "store/event_find.h"
#include "store/journal.h"
#include "store/suppression.h"

/* Addresses that were added; all zero at first. */
struct event_suppressed {
	struct event_listed *list;
	size_t n;
};

/*
 * Add the recipient at place if the event is one of these words (as in
 * events.suppress) for it. text is what SES says of it, as it may be stored. 1
 * when it was added, 0 when not: also when it was listed already, was erased,
 * or is the simulator's; -1 and err.
 */
int event_suppress(struct journal_tx *, const struct conf_list *words,
    const struct event *, const struct event_place *, const char *text,
    struct event_suppressed *, struct err *);

/* After the commit. */
void event_suppressed_note(
    const struct event_suppressed *, struct suppressions *list);

/* Free what it holds; it may be used again. */
void event_suppressed_clear(struct event_suppressed *);

#endif
