/*
 * search/progress: how far the search database has come in its journal.
 */
#ifndef STORE_SEARCH_PROGRESS_H
#define STORE_SEARCH_PROGRESS_H

#include <stdbool.h>

#include "store/db.h"
#include "store/search/fill.h"

/* Seq and chain of the last row read: 1 when that is in this journal, 0 when it
 * is not, -1. */
int search_progress_load(struct search_fill *, struct err *);

/* In the caller's transaction. at_end: there is nothing more to read. */
int search_progress_save(struct search_fill *, bool at_end, struct err *);

/* The statements, for the search database and for the journal. */
extern const struct db_sql search_progress_sql, search_progress_journal_sql;

#endif
