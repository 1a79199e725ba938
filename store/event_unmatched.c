/* SPDX-License-Identifier: BSD-2-Clause */
#include "config.h"

#include "store/event_unmatched.h"

#include <string.h>

#include "core/mem.h"

enum { SQL_SEQ, SQL_ADD, SQL_DROP, SQL_GET };

#define SAID(name) "json_extract(j.detail, '$." name "')"
static const char *const sql_text[] = {
	[SQL_SEQ] = "SELECT seq FROM unmatched WHERE ses_id = ? AND key = ?",
	[SQL_ADD] = "INSERT INTO unmatched (ses_id, key, seq) VALUES (?, ?, ?)",
	[SQL_DROP] = "DELETE FROM unmatched WHERE ses_id = ? AND key = ?",
	[SQL_GET] =
	    "SELECT u.key, " SAID("type") ", " SAID("kind") ", "
	    SAID("subtype") ", " SAID("action") ", " SAID("feedback_id") ", "
	    SAID("dsn") ", " SAID("text") ", " SAID("time") ", "
	    SAID("accepted") " FROM unmatched u JOIN journal j ON j.seq = u.seq "
	    "WHERE u.ses_id = ? LIMIT 1",
};
const struct db_sql event_unmatched_sql = { DB_SLOT_UNMATCHED,
	sizeof(sql_text) / sizeof(*sql_text), sql_text };

int
event_unmatched_seq(struct db *db, const char *ses_id, int64_t key,
    int64_t *seq_r, struct err *err)
{
	sqlite3_stmt *stmt = db_stmt(db, &event_unmatched_sql, SQL_SEQ);
	enum db_result result;

	db_bind_text(stmt, 1, ses_id);
	db_bind_int(stmt, 2, key);
	result = db_step(db, stmt, err);
	*seq_r = result == DB_ROW ? db_int(stmt, 0) : 0;
	db_reset(stmt);
	return result == DB_ROW || result == DB_DONE ? 0 : -1;
}

int
event_unmatched_add(struct db *db, const char *ses_id, int64_t key,
    int64_t seq, struct err *err)
{
	sqlite3_stmt *stmt = db_stmt(db, &event_unmatched_sql, SQL_ADD);

	db_bind_text(stmt, 1, ses_id);
	db_bind_int(stmt, 2, key);
	db_bind_int(stmt, 3, seq);
	return db_run(db, stmt, err);
}

int
event_unmatched_drop(
    struct db *db, const char *ses_id, int64_t key, struct err *err)
{
	sqlite3_stmt *stmt = db_stmt(db, &event_unmatched_sql, SQL_DROP);

	db_bind_text(stmt, 1, ses_id);
	db_bind_int(stmt, 2, key);
	return db_run(db, stmt, err);
}

int
event_unmatched_get(struct db *db, const char *ses_id, struct event *e,
    int64_t *key_r, struct err *err)
{
	char **const texts[] = { &e->type, &e->kind, &e->subtype, &e->action,
		&e->feedback_id, &e->dsn, &e->text };
	sqlite3_stmt *stmt = db_stmt(db, &event_unmatched_sql, SQL_GET);
	enum db_result result;
	int column = 1;

	memset(e, 0, sizeof(*e));
	db_bind_text(stmt, 1, ses_id);
	result = db_step(db, stmt, err);
	if (result == DB_ROW) {
		*key_r = db_int(stmt, 0);
		for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++)
			*texts[i] = db_text_dup(stmt, column++);
		e->time = db_int(stmt, column++);
		e->accepted = db_int(stmt, column);
		e->ses_id = mem_strdup(ses_id);
	}
	db_reset(stmt);
	return result == DB_ROW ? 1 : result == DB_DONE ? 0 : -1;
}
