/* SPDX-License-Identifier: BSD-2-Clause */
#include "config.h"

#include "store/search/progress.h"

#include <string.h>

#include "core/clock.h"

/*
 * The progress row holds seq and chain of the last row read, and is written in
 * the same transaction. A journal that has another row there is another
 * journal.
 */
enum { J_CHAIN };
static const char *const journal_text[] = {
	[J_CHAIN] = "SELECT chain FROM journal WHERE seq = ?",
};
const struct db_sql search_progress_journal_sql = { DB_SLOT_PROGRESS,
	sizeof(journal_text) / sizeof(*journal_text), journal_text };

enum { S_PROGRESS, S_SET_PROGRESS };
static const char *const search_text[] = {
	[S_PROGRESS] = "SELECT seq, chain FROM progress",
	[S_SET_PROGRESS] =
	    "INSERT INTO progress (only, seq, chain, at, whole) "
	    "VALUES (1, ?, ?, ?, ?) ON CONFLICT (only) DO UPDATE "
	    "SET seq = excluded.seq, chain = excluded.chain, "
	    "at = excluded.at, "
	    "whole = max(whole, excluded.whole)",
};
const struct db_sql search_progress_sql = { DB_SLOT_PROGRESS,
	sizeof(search_text) / sizeof(*search_text), search_text };

int
search_progress_save(struct search_fill *f, bool at_end, struct err *err)
{
	sqlite3_stmt *stmt =
	    db_stmt(f->search, &search_progress_sql, S_SET_PROGRESS);

	db_bind_int(stmt, 1, f->seq);
	db_bind_blob(stmt, 2, f->chain, CHAIN_LEN);
	db_bind_int(stmt, 3, clock_wall_us());
	db_bind_int(stmt, 4, at_end);
	return db_run(f->search, stmt, err);
}

int
search_progress_load(struct search_fill *f, struct err *err)
{
	sqlite3_stmt *stmt =
	    db_stmt(f->search, &search_progress_sql, S_PROGRESS);
	enum db_result result;
	const void *chain;
	int known = 1;
	size_t len;

	result = db_step(f->search, stmt, err);
	if (result == DB_ROW) {
		f->seq = db_int(stmt, 0);
		chain = db_blob(stmt, 1, &len);
		if (len == CHAIN_LEN)
			memcpy(f->chain, chain, CHAIN_LEN);
	}
	db_reset(stmt);
	if (result != DB_ROW)
		return result == DB_DONE ? 1 : -1;
	stmt = db_stmt(f->journal, &search_progress_journal_sql, J_CHAIN);
	db_bind_int(stmt, 1, f->seq);
	result = db_step(f->journal, stmt, err);
	chain = result == DB_ROW ? db_blob(stmt, 0, &len) : NULL;
	if (f->seq > 0)
		known = chain != NULL && len == CHAIN_LEN &&
			memcmp(chain, f->chain, CHAIN_LEN) == 0;
	db_reset(stmt);
	return result == DB_ROW || result == DB_DONE ? known : -1;
}
