/*
 * event_find: the deliveries that events are about.
 */
#ifndef STORE_EVENT_FIND_H
#define STORE_EVENT_FIND_H

#include <stdbool.h>
#include <stddef.h>

#include "core/err.h"
#include "store/event.h"

struct event_place {
	bool found, tagged; /* tagged: by the tag, which names the attempt */
	struct uuid message;
	unsigned n;
};

/*
 * By the tag, if this journal knows of such an attempt and of no other SES id
 * that SES has given it; else by the SES id of its last attempt, or of any that
 * a tag tells of, before it among these or through the search database, which is
 * caught up once if it has to be: so the caller holds the store's lock. One SES message has one recipient, so
 * neither way needs the address. Reads only, on connections of its own.
 */
int event_find(const char *journal_path, const struct event *, size_t n,
    struct event_place *, struct err *);

#endif
