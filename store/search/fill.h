/*
 * search/fill: rows of the journal into the search database.
 *
 * The journal says which deliveries something happened to; what they can be
 * found by is read from its tables.
 */
#ifndef STORE_SEARCH_FILL_H
#define STORE_SEARCH_FILL_H

#include "store/chain.h"
#include "store/db.h"
#include "store/journal.h"
#include "store/search/days.h"
#include "store/search/plain.h"
#include "store/search/postings.h"
#include "store/search/shared.h"

/* Rows in one lot: one transaction. */
#define SEARCH_LOT_ROWS 100000

struct search_fill {
	struct db *journal;
	struct db *search; /* for writing, the caller's */
	struct search_days days;
	struct search_plain_list plain;
	struct search_postings postings;
	struct search_shared shared; /* the message's in hand */
	int64_t seq, at, next_id; /* seq and at of the row in hand */
	unsigned char chain[CHAIN_LEN];
};

/* Open the journal, for reading. */
int search_fill_open(
    struct search_fill *, const char *journal_path, struct err *);
void search_fill_close(struct search_fill *);

/*
 * Find where the last one stopped in a search database: 1, 0 when that is not
 * in this journal, -1.
 */
int search_fill_resume(struct search_fill *, struct err *);

/*
 * Take one lot, in the caller's transaction: the number of rows, which is less
 * than SEARCH_LOT_ROWS at the journal's end, or -1.
 */
int64_t search_fill_lot(struct search_fill *, struct err *);

#endif
