/*
 * search/index: the search database, as it is read.
 *
 * It knows which deliveries there are, in the order of their arrival, and which
 * rows of the journal are about them; search/question finds some of them.
 */
#ifndef STORE_SEARCH_INDEX_H
#define STORE_SEARCH_INDEX_H

#include "store/db.h"
#include "store/journal.h"

/* PATH-search.db, to be freed. */
char *search_index_path(const char *journal_path);

/* ERR_STATE when there is none yet. To be closed with db_close. */
struct db *search_index_open(const char *journal_path, struct err *);

/* Up to which row it has caught up, and when that was; 0 when never. */
int search_index_progress(
    struct db *, int64_t *seq_r, int64_t *at_r, struct err *);

/* A delivery in it. Ids count from 1 as deliveries come. */
struct search_key {
	struct uuid message;
	unsigned n;
	int64_t received_at;
};

/* 1, or 0 when there is no such delivery. */
int search_index_key(
    struct db *, int64_t id, struct search_key *key_r, struct err *);

/* The newest id, or 0. */
int search_index_last(struct db *, int64_t *id_r, struct err *);

/* The id at which deliveries received at `until` or later begin; 0: the end. */
int search_index_below(
    struct db *, int64_t until, int64_t *below_r, struct err *);

/*
 * Call fn with the seq of each row about a message, or with n about one of its
 * deliveries, until it returns non-zero.
 */
int search_index_trail(struct db *, const struct uuid *message, unsigned n,
    int (*fn)(void *arg, int64_t seq), void *arg, struct err *);

#endif
