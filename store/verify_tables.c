/* SPDX-License-Identifier: BSD-2-Clause */
#include "config.h"

#include "store/verify_tables.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base64.h"
#include "store/chain.h"
#include "store/event.h"
#include "store/journal.h"
#include "store/record_sql.h"

/*
 * The scratch database has tables of its own, which SQLite finds before those
 * of the file that is attached as `other`:
 *
 *	delivery	built again from the journal, by the statements that
 *			built the real one
 *	introduced	messages, as their `received` rows have them
 *	committed	the commitments to parties
 *	seen		messages that rows are about, with the last of these
 *	placed		messages that some file has, with the end of the last
 *			that does
 *	unknown		messages that some file has, of which no row tells
 *	suppressed	suppressions, as the journal has them
 *	lifted		those that were, and when
 *	ended		until when an archive has one that no row up to its end
 *			has ended then
 *	erasure		what rows `erased` name; role `suppression`, with the
 *			seq as n, for one of those, and what was committed to
 *			if it stays in force under a hidden name
 *	claimed		what an archive says was erased later than its end, and
 *			the commitment to what a suppression is hidden under
 *	reported	events that belong to a delivery; again: the seq that
 *			they had as one that did not
 *	lone		those that do not, and did not later either
 *	start		when the first row of all was written, -1 for row 1, and
 *			its seq
 *	told		the rows of the file; of one that is damaged, that it is
 *			there
 *
 * A message lies with its last row, so what a file has is compared as things
 * stood at its end. A message that was introduced before the first row looked
 * at can't be: it is left alone. Where the last file is an archive, a message
 * that it does not have may have a row in a later one, and lie there: such are
 * counted.
 */
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

#define KNOWN "IN (SELECT message FROM introduced)"

/* Its end may also be that of another one of the address. */
#define SOMETHING_ELSE_ENDED(until) \
	"coalesce(" until " NOT IN (SELECT at FROM suppressed), true)"

/*
 * All are bound, and those below: ?1 bound, ?2 last_seq, ?3 whether it is an
 * archive.
 */
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
	"AND s.until IS NOT j.until AND " SOMETHING_ELSE_ENDED("s.until"),

	"INSERT INTO seen SELECT message, max(seq) FROM told WHERE seq > ?1 "
	"AND message IS NOT NULL AND event <> 'erased' GROUP BY message "
	"ON CONFLICT DO UPDATE SET last = excluded.last",

	"INSERT INTO placed SELECT id, ?2 FROM other.message WHERE true "
	"ON CONFLICT DO UPDATE SET last = excluded.last",

	"INSERT OR IGNORE INTO unknown SELECT id FROM other.message "
	"WHERE id NOT " KNOWN,

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

/* What was erased in this file says so there. */
#define ERASED(id, number, what)                                            \
	"EXISTS (SELECT 1 FROM other.erased e WHERE e.message = " id        \
	" AND e.n = " number " AND e.role = " what ")"

#define IN_ARCHIVE "?3"

/* They are of use only to who writes. */
#define FILLED_IN_ARCHIVE(table)                                           \
	"SELECT 0, 'an archive has no rows in table " table ", and there " \
	"are' FROM (SELECT 1 FROM other." table " WHERE " IN_ARCHIVE " LIMIT 1)"

/* Each row is a fault: seq, words. */
static const char *const compare_text[] = {
	"SELECT 0, 'delivery ' || uuid(message) || ' ' || n || "
	"' is not what the journal says' FROM ("
	"SELECT message, n, state, attempts, ses_id, code, dsn, reply, "
	"feedback, sent_at, updated_at FROM other.delivery WHERE message " KNOWN " EXCEPT "
	"SELECT message, n, state, attempts, ses_id, code, dsn, reply, "
	"feedback, sent_at, updated_at FROM main.delivery)",

	"SELECT 0, 'delivery ' || uuid(message) || ' ' || n || "
	"' is missing' FROM ("
	"SELECT message, n FROM main.delivery WHERE message " KNOWN
	" AND message IN (SELECT id FROM other.message) EXCEPT "
	"SELECT message, n FROM other.delivery)",

	"SELECT i.seq, 'message ' || uuid(m.id) || "
	"' is not what the journal says' "
	"FROM other.message m JOIN introduced i ON i.message = m.id "
	"WHERE m.received_at IS NOT i.at "
	"OR base64(m.digest) IS NOT i.digest OR m.size IS NOT i.size "
	"OR m.queue_ids IS NOT i.queue_ids OR m.repairs IS NOT i.repairs "
	"OR (commitment(m.salt, m.header_message_id) IS NOT i.message_id "
	"AND NOT (m.header_message_id IS NULL AND m.salt IS NULL AND "
	ERASED("m.id", "0", "'message_id'") "))",

	"SELECT 0, 'message ' || uuid(m.id) || "
	"' was never introduced by the journal' FROM other.message m "
	"WHERE m.id NOT " KNOWN
	" AND m.received_at >= (SELECT at FROM start)",

	"SELECT c.seq, c.role || ' ' || c.n || ' of message ' || "
	"uuid(c.message) || ' is not who the journal committed to' "
	"FROM committed c JOIN other.message m ON m.id = c.message "
	"LEFT JOIN other.party p "
	"ON p.message = c.message AND p.n = c.n AND p.role = c.role "
	"WHERE CASE WHEN p.role IS NULL THEN true "
	"WHEN p.value IS NULL THEN p.salt IS NOT NULL OR NOT "
	ERASED("c.message", "c.n", "c.role") " "
	"ELSE commitment(p.salt, p.value) IS NOT c.commitment END",

	"SELECT 0, p.role || ' ' || p.n || ' of message ' || "
	"uuid(p.message) || ' was never introduced by the journal' "
	"FROM other.party p LEFT JOIN committed c "
	"ON c.message = p.message AND c.n = p.n AND c.role = p.role "
	"WHERE c.role IS NULL AND p.message " KNOWN,

	"SELECT 0, 'there is no message ' || uuid(message) || "
	"', but what belongs to one' FROM ("
	"SELECT message FROM other.party UNION SELECT message "
	"FROM other.delivery UNION SELECT message FROM other.event "
	"UNION SELECT message FROM other.erased "
	"WHERE role <> 'suppression') "
	"WHERE message NOT IN (SELECT id FROM other.message)",

	/* An archive has them as they were when it was made: see ended. */
	"SELECT j.seq, 'the suppression of row ' || j.seq || "
	"' is not what the journal says' "
	"FROM suppressed j LEFT JOIN other.suppression s ON s.seq = j.seq "
	"LEFT JOIN lifted l ON l.seq = j.seq "
	"WHERE CASE WHEN s.seq IS NULL THEN j.seq > ?1 "
	"WHEN s.since IS NOT j.at OR s.reason IS NOT j.reason THEN true "
	"WHEN CASE WHEN l.seq IS NOT NULL THEN s.until IS NOT l.at "
	"WHEN " IN_ARCHIVE " THEN false ELSE s.until IS NOT j.until AND "
	SOMETHING_ELSE_ENDED("s.until") " END THEN true "
	"WHEN s.address IS NULL THEN s.salt IS NOT NULL OR NOT "
	ERASED("x''", "j.seq", "'suppression'") " "
	"WHEN s.address LIKE 'hmac:%' THEN NOT "
	ERASED("x''", "j.seq", "'suppression'") " "
	"ELSE commitment(s.salt, s.address) IS NOT j.address END",

	/* Those in archives need not stay in force. */
	"SELECT s.seq, 'the suppression of row ' || s.seq || "
	"' is not what row ' || e.seq || ' has made of it' "
	"FROM other.suppression s JOIN erasure e ON e.message = x'' "
	"AND e.n = s.seq AND e.role = 'suppression' "
	"WHERE e.seq = (SELECT max(seq) FROM erasure WHERE message = x'' "
	"AND n = s.seq AND role = 'suppression') "
	"AND CASE WHEN s.address IS NULL "
	"THEN e.hidden IS NOT NULL AND NOT " IN_ARCHIVE " "
	"ELSE commitment(s.salt, s.address) IS NOT e.hidden END",

	"SELECT s.seq, 'the suppression of row ' || s.seq || "
	"' was never journalled' FROM other.suppression s "
	"LEFT JOIN suppressed j ON j.seq = s.seq WHERE j.seq IS NULL "
	"AND (s.seq > ?1 OR s.since >= (SELECT at FROM start))",

	"SELECT e.seq, 'no row says that ' || e.role || ' ' || e.n || "
	"' of message ' || uuid(e.message) || ' was erased' "
	"FROM other.erased e LEFT JOIN erasure j ON j.message = e.message "
	"AND j.n = e.n AND j.role = e.role AND j.seq = e.seq "
	"WHERE j.role IS NULL AND e.seq <= ?2 "
	"AND (e.seq > ?1 OR (SELECT at FROM start) = -1)",

	FILLED_IN_ARCHIVE("event"), FILLED_IN_ARCHIVE("unmatched"),
	FILLED_IN_ARCHIVE("digest"),

	"SELECT e.seq, 'the event of row ' || e.seq || "
	"' is not what the journal says' FROM ("
	"SELECT * FROM other.event WHERE message " KNOWN " EXCEPT "
	"SELECT message, n, key, seq, attempt FROM reported) e",

	/* One that came again may be there as it was before all that is known. */
	"SELECT r.seq, 'the event of row ' || r.seq || ' is missing' "
	"FROM reported r LEFT JOIN other.event e ON e.message = r.message "
	"AND e.n = r.n AND e.key = r.key "
	"WHERE r.message IN (SELECT id FROM other.message) "
	"AND NOT " IN_ARCHIVE " AND (e.seq IS NOT r.seq "
	"OR e.attempt IS NOT r.attempt) AND NOT coalesce("
	"r.again IS NOT NULL AND e.seq < (SELECT seq FROM start), false)",

	"SELECT u.seq, 'the unmatched event of row ' || u.seq || "
	"' is not what the journal says' FROM other.unmatched u "
	"LEFT JOIN lone l ON l.seq = u.seq AND l.ses_id IS u.ses_id "
	"AND l.key IS u.key WHERE l.seq IS NULL "
	"AND (u.seq > ?1 OR (SELECT at FROM start) = -1)",

	"SELECT l.seq, 'the unmatched event of row ' || l.seq || "
	"' is missing' FROM lone l WHERE l.seq > ?1 AND NOT " IN_ARCHIVE
	" AND l.seq NOT IN (SELECT seq FROM other.unmatched)",
};
static const struct db_sql compare_sql = { DB_SLOT_PRUNE,
	sizeof(compare_text) / sizeof(*compare_text), compare_text };

#define NOT_PLACED                                                \
	"FROM seen s LEFT JOIN placed p ON p.message = s.message " \
	"WHERE (p.message IS NULL OR p.last < s.last)"

#define NOT_ENDED                                                      \
	"FROM ended e LEFT JOIN lifted l ON l.seq = e.seq "             \
	"WHERE e.until IS NOT l.at AND " SOMETHING_ELSE_ENDED("e.until")

/* Of an archive's end, what rows after it can't tell otherwise. */
#define DECIDED(seq) "(NOT ?3 OR " seq " <= ?2)"

static const char *const end_text[] = {
	"SELECT s.last, 'message ' || uuid(s.message) || ' is missing' "
	NOT_PLACED " AND NOT ?3",

	"SELECT e.seq, 'the suppression of row ' || e.seq || "
	"' ends in an archive when no row says' " NOT_ENDED " AND NOT ?3",

	"SELECT c.seq, 'no row says that ' || c.role || ' ' || c.n || "
	"' of message ' || uuid(c.message) || ' was erased' "
	"FROM claimed c LEFT JOIN erasure j ON j.message = c.message "
	"AND j.n = c.n AND j.role = c.role AND j.seq = c.seq "
	"WHERE j.role IS NULL AND " DECIDED("c.seq"),

	"SELECT c.seq, 'the suppression of row ' || c.n || "
	"' is not what row ' || c.seq || ' has made of it' "
	"FROM claimed c JOIN erasure j ON j.message = c.message "
	"AND j.n = c.n AND j.role = c.role AND j.seq = c.seq "
	"WHERE c.hidden IS NOT NULL AND c.hidden IS NOT j.hidden",
};
static const struct db_sql end_sql = { DB_SLOT_PRUNE,
	sizeof(end_text) / sizeof(*end_text), end_text };

/* Messages, and what else, that files decide about which are not there. */
static const char *const open_text[] = {
	"SELECT (SELECT count(*) " NOT_PLACED " AND ?3) + "
	"(SELECT count(*) FROM unknown), "
	"(SELECT count(*) FROM claimed WHERE NOT " DECIDED("seq") ") + "
	"(SELECT count(*) " NOT_ENDED " AND ?3)",
};
static const struct db_sql open_sql = { DB_SLOT_PRUNE, 1, open_text };

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
sql_event_key(sqlite3_context *ctx, int argc, sqlite3_value **argv)
{
	const char *type = (const char *)sqlite3_value_text(argv[0]);
	const char *ses_id = (const char *)sqlite3_value_text(argv[1]);
	const char *feedback_id = (const char *)sqlite3_value_text(argv[2]);

	(void)argc;
	if (type != NULL && ses_id != NULL)
		sqlite3_result_int64(ctx, event_key(type, ses_id, feedback_id,
					      sqlite3_value_int64(argv[3])));
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
	(void)sqlite3_create_function(db_handle(db), "event_key", 4, flags,
	    NULL, sql_event_key, NULL, NULL);
}

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

/* What the rows of this file add to what is known. */
static int
take(struct db *db, const struct verify_span *span, struct err *err)
{
	if (db_prepare(db, &take_sql, err) == -1 ||
	    db_prepare(db, &build_sql, err) == -1)
		return -1;
	for (size_t i = 0; i < NTAKE; i++)
		if (db_run(db, verify_stmt(db, &take_sql, i, span), err) == -1)
			return -1;
	return build_deliveries(db, span->bound, err);
}

int
verify_tables_begin(struct db *db, struct err *err)
{
	add_functions(db);
	return db_exec(db, work_tables, err);
}

int
verify_tables_part(struct db *db, const struct verify_span *span,
    verify_fault *fault, void *arg, struct err *err)
{
	if (take(db, span, err) == -1)
		return -1;
	return verify_compare(db, &compare_sql, span, fault, arg, err);
}

static int
count_open(struct db *db, const struct verify_span *span,
    struct verify_open *open_r, struct err *err)
{
	enum db_result result;
	sqlite3_stmt *stmt;

	if (db_prepare(db, &open_sql, err) == -1)
		return -1;
	stmt = verify_stmt(db, &open_sql, 0, span);
	result = db_step(db, stmt, err);
	if (result == DB_ROW) {
		open_r->messages = db_int(stmt, 0);
		open_r->others = db_int(stmt, 1);
	}
	db_reset(stmt);
	return result == DB_ROW ? 0 : -1;
}

int
verify_tables_end(struct db *db, const struct verify_span *span,
    struct verify_open *open_r, verify_fault *fault, void *arg,
    struct err *err)
{
	return verify_compare(db, &end_sql, span, fault, arg, err) == 0
	    ? count_open(db, span, open_r, err)
	    : -1;
}
