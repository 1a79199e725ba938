/* SPDX-License-Identifier: BSD-2-Clause */
#include "config.h"

#include "store/record/digest.h"

#include <stdbool.h>
#include <string.h>

#include "store/db.h"

/*
 * Messages lie in the order of time, digests do not: so old digests are
 * found by following the messages, from a mark on.
 */

/* Old digests that each arrival clears away: more than it adds. */
#define DIGESTS_A_STEP 2

enum {
	SQL_FIND,
	SQL_PUT,
	SQL_DROP,
	SQL_GET_MARK,
	SQL_PUT_MARK,
	SQL_NEXT_MESSAGE
};
static const char *const sql_text[] = {
	[SQL_FIND] = "SELECT message FROM digest WHERE digest = ? AND at >= ?",
	[SQL_PUT] = "INSERT INTO digest (digest, message, at) "
		    "VALUES (?, ?, ?) ON CONFLICT (digest) DO UPDATE "
		    "SET message = excluded.message, at = excluded.at",
	[SQL_DROP] = "DELETE FROM digest WHERE digest = ? AND message = ?",
	[SQL_GET_MARK] = "SELECT value FROM mark WHERE name = 'digest'",
	[SQL_PUT_MARK] = "INSERT INTO mark (name, value) VALUES ('digest', ?) "
			 "ON CONFLICT (name) DO UPDATE "
			 "SET value = excluded.value",
	/* In parentheses for clang, which suspects a missing comma. */
	[SQL_NEXT_MESSAGE] = ("SELECT id, digest, received_at FROM message "
			      "WHERE id > ? ORDER BY id LIMIT 1"),
};
const struct db_sql digest_sql = { DB_SLOT_DIGEST,
	sizeof(sql_text) / sizeof(*sql_text), sql_text };

static sqlite3_stmt *
stmt_for(struct journal_tx *tx, size_t which)
{
	return db_stmt(journal_tx_db(tx), &digest_sql, which);
}

int
digest_find(struct journal_tx *tx, const unsigned char digest[SHA256_LEN],
    int64_t since_us, struct uuid *id_r, struct err *err)
{
	sqlite3_stmt *stmt = stmt_for(tx, SQL_FIND);
	enum db_result result;
	const void *id;
	size_t len;
	int rc = 0;

	db_bind_blob(stmt, 1, digest, SHA256_LEN);
	db_bind_int(stmt, 2, since_us);
	result = db_step(journal_tx_db(tx), stmt, err);
	if (result == DB_ROW) {
		id = db_blob(stmt, 0, &len);
		if (len == UUID_LEN) {
			memcpy(id_r->bytes, id, UUID_LEN);
			rc = 1;
		}
	}
	db_reset(stmt);
	return result == DB_ROW || result == DB_DONE ? rc : -1;
}

int
digest_put(struct journal_tx *tx, const unsigned char digest[SHA256_LEN],
    const struct uuid *id, struct err *err)
{
	sqlite3_stmt *stmt = stmt_for(tx, SQL_PUT);

	db_bind_blob(stmt, 1, digest, SHA256_LEN);
	db_bind_blob(stmt, 2, id->bytes, UUID_LEN);
	db_bind_int(stmt, 3, journal_tx_at(tx));
	return db_run(journal_tx_db(tx), stmt, err);
}

/* The next message behind the mark, if it is older than the window. */
struct old_message {
	unsigned char id[UUID_LEN];
	unsigned char digest[SHA256_LEN];
	bool has_digest;
};

static int
next_old(struct journal_tx *tx, const unsigned char mark[UUID_LEN],
    int64_t before, struct old_message *old, struct err *err)
{
	sqlite3_stmt *stmt = stmt_for(tx, SQL_NEXT_MESSAGE);
	enum db_result result;
	const void *p;
	size_t len;
	int rc = 0;

	db_bind_blob(stmt, 1, mark, UUID_LEN);
	result = db_step(journal_tx_db(tx), stmt, err);
	if (result == DB_ROW && db_int(stmt, 2) < before) {
		if ((p = db_blob(stmt, 0, &len)) != NULL && len == UUID_LEN) {
			memcpy(old->id, p, UUID_LEN);
			rc = 1;
		}
		p = db_blob(stmt, 1, &len);
		old->has_digest = p != NULL && len == SHA256_LEN;
		if (old->has_digest)
			memcpy(old->digest, p, SHA256_LEN);
	}
	db_reset(stmt);
	return result == DB_ROW || result == DB_DONE ? rc : -1;
}

static int
drop(struct journal_tx *tx, const struct old_message *old, struct err *err)
{
	sqlite3_stmt *stmt;

	if (!old->has_digest)
		return 0;
	stmt = stmt_for(tx, SQL_DROP);
	db_bind_blob(stmt, 1, old->digest, SHA256_LEN);
	db_bind_blob(stmt, 2, old->id, UUID_LEN);
	return db_run(journal_tx_db(tx), stmt, err);
}

static int
read_mark(struct journal_tx *tx, unsigned char mark[UUID_LEN], struct err *err)
{
	sqlite3_stmt *stmt = stmt_for(tx, SQL_GET_MARK);
	enum db_result result = db_step(journal_tx_db(tx), stmt, err);
	const void *p;
	size_t len;

	memset(mark, 0, UUID_LEN);
	if (result == DB_ROW && (p = db_blob(stmt, 0, &len)) != NULL &&
	    len == UUID_LEN)
		memcpy(mark, p, UUID_LEN);
	db_reset(stmt);
	return result == DB_ROW || result == DB_DONE ? 0 : -1;
}

int
digest_clear(struct journal_tx *tx, int64_t before_us, struct err *err)
{
	unsigned char mark[UUID_LEN];
	struct old_message old;
	sqlite3_stmt *stmt;
	int rc, done = 0;

	if (read_mark(tx, mark, err) == -1)
		return -1;
	while (done < DIGESTS_A_STEP) {
		rc = next_old(tx, mark, before_us, &old, err);
		if (rc == -1 || (rc == 1 && drop(tx, &old, err) == -1))
			return -1;
		if (rc == 0)
			break;
		memcpy(mark, old.id, UUID_LEN);
		done++;
	}
	if (done == 0)
		return 0;
	stmt = stmt_for(tx, SQL_PUT_MARK);
	db_bind_blob(stmt, 1, mark, UUID_LEN);
	return db_run(journal_tx_db(tx), stmt, err);
}
