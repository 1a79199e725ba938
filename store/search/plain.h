/*
 * search/plain: deliveries that are sent, and those that SES told to be
 * delivered: what most are, so a bit each, in search.sql's table plain.
 */
#ifndef STORE_SEARCH_PLAIN_H
#define STORE_SEARCH_PLAIN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "store/db.h"

enum search_plain { SEARCH_SENT, SEARCH_DELIVERED, SEARCH_PLAINS };

/* On their way into the search database. Zeroed to begin with; list is freed by
 * the owner. */
struct search_plain_list {
	struct search_plain_block *list;
	size_t n, cap;
};

/* What a delivery is now. */
void search_plain_note(
    struct search_plain_list *, int64_t id, bool sent, bool delivered);

/* Write them, in the caller's transaction, and begin anew. */
int search_plain_write(struct search_plain_list *, struct db *, struct err *);

/* The statements, for the connection that writes, and for search_index_open. */
extern const struct db_sql search_plain_write_sql;
extern const struct db_sql search_plain_sql;

/* How many there are, counted up to `enough`. */
int search_plain_count(struct db *, enum search_plain, int64_t enough,
    int64_t *count_r, struct err *);

/* 1 when a delivery is one, 0, -1. */
int search_plain_has(struct db *, enum search_plain, int64_t id, struct err *);

/* Their ids, newest first. */
struct search_plain_walk {
	struct db *db;
	sqlite3_stmt *stmt;
	int64_t block, below;
	uint64_t bits; /* of the block, those still to come */
};

/* From the newest that is below an id; one walk at a time. */
void search_plain_begin(
    struct search_plain_walk *, struct db *, enum search_plain, int64_t below);
enum db_result search_plain_next(
    struct search_plain_walk *, int64_t *id_r, struct err *);
void search_plain_end(struct search_plain_walk *);

#endif
