/* SPDX-License-Identifier: BSD-2-Clause */
#include "config.h"

#include "store/search/pruned.h"

#include "store/journal.h"

enum { J_FIRST, J_THERE };
static const char *const journal_text[] = {
	[J_FIRST] = "SELECT seq, at FROM journal ORDER BY seq LIMIT 1",
	[J_THERE] = "SELECT 1 FROM delivery WHERE message = ? AND n = ?",
};
const struct db_sql search_pruned_journal_sql = { DB_SLOT_PRUNED,
	sizeof(journal_text) / sizeof(*journal_text), journal_text };

enum { S_FIRST, S_SET_FIRST, S_ODD, S_DROP };
static const char *const search_text[] = {
	[S_FIRST] = "SELECT first FROM progress",
	[S_SET_FIRST] = "UPDATE progress SET first = ?",
	/* In parentheses for clang, which suspects a missing comma. */
	[S_ODD] = ("SELECT odd.id, message, n, at FROM odd CROSS JOIN found "
		   "ON found.id = odd.id ORDER BY odd.id"),
	[S_DROP] = "DELETE FROM odd WHERE id = ?",
};
const struct db_sql search_pruned_sql = { DB_SLOT_PRUNED,
	sizeof(search_text) / sizeof(*search_text), search_text };

/* Two numbers of the first row: 1, 0 when there is none, -1. */
static int
get(struct db *db, sqlite3_stmt *stmt, int64_t *first_r, int64_t *second_r,
    struct err *err)
{
	enum db_result result = db_step(db, stmt, err);

	if (result == DB_ROW) {
		*first_r = db_int(stmt, 0);
		if (second_r != NULL)
			*second_r = db_int(stmt, 1);
	}
	db_reset(stmt);
	return result == DB_ROW ? 1 : result == DB_DONE ? 0 : -1;
}

/* Whether the journal has the delivery of a row of odd. */
static int
is_there(struct db *journal, sqlite3_stmt *odd, struct err *err)
{
	sqlite3_stmt *stmt =
	    db_stmt(journal, &search_pruned_journal_sql, J_THERE);
	const void *message;
	int64_t one;
	size_t len;

	message = db_blob(odd, 1, &len);
	db_bind_blob(stmt, 1, message, len);
	db_bind_int(stmt, 2, db_int(odd, 2));
	return get(journal, stmt, &one, NULL, err);
}

static int
drop(struct db *search, int64_t id, struct err *err)
{
	sqlite3_stmt *stmt = db_stmt(search, &search_pruned_sql, S_DROP);

	db_bind_int(stmt, 1, id);
	return db_run(search, stmt, err);
}

/* What is younger than the journal's first row is in no archive. */
static int
drop_before(
    struct db *search, struct db *journal, int64_t first_at, struct err *err)
{
	sqlite3_stmt *odd = db_stmt(search, &search_pruned_sql, S_ODD);
	enum db_result result = DB_ROW;
	int there = 0;

	while (there != -1 && (result = db_step(search, odd, err)) == DB_ROW &&
	       db_int(odd, 3) <= first_at) {
		there = is_there(journal, odd, err);
		if (there == 0)
			there = drop(search, db_int(odd, 0), err);
	}
	db_reset(odd);
	if (there == -1)
		return -1;
	return result == DB_ROW || result == DB_DONE ? 0 : -1;
}

int
search_pruned_drop(struct db *search, struct db *journal, struct err *err)
{
	int64_t first, first_at, known = 0;
	sqlite3_stmt *stmt;
	int rc;

	rc = get(journal, db_stmt(journal, &search_pruned_journal_sql, J_FIRST),
	    &first, &first_at, err);
	if (rc != 1)
		return rc;
	if (get(search, db_stmt(search, &search_pruned_sql, S_FIRST), &known,
		NULL, err) == -1)
		return -1;
	if (first == known)
		return 0;
	if (drop_before(search, journal, first_at, err) == -1)
		return -1;
	stmt = db_stmt(search, &search_pruned_sql, S_SET_FIRST);
	db_bind_int(stmt, 1, first);
	return db_run(search, stmt, err);
}
