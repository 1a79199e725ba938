/* SPDX-License-Identifier: BSD-2-Clause */
#include "config.h"

#include "store/verify_tables.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base64.h"
#include "store/chain.h"
#include "store/journal.h"
#include "store/record_sql.h"

/*
 * Deliveries are built again from the journal in a temporary table of the same
 * name, which SQLite finds before the real one, by the statements that built
 * the real one. Parties, messages and suppressions are compared by the
 * commitments that the journal holds. Feedback is not looked at here.
 *
 * Statements on the temporary tables are prepared once those exist, hence two
 * lists.
 */
enum { SQL_ROWS, SQL_ADD, SQL_SENDING, SQL_OUTCOME };

static const char *const build_text[] = {
	[SQL_ROWS] = "SELECT event, message, n, at, "
		     "coalesce(json_extract(detail, '$.attempt'), 0), "
		     "json_extract(detail, '$.code'), "
		     "json_extract(detail, '$.dsn'), "
		     "json_extract(detail, '$.reply'), "
		     "json_extract(detail, '$.ses_id') FROM journal "
		     "WHERE n > 0 ORDER BY seq",
	[SQL_ADD] = "INSERT INTO delivery (message, n, state, attempts, "
		    "updated_at) SELECT j.message, CAST(r.key AS INTEGER), "
		    "'waiting', 0, j.at FROM journal j, "
		    "json_each(j.detail, '$.recipient') r "
		    "WHERE j.event IN ('received', 'offered') "
		    "ON CONFLICT DO NOTHING",
	[SQL_SENDING] = RECORD_SQL_SENDING,
	[SQL_OUTCOME] = RECORD_SQL_OUTCOME,
};
static const struct db_sql build_sql = { DB_SLOT_RECORD,
	sizeof(build_text) / sizeof(*build_text), build_text };

/* Each row is a fault: seq, words. */
static const char *const compare_text[] = {
	"SELECT 0, 'delivery ' || uuid(message) || ' ' || n || "
	"' is not what the journal says' FROM ("
	"SELECT message, n, state, attempts, ses_id, code, dsn, reply, "
	"sent_at FROM main.delivery EXCEPT "
	"SELECT message, n, state, attempts, ses_id, code, dsn, reply, "
	"sent_at FROM temp.delivery)",

	"SELECT 0, 'delivery ' || uuid(message) || ' ' || n || "
	"' is missing' FROM ("
	"SELECT message, n FROM temp.delivery EXCEPT "
	"SELECT message, n FROM main.delivery)",

	"SELECT j.seq, 'message ' || uuid(j.message) || "
	"' is not what the journal says' "
	"FROM journal j LEFT JOIN message m ON m.id = j.message "
	"WHERE j.event = 'received' AND (m.id IS NULL "
	"OR m.received_at IS NOT j.at "
	"OR base64(m.digest) IS NOT json_extract(j.detail, '$.digest') "
	"OR m.size IS NOT coalesce(json_extract(j.detail, '$.size'), 0) "
	"OR m.queue_ids IS NOT json_extract(j.detail, '$.queue_ids') "
	"OR m.repairs IS NOT json_extract(j.detail, '$.repairs') "
	"OR (m.header_message_id IS NOT NULL "
	"AND commitment(m.salt, m.header_message_id) IS NOT "
	"json_extract(j.detail, '$.message_id')))",

	"SELECT c.seq, c.role || ' ' || c.n || ' of message ' || "
	"uuid(c.message) || ' is not who the journal committed to' "
	"FROM temp.committed c LEFT JOIN party p "
	"ON p.message = c.message AND p.n = c.n AND p.role = c.role "
	"WHERE p.role IS NULL "
	"OR (p.value IS NOT NULL AND commitment(p.salt, p.value) "
	"IS NOT c.commitment) "
	"OR (p.value IS NULL AND NOT EXISTS (SELECT 1 FROM erased e "
	"WHERE e.message = c.message AND e.n = c.n AND e.role = c.role))",

	"SELECT 0, p.role || ' ' || p.n || ' of message ' || "
	"uuid(p.message) || ' was never introduced by the journal' "
	"FROM party p LEFT JOIN temp.committed c "
	"ON c.message = p.message AND c.n = p.n AND c.role = p.role "
	"WHERE c.role IS NULL",

	"SELECT j.seq, 'the suppression of row ' || j.seq || "
	"' is not what the journal says' "
	"FROM journal j LEFT JOIN suppression s ON s.seq = j.seq "
	"WHERE j.event = 'suppressed' AND (s.seq IS NULL "
	"OR s.since IS NOT j.at "
	"OR s.reason IS NOT json_extract(j.detail, '$.reason') "
	"OR (s.address IS NOT NULL AND commitment(s.salt, s.address) "
	"IS NOT json_extract(j.detail, '$.address')))",

	"SELECT s.seq, 'the suppression of row ' || s.seq || "
	"' was never journalled' FROM suppression s LEFT JOIN journal j "
	"ON j.seq = s.seq AND j.event = 'suppressed' WHERE j.seq IS NULL "
	"AND s.seq > (SELECT coalesce(max(last_seq), 0) FROM pruned)",
};
#define NCOMPARE (sizeof(compare_text) / sizeof(*compare_text))
static const struct db_sql compare_sql = { DB_SLOT_JOURNAL, NCOMPARE,
	compare_text };

static const char temp_tables[] =
    "CREATE TEMP TABLE delivery (message, n, state, attempts, ses_id, code, "
    "dsn, reply, feedback, sent_at, updated_at, PRIMARY KEY (message, n)) "
    "WITHOUT ROWID;"
    "CREATE TEMP TABLE committed (message, n, role, commitment, seq, "
    "PRIMARY KEY (message, n, role)) WITHOUT ROWID;"
    "INSERT OR IGNORE INTO committed SELECT j.message, 0, p.key, p.value, "
    "j.seq FROM journal j, json_each(j.detail) p "
    "WHERE j.event IN ('received', 'offered') AND p.key IN ('sender', "
    "'rewritten', 'original', 'from', 'client', 'user');"
    "INSERT OR IGNORE INTO committed SELECT j.message, "
    "CAST(r.key AS INTEGER), 'recipient', r.value, j.seq FROM journal j, "
    "json_each(j.detail, '$.recipient') r "
    "WHERE j.event IN ('received', 'offered')";

static void
sql_commitment(sqlite3_context *ctx, int argc, sqlite3_value **argv)
{
	const void *salt = sqlite3_value_blob(argv[0]);
	const void *value = sqlite3_value_blob(argv[1]);

	(void)argc;
	if (salt != NULL)
		sqlite3_result_text(ctx,
		    chain_commitment(salt, (size_t)sqlite3_value_bytes(argv[0]),
			value != NULL ? value : "",
			(size_t)sqlite3_value_bytes(argv[1])),
		    -1, free);
}

static void
sql_base64(sqlite3_context *ctx, int argc, sqlite3_value **argv)
{
	const void *bytes = sqlite3_value_blob(argv[0]);

	(void)argc;
	if (bytes != NULL)
		sqlite3_result_text(ctx,
		    base64_text(bytes, (size_t)sqlite3_value_bytes(argv[0])),
		    -1, free);
}

static void
sql_uuid(sqlite3_context *ctx, int argc, sqlite3_value **argv)
{
	const void *bytes = sqlite3_value_blob(argv[0]);
	char text[UUID_TEXT_LEN];
	struct uuid id;

	(void)argc;
	if (bytes == NULL || sqlite3_value_bytes(argv[0]) != UUID_LEN) {
		sqlite3_result_text(ctx, "(none)", -1, SQLITE_STATIC);
		return;
	}
	memcpy(id.bytes, bytes, UUID_LEN);
	sqlite3_result_text(ctx, uuid_text(&id, text), -1, SQLITE_TRANSIENT);
}

static void
add_functions(struct db *db)
{
	const int flags = SQLITE_UTF8 | SQLITE_DETERMINISTIC;

	(void)sqlite3_create_function(db_handle(db), "commitment", 2, flags,
	    NULL, sql_commitment, NULL, NULL);
	(void)sqlite3_create_function(db_handle(db), "base64", 1, flags, NULL,
	    sql_base64, NULL, NULL);
	(void)sqlite3_create_function(
	    db_handle(db), "uuid", 1, flags, NULL, sql_uuid, NULL, NULL);
}

static int
build_sending(struct db *db, sqlite3_stmt *row, struct err *err)
{
	sqlite3_stmt *stmt = db_stmt(db, &build_sql, SQL_SENDING);

	(void)sqlite3_bind_value(stmt, 1, sqlite3_column_value(row, 4));
	(void)sqlite3_bind_value(stmt, 2, sqlite3_column_value(row, 3));
	(void)sqlite3_bind_value(stmt, 3, sqlite3_column_value(row, 1));
	(void)sqlite3_bind_value(stmt, 4, sqlite3_column_value(row, 2));
	return db_run(db, stmt, err);
}

static int
build_outcome(struct db *db, sqlite3_stmt *row, struct err *err)
{
	static const int columns[] = { 0, 5, 6, 7, 8, 3, 1, 2, 4 };
	sqlite3_stmt *stmt = db_stmt(db, &build_sql, SQL_OUTCOME);

	for (int i = 0; i < 9; i++)
		(void)sqlite3_bind_value(
		    stmt, i + 1, sqlite3_column_value(row, columns[i]));
	return db_run(db, stmt, err);
}

static int
build_row(struct db *db, sqlite3_stmt *row, struct err *err)
{
	static const char *const outcomes[] = { "sent", "deferred", "refused",
		"doubtful" };
	const char *event = db_text(row, 0);

	if (event == NULL)
		return 0;
	if (strcmp(event, "sending") == 0)
		return build_sending(db, row, err);
	for (size_t i = 0; i < sizeof(outcomes) / sizeof(*outcomes); i++)
		if (strcmp(event, outcomes[i]) == 0)
			return build_outcome(db, row, err);
	return 0;
}

static int
build_deliveries(struct db *db, struct err *err)
{
	enum db_result result;
	sqlite3_stmt *rows;

	if (db_run(db, db_stmt(db, &build_sql, SQL_ADD), err) == -1)
		return -1;
	rows = db_stmt(db, &build_sql, SQL_ROWS);
	while ((result = db_step(db, rows, err)) == DB_ROW)
		if (build_row(db, rows, err) == -1)
			break;
	db_reset(rows);
	return result == DB_DONE ? 0 : -1;
}

static int
compare(struct db *db, size_t which,
    void (*fault)(void *arg, int64_t seq, const char *words), void *arg,
    struct err *err)
{
	sqlite3_stmt *stmt = db_stmt(db, &compare_sql, which);
	enum db_result result;

	while ((result = db_step(db, stmt, err)) == DB_ROW)
		fault(arg, db_int(stmt, 0), db_text(stmt, 1));
	db_reset(stmt);
	return result == DB_DONE ? 0 : -1;
}

int
verify_tables(struct db *db,
    void (*fault)(void *arg, int64_t seq, const char *words), void *arg,
    struct err *err)
{
	add_functions(db);
	if (db_exec(db, temp_tables, err) == -1 ||
	    db_prepare(db, &build_sql, err) == -1 ||
	    db_prepare(db, &compare_sql, err) == -1 ||
	    build_deliveries(db, err) == -1)
		return -1;
	for (size_t i = 0; i < NCOMPARE; i++)
		if (compare(db, i, fault, arg, err) == -1)
			return -1;
	return 0;
}
