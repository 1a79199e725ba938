/*
 * search/pruned: what left the journal, on its way out of the counts.
 */
#ifndef STORE_SEARCH_PRUNED_H
#define STORE_SEARCH_PRUNED_H

#include "store/db.h"

/*
 * Take out of the table odd, which is counted, what the journal has no more.
 * Looks only when the journal has begun to lose rows since it did so last: a
 * prune drops messages before rows. In the caller's transaction.
 */
int search_pruned_drop(struct db *search, struct db *journal, struct err *);

/* The statements, for each of the two. */
extern const struct db_sql search_pruned_sql, search_pruned_journal_sql;

#endif
