/* SPDX-License-Identifier: BSD-2-Clause */
#include "config.h"

#include "store/search/index.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/mem.h"
#include "store/search/question.h"

enum { SQL_PROGRESS, SQL_KEY, SQL_LAST, SQL_TRAIL, SQL_TRAIL_OF };
static const char *const sql_text[] = {
	[SQL_PROGRESS] = "SELECT seq, at FROM progress",
	[SQL_KEY] = "SELECT message, n, at FROM found WHERE id = ?",
	[SQL_LAST] = "SELECT coalesce(max(id), 0) FROM found",
	[SQL_TRAIL] = "SELECT seq FROM trail WHERE message = ? ORDER BY seq",
	/* In parentheses for clang, which suspects a missing comma. */
	[SQL_TRAIL_OF] = ("SELECT seq FROM trail WHERE message = ? AND n = ? "
			  "ORDER BY seq"),
};
static const struct db_sql sql = { DB_SLOT_OTHER,
	sizeof(sql_text) / sizeof(*sql_text), sql_text };

char *
search_index_path(const char *journal_path)
{
	return mem_printf("%s-search.db", journal_path);
}

struct db *
search_index_open(const char *journal_path, struct err *err)
{
	char *path = search_index_path(journal_path);
	struct db *db = NULL;

	if (access(path, F_OK) == -1)
		(void)err_set(err, ERR_STATE,
		    "there is no search database yet: %s is made by posternd "
		    "when it is asked, or by someone who may write there",
		    path);
	else
		db = db_open(path, DB_READ, err);
	free(path);
	if (db == NULL)
		return NULL;
	if (db_prepare(db, &sql, err) == 0 &&
	    db_prepare(db, &search_plain_sql, err) == 0 &&
	    db_prepare(db, &search_question_sql, err) == 0)
		return db;
	db_close(db);
	return NULL;
}

int
search_index_progress(
    struct db *db, int64_t *seq_r, int64_t *at_r, struct err *err)
{
	sqlite3_stmt *stmt = db_stmt(db, &sql, SQL_PROGRESS);
	enum db_result result = db_step(db, stmt, err);

	*seq_r = *at_r = 0;
	if (result == DB_ROW) {
		*seq_r = db_int(stmt, 0);
		*at_r = db_int(stmt, 1);
	}
	db_reset(stmt);
	return result == DB_ROW || result == DB_DONE ? 0 : -1;
}

int
search_index_key(
    struct db *db, int64_t id, struct search_key *key_r, struct err *err)
{
	sqlite3_stmt *stmt = db_stmt(db, &sql, SQL_KEY);
	enum db_result result;
	const void *p;
	int rc = 0;
	size_t len;

	db_bind_int(stmt, 1, id);
	result = db_step(db, stmt, err);
	p = db_blob(stmt, 0, &len);
	if (result == DB_ROW && len == UUID_LEN) {
		memcpy(key_r->message.bytes, p, UUID_LEN);
		key_r->n = (unsigned)db_int(stmt, 1);
		key_r->received_at = db_int(stmt, 2);
		rc = 1;
	}
	db_reset(stmt);
	return result == DB_ROW || result == DB_DONE ? rc : -1;
}

int
search_index_last(struct db *db, int64_t *id_r, struct err *err)
{
	sqlite3_stmt *stmt = db_stmt(db, &sql, SQL_LAST);
	enum db_result result = db_step(db, stmt, err);

	*id_r = result == DB_ROW ? db_int(stmt, 0) : 0;
	db_reset(stmt);
	return result == DB_ROW ? 0 : -1;
}

int
search_index_below(
    struct db *db, int64_t until, int64_t *below_r, struct err *err)
{
	struct search_key key = { .received_at = 0 };
	int64_t low = 1, high, mid;

	if (search_index_last(db, &high, err) == -1)
		return -1;
	high++;
	while (until != 0 && low < high) {
		mid = low + (high - low) / 2;
		if (search_index_key(db, mid, &key, err) == -1)
			return -1;
		if (key.received_at < until)
			low = mid + 1;
		else
			high = mid;
	}
	*below_r = high;
	return 0;
}

int
search_index_trail(struct db *db, const struct uuid *message, unsigned n,
    int (*fn)(void *arg, int64_t seq), void *arg, struct err *err)
{
	sqlite3_stmt *stmt =
	    db_stmt(db, &sql, n == 0 ? SQL_TRAIL : SQL_TRAIL_OF);
	enum db_result result;

	db_bind_blob(stmt, 1, message->bytes, UUID_LEN);
	if (n != 0)
		db_bind_int(stmt, 2, n);
	while ((result = db_step(db, stmt, err)) == DB_ROW)
		if (fn(arg, db_int(stmt, 0)) != 0)
			break;
	db_reset(stmt);
	return result == DB_ROW || result == DB_DONE ? 0 : -1;
}
