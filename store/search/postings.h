/*
 * search/postings: the terms that deliveries can be found by, on their way into
 * the search database.
 *
 * Gathered and written together, in the order of their table, so that a lot
 * touches each page of it once.
 */
#ifndef STORE_SEARCH_POSTINGS_H
#define STORE_SEARCH_POSTINGS_H

#include <stddef.h>
#include <stdint.h>

#include "store/db.h"
#include "store/search/term.h"

/* Zeroed to begin with; list is freed by the owner. */
struct search_postings {
	struct search_posting *list;
	size_t n, cap;
};

void search_postings_add(struct search_postings *, int64_t term, int64_t id);

/* Write them, in the caller's transaction, and begin anew. */
int search_postings_write(struct search_postings *, struct db *, struct err *);

/* The statements, to be prepared on the connection that writes. */
extern const struct db_sql search_postings_sql;

#endif
