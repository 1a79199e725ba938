/*
 * search/shared: what all deliveries of one message can be found by.
 */
#ifndef STORE_SEARCH_SHARED_H
#define STORE_SEARCH_SHARED_H

#include "store/db.h"
#include "store/journal.h"

/*
 * All that the journal has of a message, which the gate bounds. Zeroed to begin
 * with; terms is freed by the owner.
 */
struct search_shared {
	int64_t *terms;
	size_t n, cap;
};

/* From the journal's tables: queue ids, Message-ID, senders, client, user. */
int search_shared_load(struct db *journal, const struct uuid *message,
    struct search_shared *, struct err *);

/* The statements, to be prepared on the journal's connection. */
extern const struct db_sql search_shared_sql;

#endif
