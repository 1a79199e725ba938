/* SPDX-License-Identifier: BSD-2-Clause */
#include "config.h"

#include "store/verify_gather.h"

#include <string.h>

#include "store/record_sql.h"

static const char work_tables[] =
    "CREATE TABLE delivery (message, n, state, attempts, ses_id, code, "
    "dsn, reply, feedback, sent_at, updated_at, PRIMARY KEY (message, n)) "
    "WITHOUT ROWID;"
    "CREATE TABLE introduced (message PRIMARY KEY, seq, at, digest, size, "
    "queue_ids, repairs, message_id) WITHOUT ROWID;"
    "CREATE TABLE committed (message, n, role, commitment, seq, "
    "PRIMARY KEY (message, n, role)) WITHOUT ROWID;"
    "CREATE TABLE seen (message PRIMARY KEY, last) WITHOUT ROWID;"
    "CREATE TABLE placed (message PRIMARY KEY, last) WITHOUT ROWID;"
    "CREATE TABLE unknown (message PRIMARY KEY) WITHOUT ROWID;"
    "CREATE TABLE suppressed (seq INTEGER PRIMARY KEY, at, reason, address, "
    "until);"
    "CREATE TABLE lifted (seq INTEGER PRIMARY KEY, at);"
    "CREATE TABLE ended (seq, until);"
    "CREATE TABLE erasure (message, n, role, seq, hidden, "
    "PRIMARY KEY (message, n, role, seq)) WITHOUT ROWID;"
    "CREATE TABLE claimed (message, n, role, seq, hidden);"
    "CREATE TABLE reported (message, n, key, seq, attempt, again, "
    "PRIMARY KEY (message, n, key)) WITHOUT ROWID;"
    "CREATE TABLE lone (seq INTEGER PRIMARY KEY, ses_id, key);"
    "CREATE TABLE start (at, seq);"
    "CREATE TEMP VIEW told AS SELECT seq, at, message, n, event, "
    "CASE WHEN json_valid(detail) THEN detail ELSE '{}' END AS detail "
    "FROM other.journal";

#define EVENT_KEY                                                     \
	"event_key(json_extract(detail, '$.type'), "                  \
	"json_extract(detail, '$.ses_id'), "                          \
	"json_extract(detail, '$.feedback_id'), "                     \
	"json_extract(detail, '$.time'))"

/* Bound as verify_stmt does. */
static const char *const take_text[] = {
	"INSERT INTO start SELECT CASE seq WHEN 1 THEN -1 ELSE at END, seq "
	"FROM told WHERE seq > ?1 AND NOT EXISTS "
	"(SELECT 1 FROM start) ORDER BY seq LIMIT 1",

	/* Without rows there is nothing that the tables may have. */
	"INSERT INTO start SELECT -1, 1 WHERE NOT EXISTS (SELECT 1 FROM start)",

	"INSERT OR IGNORE INTO introduced SELECT message, seq, at, "
	"json_extract(detail, '$.digest'), "
	"coalesce(json_extract(detail, '$.size'), 0), "
	"json_extract(detail, '$.queue_ids'), "
	"json_extract(detail, '$.repairs'), "
	"json_extract(detail, '$.message_id') FROM told "
	"WHERE seq > ?1 AND event = 'received' AND message IS NOT NULL",

	"INSERT OR IGNORE INTO committed SELECT j.message, 0, p.key, p.value, "
	"j.seq FROM told j, json_each(j.detail) p "
	"WHERE j.seq > ?1 AND j.event IN ('received', 'offered') "
	"AND p.key IN ('sender', 'rewritten', 'original', 'from', 'client', "
	"'user')",

	"INSERT OR IGNORE INTO committed SELECT j.message, "
	"CAST(r.key AS INTEGER), 'recipient', r.value, j.seq "
	"FROM told j, json_each(j.detail, '$.recipient') r "
	"WHERE j.seq > ?1 AND j.event IN ('received', 'offered')",

	"INSERT OR IGNORE INTO delivery "
	"(message, n, state, attempts, updated_at) "
	"SELECT j.message, CAST(r.key AS INTEGER), 'waiting', 0, j.at "
	"FROM told j, json_each(j.detail, '$.recipient') r "
	"WHERE j.seq > ?1 AND j.event IN ('received', 'offered')",

	"INSERT OR IGNORE INTO suppressed SELECT seq, at, "
	"json_extract(detail, '$.reason'), json_extract(detail, '$.address'), "
	"json_extract(detail, '$.until') "
	"FROM told WHERE seq > ?1 AND event = 'suppressed'",

	"INSERT OR IGNORE INTO lifted SELECT p.value, j.at "
	"FROM told j, json_each(j.detail, '$.suppressed') p "
	"WHERE j.seq > ?1 AND j.event = 'unsuppressed'",

	"INSERT OR IGNORE INTO erasure SELECT coalesce(j.message, x''), "
	"json_extract(p.value, '$.n'), json_extract(p.value, '$.role'), "
	"j.seq, json_extract(p.value, '$.hidden') "
	"FROM told j, json_each(j.detail, '$.parties') p "
	"WHERE j.seq > ?1 AND j.event = 'erased'",

	/* Under a hidden name but without a salt it is no commitment's. */
	"INSERT INTO claimed SELECT e.message, e.n, e.role, e.seq, "
	"coalesce(commitment(s.salt, s.address), s.address) "
	"FROM other.erased e LEFT JOIN other.suppression s "
	"ON e.role = 'suppression' AND s.seq = e.n WHERE e.seq > ?2",

	"INSERT INTO ended SELECT s.seq, s.until FROM other.suppression s "
	"JOIN suppressed j ON j.seq = s.seq WHERE ?3 "
	"AND s.seq NOT IN (SELECT seq FROM lifted) "
	"AND s.until IS NOT j.until AND "
	VERIFY_SOMETHING_ELSE_ENDED("s.until"),

	"INSERT INTO seen SELECT message, max(seq) FROM told WHERE seq > ?1 "
	"AND message IS NOT NULL AND event <> 'erased' GROUP BY message "
	"ON CONFLICT DO UPDATE SET last = excluded.last",

	"INSERT INTO placed SELECT id, ?2 FROM other.message WHERE true "
	"ON CONFLICT DO UPDATE SET last = excluded.last",

	"INSERT OR IGNORE INTO unknown SELECT id FROM other.message "
	"WHERE id NOT " VERIFY_KNOWN,

	"INSERT OR IGNORE INTO reported SELECT message, n, " EVENT_KEY ", seq, "
	"json_extract(detail, '$.attempt'), "
	"json_extract(detail, '$.unmatched') FROM told "
	"WHERE seq > ?1 AND event = 'event' AND message IS NOT NULL",

	"INSERT INTO lone SELECT seq, json_extract(detail, '$.ses_id'), "
	EVENT_KEY " FROM told "
	"WHERE seq > ?1 AND event = 'event' AND message IS NULL",

	"DELETE FROM lone WHERE seq IN "
	"(SELECT json_extract(detail, '$.unmatched') FROM told "
	"WHERE seq > ?1 AND event = 'event' AND message IS NOT NULL)",
};
#define NTAKE (sizeof(take_text) / sizeof(*take_text))
static const struct db_sql take_sql = { DB_SLOT_SUPPRESSION, NTAKE, take_text };

enum { SQL_ROWS, SQL_SENDING, SQL_OUTCOME, SQL_FEEDBACK, SQL_SETTLED };
static const char *const build_text[] = {
	[SQL_ROWS] = "SELECT event, message, n, at, "
		     "coalesce(json_extract(detail, '$.attempt'), 0), "
		     "json_extract(detail, '$.code'), "
		     "json_extract(detail, '$.dsn'), "
		     "json_extract(detail, '$.reply'), "
		     "json_extract(detail, '$.ses_id'), "
		     "json_extract(detail, '$.feedback'), "
		     "json_extract(detail, '$.sent_at') FROM told "
		     "WHERE seq > ? AND n > 0 ORDER BY seq",
	[SQL_SENDING] = RECORD_SQL_SENDING,
	[SQL_OUTCOME] = RECORD_SQL_OUTCOME,
	[SQL_FEEDBACK] = RECORD_SQL_FEEDBACK,
	[SQL_SETTLED] = RECORD_SQL_SETTLED,
};
static const struct db_sql build_sql = { DB_SLOT_RECORD,
	sizeof(build_text) / sizeof(*build_text), build_text };

/* What each row does: a statement, and which columns of SQL_ROWS it binds. */
static const struct {
	const char *event;
	size_t which;
	int columns[9], ncolumns;
} steps[] = {
	{ "sending", SQL_SENDING, { 4, 3, 1, 2 }, 4 },
	{ "sent", SQL_OUTCOME, { 0, 5, 6, 7, 8, 3, 1, 2, 4 }, 9 },
	{ "deferred", SQL_OUTCOME, { 0, 5, 6, 7, 8, 3, 1, 2, 4 }, 9 },
	{ "refused", SQL_OUTCOME, { 0, 5, 6, 7, 8, 3, 1, 2, 4 }, 9 },
	{ "doubtful", SQL_OUTCOME, { 0, 5, 6, 7, 8, 3, 1, 2, 4 }, 9 },
	{ "event", SQL_FEEDBACK, { 9, 3, 1, 2 }, 4 },
	{ "settled", SQL_SETTLED, { 8, 10, 3, 1, 2 }, 5 },
};

static int
build_row(struct db *db, sqlite3_stmt *row, struct err *err)
{
	const char *event = db_text(row, 0);
	sqlite3_stmt *stmt;
	size_t i;

	for (i = 0; i < sizeof(steps) / sizeof(*steps); i++)
		if (event != NULL && strcmp(event, steps[i].event) == 0)
			break;
	if (i == sizeof(steps) / sizeof(*steps))
		return 0;
	stmt = db_stmt(db, &build_sql, steps[i].which);
	for (int k = 0; k < steps[i].ncolumns; k++)
		(void)sqlite3_bind_value(stmt, k + 1,
		    sqlite3_column_value(row, steps[i].columns[k]));
	return db_run(db, stmt, err);
}

static int
build_deliveries(struct db *db, int64_t bound, struct err *err)
{
	sqlite3_stmt *rows = db_stmt(db, &build_sql, SQL_ROWS);
	enum db_result result;

	db_bind_int(rows, 1, bound);
	while ((result = db_step(db, rows, err)) == DB_ROW)
		if (build_row(db, rows, err) == -1)
			break;
	db_reset(rows);
	return result == DB_DONE ? 0 : -1;
}

int
verify_gather_begin(struct db *db, struct err *err)
{
	return db_exec(db, work_tables, err);
}

int
verify_gather_part(
    struct db *db, const struct verify_span *span, struct err *err)
{
	if (db_prepare(db, &take_sql, err) == -1 ||
	    db_prepare(db, &build_sql, err) == -1)
		return -1;
	for (size_t i = 0; i < NTAKE; i++)
		if (db_run(db, verify_stmt(db, &take_sql, i, span), err) == -1)
			return -1;
	return build_deliveries(db, span->bound, err);
}
