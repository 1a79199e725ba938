/*
 * counts: what happened how often, for those who ask every minute.
 *
 * Read from the search database, which counts the journal's rows as it is
 * caught up, and from the ends of the journal's tables; the cost does not grow
 * with the mail that was ever sent.
 */
#ifndef STORE_COUNTS_H
#define STORE_COUNTS_H

#include <stdint.h>

#include "core/err.h"

struct counts_journal {
	int64_t first_seq, last_seq, last_at; /* 0 in an empty journal */
	int64_t suppressed;		      /* addresses, in force now */
	int64_t counted;		      /* of its rows, by the search */
	/*
	 * Why no more is told: the search database is not there, can't be read, or
	 * never got to the journal's end, so that what it counts is of a part.
	 * Otherwise NULL.
	 */
	const char *uncounted;
};

struct counts_listener {
	void (*journal)(void *arg, const struct counts_journal *);
	/* Rows of one kind, as in search.sql's table tally. */
	void (*rows)(void *arg, const char *kind, int64_t count);
	/* Deliveries that are in a state other than `sent` now. */
	void (*state)(void *arg, const char *state, int64_t count);
	void *arg;
};

/* Tell all that can be told: -1 and err when the journal can't be read. */
int counts_read(
    const char *journal_path, const struct counts_listener *, struct err *);

#endif
