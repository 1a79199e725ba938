/*
 * record_sql: what a row of the journal does to delivery.
 *
 * record applies it as rows are written, verify does it again from the journal
 * alone, into a temporary table of the same name, and compares.
 */
#ifndef STORE_RECORD_SQL_H
#define STORE_RECORD_SQL_H

/* message, n, at */
#define RECORD_SQL_ADD_DELIVERY                                          \
	"INSERT INTO delivery (message, n, state, attempts, updated_at) " \
	"VALUES (?, ?, 'waiting', 0, ?)"

/* attempt, at, message, n */
#define RECORD_SQL_SENDING                                          \
	"UPDATE delivery SET state = 'sending', attempts = ?, "     \
	"updated_at = ? WHERE message = ? AND n = ?"

/* state, code, dsn, reply, ses_id, at, message, n, attempt */
#define RECORD_SQL_OUTCOME                                               \
	"UPDATE delivery SET state = ?1, code = ?2, dsn = ?3, reply = ?4, " \
	"ses_id = coalesce(?5, ses_id), "                                \
	"sent_at = CASE ?1 WHEN 'sent' THEN ?6 ELSE sent_at END, "       \
	"updated_at = ?6 WHERE message = ?7 AND n = ?8 AND CASE ?9 "     \
	"WHEN 0 THEN state IN ('waiting', 'deferred', 'refused') "       \
	"ELSE state <> 'sent' OR ?1 = 'sent' END"

/* feedback, at, message, n. The gravest stands, in whatever order they come. */
#define RECORD_FEEDBACK_RANKS "'delayed delivered rejected bounced complained'"
#define RECORD_SQL_FEEDBACK                                              \
	"UPDATE delivery SET feedback = ?1, updated_at = ?2 "            \
	"WHERE message = ?3 AND n = ?4 AND "                             \
	"instr(" RECORD_FEEDBACK_RANKS ", coalesce(feedback, '.')) < "   \
	"instr(" RECORD_FEEDBACK_RANKS ", ?1)"

/* ses_id, sent_at, at, message, n */
#define RECORD_SQL_SETTLED                                               \
	"UPDATE delivery SET state = 'sent', ses_id = ?1, sent_at = ?2, " \
	"updated_at = ?3 WHERE message = ?4 AND n = ?5"

#endif
