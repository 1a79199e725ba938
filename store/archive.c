/* SPDX-License-Identifier: BSD-2-Clause */
#include "config.h"

#include "store/archive_parts.h"

#include <sys/stat.h>

#include <errno.h>
#include <string.h>

#include "store/db.h"

#define SMALLEST_DATABASE 512

enum {
	SQL_ENDS,
	SQL_LAST_CHAIN,
	SQL_COUNT,
	SQL_IDS,
	SQL_HAS,
	SQL_CHAINS
};
static const char *const read_text[] = {
	[SQL_ENDS] = "SELECT (SELECT min(seq) FROM journal), "
		     "(SELECT max(seq) FROM journal), "
		     "(SELECT CAST(CAST(value AS TEXT) AS INTEGER) FROM mark "
		     "WHERE name = 'archive')",
	[SQL_LAST_CHAIN] = "SELECT chain FROM journal WHERE seq = ?",
	[SQL_COUNT] = "SELECT count(*) FROM message",
	[SQL_IDS] = "SELECT id FROM message ORDER BY id",
	[SQL_HAS] = "SELECT 1 FROM message WHERE id = ?",
	/* In parentheses for clang, which suspects a missing comma. */
	[SQL_CHAINS] = ("SELECT seq, chain FROM journal WHERE seq >= ? "
			"ORDER BY seq LIMIT ?"),
};
static const struct db_sql read_sql = { DB_SLOT_OTHER,
	sizeof(read_text) / sizeof(*read_text), read_text };

/* Others name it: what is no database is not opened. Opening a FIFO waits, and
 * closing a file gives up the locks that this process has on it. */
int
archive_look_before(const char *file, struct err *err)
{
	struct stat st;

	if (stat(file, &st) == -1)
		return err_sys(err, ERR_LOCAL, errno, "stat");
	if (!S_ISREG(st.st_mode) || st.st_size < SMALLEST_DATABASE)
		return err_set(err, ERR_STATE, "this is no archive");
	return 0;
}

static int
read_ends(struct db *db, struct archive *a, struct err *err)
{
	sqlite3_stmt *stmt = db_stmt(db, &read_sql, SQL_ENDS);
	enum db_result result = db_step(db, stmt, err);
	const void *chain;
	size_t len;

	if (result == DB_ROW) {
		a->first_seq = db_int(stmt, 0);
		a->last_seq = db_int(stmt, 1);
		a->as_of = db_int(stmt, 2);
	}
	db_reset(stmt);
	if (result != DB_ROW)
		return -1;
	if (a->as_of == 0)
		return err_set(err, ERR_STATE, "this is no archive");
	stmt = db_stmt(db, &read_sql, SQL_LAST_CHAIN);
	db_bind_int(stmt, 1, a->last_seq);
	result = db_step(db, stmt, err);
	chain = result == DB_ROW ? db_blob(stmt, 0, &len) : NULL;
	if (chain != NULL && len == CHAIN_LEN)
		memcpy(a->last_chain, chain, CHAIN_LEN);
	else if (result == DB_ROW || result == DB_DONE)
		(void)err_set(err, ERR_STATE, "it has no last row");
	db_reset(stmt);
	return chain != NULL && len == CHAIN_LEN ? 0 : -1;
}

/* Reads all of them. */
static int
count_messages(struct db *db, struct archive *a, struct err *err)
{
	sqlite3_stmt *stmt = db_stmt(db, &read_sql, SQL_COUNT);
	enum db_result result = db_step(db, stmt, err);

	if (result == DB_ROW)
		a->messages = db_int(stmt, 0);
	db_reset(stmt);
	return result == DB_ROW ? 0 : -1;
}

static struct db *
open_archive(const char *file, struct err *err)
{
	struct db *db;

	if (archive_look_before(file, err) == -1)
		return NULL;
	db = db_open_journal(file, err);
	if (db != NULL && db_prepare(db, &read_sql, err) == -1) {
		db_close(db);
		return NULL;
	}
	return db;
}

int
archive_read(const char *file, struct archive *archive_r, struct err *err)
{
	struct db *db = open_archive(file, err);
	int rc;

	if (db == NULL)
		return -1;
	rc = read_ends(db, archive_r, err);
	if (rc == 0)
		rc = count_messages(db, archive_r, err);
	db_close(db);
	return rc == 0 ? 0 : err_context(err, "%s", file);
}

int
archive_messages(const char *file,
    int (*fn)(void *arg, const struct uuid *, struct err *), void *arg,
    struct err *err)
{
	struct db *db = open_archive(file, err);
	enum db_result result = DB_ROW;
	sqlite3_stmt *stmt;
	struct uuid id;
	const void *p;
	size_t len;
	int rc = 0;

	if (db == NULL)
		return -1;
	stmt = db_stmt(db, &read_sql, SQL_IDS);
	while (rc == 0 && (result = db_step(db, stmt, err)) == DB_ROW) {
		p = db_blob(stmt, 0, &len);
		if (len != UUID_LEN)
			continue;
		memcpy(id.bytes, p, UUID_LEN);
		rc = fn(arg, &id, err);
	}
	if (result != DB_ROW && result != DB_DONE)
		rc = -1;
	db_close(db);
	return rc;
}

static int
has(struct db *db, const struct uuid *id, struct err *err)
{
	sqlite3_stmt *stmt = db_stmt(db, &read_sql, SQL_HAS);
	char text[UUID_TEXT_LEN];
	enum db_result result;

	db_bind_blob(stmt, 1, id->bytes, UUID_LEN);
	result = db_step(db, stmt, err);
	db_reset(stmt);
	if (result == DB_DONE)
		return err_set(err, ERR_STATE, "it has no message %s",
		    uuid_text(id, text));
	return result == DB_ROW ? 0 : -1;
}

int
archive_has(const char *file, const struct uuid *ids, size_t n,
    struct archive *archive_r, struct err *err)
{
	struct db *db = open_archive(file, err);
	int rc = -1;

	if (db != NULL)
		rc = read_ends(db, archive_r, err);
	for (size_t i = 0; rc == 0 && i < n; i++)
		rc = has(db, &ids[i], err);
	db_close(db);
	return rc == 0 ? 0 : err_context(err, "%s", file);
}

static int
read_chains(struct db *db, int64_t first, size_t n,
    unsigned char (*chains)[CHAIN_LEN], size_t *n_r, struct err *err)
{
	sqlite3_stmt *stmt = db_stmt(db, &read_sql, SQL_CHAINS);
	enum db_result result;
	const void *chain;
	size_t len, i = 0;

	db_bind_int(stmt, 1, first);
	db_bind_int(stmt, 2, (int64_t)n);
	while ((result = db_step(db, stmt, err)) == DB_ROW) {
		chain = db_blob(stmt, 1, &len);
		if (db_int(stmt, 0) != first + (int64_t)i || len != CHAIN_LEN)
			break;
		memcpy(chains[i++], chain, CHAIN_LEN);
	}
	db_reset(stmt);
	*n_r = i;
	return result == DB_ROW || result == DB_DONE ? 0 : -1;
}

int
archive_chains(const char *file, int64_t first, size_t n,
    unsigned char (*chains_r)[CHAIN_LEN], size_t *n_r,
    struct archive *archive_r, struct err *err)
{
	struct db *db = open_archive(file, err);
	int rc = -1;

	if (db != NULL && read_ends(db, archive_r, err) == 0)
		rc = read_chains(db, first, n, chains_r, n_r, err);
	db_close(db);
	return rc == 0 ? 0 : err_context(err, "%s", file);
}
