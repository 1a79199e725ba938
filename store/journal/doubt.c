/* SPDX-License-Identifier: BSD-2-Clause */
#include "config.h"

#include "store/journal/doubt.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "store/db.h"
#include "store/record_sql.h"
#include "store/settle.h"

#define FOUND_AFTER_CRASH "found sending at start"

enum { SQL_SENDING, SQL_DOUBT };
static const char *const sql_text[] = {
	[SQL_SENDING] = "SELECT message, n, attempts FROM delivery "
			"WHERE state = 'sending' LIMIT 1",
	[SQL_DOUBT] = RECORD_SQL_OUTCOME,
};
const struct db_sql journal_doubt_sql = { DB_SLOT_DOUBT,
	sizeof(sql_text) / sizeof(*sql_text), sql_text };

static int
doubt_one(struct journal_tx *tx, const struct uuid *message, unsigned n,
    int64_t attempt, struct err *err)
{
	struct db *db = journal_tx_db(tx);
	sqlite3_stmt *stmt;
	char detail[96], id[UUID_TEXT_LEN];

	(void)snprintf(detail, sizeof(detail),
	    "{\"attempt\":%" PRId64 ",\"reply\":\"" FOUND_AFTER_CRASH "\"}",
	    attempt);
	if (journal_append(tx, "doubtful", message, n, detail, NULL, err) == -1)
		return -1;
	stmt = db_stmt(db, &journal_doubt_sql, SQL_DOUBT);
	db_bind_text(stmt, 1, "doubtful");
	db_bind_text(stmt, 4, FOUND_AFTER_CRASH);
	db_bind_int(stmt, 6, journal_tx_at(tx));
	db_bind_blob(stmt, 7, message->bytes, UUID_LEN);
	db_bind_int(stmt, 8, n);
	/* One that sends has had a dot, whatever it says. */
	db_bind_int(stmt, 9, attempt > 0 ? attempt : 1);
	if (db_run(db, stmt, err) == -1)
		return -1;
	if (sqlite3_changes(db_handle(db)) == 0)
		return err_set(err, ERR_STATE,
		    "delivery %u of %s is sending and can't be put in doubt: "
		    "somebody has changed the tables; run postern verify "
		    "--projections", n, uuid_text(message, id));
	return settle_delivery(tx, message, n, NULL, err);
}

int
journal_doubt(struct journal_tx *tx, unsigned *count_r, struct err *err)
{
	struct db *db = journal_tx_db(tx);
	enum db_result result;
	struct uuid message;
	sqlite3_stmt *stmt;
	int64_t attempt;
	const void *id;
	size_t len;
	unsigned n;

	*count_r = 0;
	for (;;) {
		stmt = db_stmt(db, &journal_doubt_sql, SQL_SENDING);
		result = db_step(db, stmt, err);
		if (result != DB_ROW)
			break;
		id = db_blob(stmt, 0, &len);
		if (len != UUID_LEN) {
			db_reset(stmt);
			return err_set(err, ERR_STATE, "a delivery without id");
		}
		memcpy(message.bytes, id, UUID_LEN);
		n = (unsigned)db_int(stmt, 1);
		attempt = db_int(stmt, 2);
		db_reset(stmt);
		if (doubt_one(tx, &message, n, attempt, err) == -1)
			return -1;
		(*count_r)++;
	}
	db_reset(stmt);
	return result == DB_DONE ? 0 : -1;
}
