/*
 * search/shared: what all deliveries of one message can be found by.
 */
#ifndef STORE_SEARCH_SHARED_H
#define STORE_SEARCH_SHARED_H

#include "store/db.h"
#include "store/journal.h"

/* More are not looked up: an MTA's queue ids and a From's addresses are few. */
#define SEARCH_SHARED_MAX 64

struct search_shared {
	int64_t terms[SEARCH_SHARED_MAX];
	size_t n;
};

/* From the journal's tables: queue ids, Message-ID, senders, client, user. */
int search_shared_load(struct db *journal, const struct uuid *message,
    struct search_shared *shared_r, struct err *);

/* The statements, to be prepared on the journal's connection. */
extern const struct db_sql search_shared_sql;

#endif
