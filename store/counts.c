/* SPDX-License-Identifier: BSD-2-Clause */
#include "config.h"

#include "store/counts.h"

#include "core/clock.h"
#include "store/db.h"
#include "store/search/index.h"

enum { S_PROGRESS, S_ROWS, S_STATES };
static const char *const search_text[] = {
	[S_PROGRESS] = "SELECT seq, whole FROM progress",
	[S_ROWS] = "SELECT kind, sum(count) FROM tally GROUP BY kind",
	/* In parentheses for clang, which suspects a missing comma. */
	[S_STATES] = ("SELECT state, count(*) FROM odd "
		      "WHERE state IS NOT NULL GROUP BY state"),
};
static const struct db_sql search_sql = { DB_SLOT_OTHER,
	sizeof(search_text) / sizeof(*search_text), search_text };

enum { J_ENDS, J_LAST_AT, J_SUPPRESSED };
static const char *const journal_text[] = {
	[J_ENDS] = "SELECT coalesce((SELECT min(seq) FROM journal), 0), "
		   "coalesce((SELECT max(seq) FROM journal), 0)",
	[J_LAST_AT] = "SELECT at FROM journal WHERE seq = ?",
	[J_SUPPRESSED] = "SELECT count(*) FROM suppression "
			 "WHERE until IS NULL OR until > ?",
};
static const struct db_sql journal_sql = { DB_SLOT_OTHER,
	sizeof(journal_text) / sizeof(*journal_text), journal_text };

/* The first row's columns; zeros when there is none. */
static int
get(struct db *db, sqlite3_stmt *stmt, int64_t *first_r, int64_t *second_r,
    struct err *err)
{
	enum db_result result = db_step(db, stmt, err);

	*first_r = result == DB_ROW ? db_int(stmt, 0) : 0;
	if (second_r != NULL)
		*second_r = result == DB_ROW ? db_int(stmt, 1) : 0;
	db_reset(stmt);
	return result == DB_ROW || result == DB_DONE ? 0 : -1;
}

static int
each(struct db *db, sqlite3_stmt *stmt,
    void (*fn)(void *arg, const char *name, int64_t count), void *arg,
    struct err *err)
{
	enum db_result result;

	while ((result = db_step(db, stmt, err)) == DB_ROW)
		fn(arg, db_text(stmt, 0), db_int(stmt, 1));
	db_reset(stmt);
	return result == DB_DONE ? 0 : -1;
}

static int
read_journal(struct db *db, struct counts_journal *j, struct err *err)
{
	sqlite3_stmt *stmt;

	if (get(db, db_stmt(db, &journal_sql, J_ENDS), &j->first_seq,
		&j->last_seq, err) == -1)
		return -1;
	stmt = db_stmt(db, &journal_sql, J_LAST_AT);
	db_bind_int(stmt, 1, j->last_seq);
	if (get(db, stmt, &j->last_at, NULL, err) == -1)
		return -1;
	stmt = db_stmt(db, &journal_sql, J_SUPPRESSED);
	db_bind_int(stmt, 1, clock_wall_us());
	return get(db, stmt, &j->suppressed, NULL, err);
}

/* How far it got: -1 and err when it has nothing to count by. */
static int
read_search(struct db *search, struct counts_journal *j, struct err *err)
{
	int64_t seq, whole;

	if (db_prepare(search, &search_sql, err) == -1 ||
	    get(search, db_stmt(search, &search_sql, S_PROGRESS), &seq, &whole,
		err) == -1)
		return -1;
	/* The journal was read before, and may have grown since. */
	if (seq > j->last_seq)
		seq = j->last_seq;
	if (seq > 0 && seq >= j->first_seq)
		j->counted = seq - j->first_seq + 1;
	if (whole == 0)
		return err_set(
		    err, ERR_STATE, "the search database is being made anew");
	return 0;
}

static int
tell(struct db *search, const struct counts_listener *l, struct err *err)
{
	if (each(search, db_stmt(search, &search_sql, S_ROWS), l->rows, l->arg,
		err) == -1)
		return -1;
	return each(search, db_stmt(search, &search_sql, S_STATES), l->state,
	    l->arg, err);
}

int
counts_read(
    const char *journal_path, const struct counts_listener *l, struct err *err)
{
	struct db *journal = db_open_journal(journal_path, err), *search;
	struct counts_journal j = { .uncounted = NULL };
	struct err why;
	int rc = -1;

	if (journal == NULL)
		return -1;
	if (db_prepare(journal, &journal_sql, err) == 0)
		rc = read_journal(journal, &j, err);
	db_close(journal);
	if (rc == -1)
		return -1;
	search = search_index_open(journal_path, &why);
	if (search == NULL || read_search(search, &j, &why) == -1)
		j.uncounted = why.text;
	l->journal(l->arg, &j);
	if (j.uncounted == NULL)
		rc = tell(search, l, err);
	db_close(search);
	return rc;
}
