/* SPDX-License-Identifier: BSD-2-Clause */
#include "config.h"

#include "store/verify_tables.h"

#include <stdlib.h>
#include <string.h>

#include "core/base64.h"
#include "store/chain.h"
#include "store/event.h"
#include "store/journal.h"
#include "store/verify_gather.h"

/*
 * Statements see the tables of the file that is attached, and those of
 * store/verify_gather.h. They are bound as verify_stmt does.
 */

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
	"feedback, sent_at, updated_at FROM other.delivery "
	"WHERE message " VERIFY_KNOWN " EXCEPT "
	"SELECT message, n, state, attempts, ses_id, code, dsn, reply, "
	"feedback, sent_at, updated_at FROM main.delivery)",

	"SELECT 0, 'delivery ' || uuid(message) || ' ' || n || "
	"' is missing' FROM ("
	"SELECT message, n FROM main.delivery WHERE message " VERIFY_KNOWN
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
	"WHERE m.id NOT " VERIFY_KNOWN
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
	"WHERE c.role IS NULL AND p.message " VERIFY_KNOWN,

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
	VERIFY_SOMETHING_ELSE_ENDED("s.until") " END THEN true "
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
	"SELECT * FROM other.event WHERE message " VERIFY_KNOWN " EXCEPT "
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
	"WHERE e.until IS NOT l.at AND " VERIFY_SOMETHING_ELSE_ENDED("e.until")

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

int
verify_tables_begin(struct db *db, struct err *err)
{
	add_functions(db);
	return verify_gather_begin(db, err);
}

int
verify_tables_part(struct db *db, const struct verify_span *span,
    verify_fault *fault, void *arg, struct err *err)
{
	if (verify_gather_part(db, span, err) == -1)
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
