/* SPDX-License-Identifier: BSD-2-Clause */
#include "config.h"

#include "store/audit.h"

#include <stdlib.h>
#include <string.h>

#include "core/mem.h"
#include "store/db.h"
#include "store/search.h"
#include "store/seek.h"

/*
 * The journal has no index by message. The search database knows where a
 * message's rows are, up to where it was caught up; behind that, and where
 * there is none, the journal is read from the message's arrival on.
 */
enum {
	SQL_MESSAGE,
	SQL_PARTIES,
	SQL_DELIVERIES,
	SQL_ROW,
	SQL_ROWS_AFTER,
	SQL_BEFORE
};
static const char *const sql_text[] = {
	[SQL_MESSAGE] = "SELECT received_at, size, queue_ids, "
			"header_message_id, repairs FROM message WHERE id = ?",
	[SQL_PARTIES] = "SELECT role, n, value FROM party WHERE message = ? "
			"ORDER BY n, role",
	[SQL_DELIVERIES] = "SELECT n, attempts, code, state, ses_id, dsn, "
			   "reply, feedback, sent_at, updated_at "
			   "FROM delivery WHERE message = ? ORDER BY n",
	[SQL_ROW] = "SELECT seq, at, event, n, detail FROM journal "
		    "WHERE message = ?1 AND seq = ?2",
	[SQL_ROWS_AFTER] = "SELECT seq, at, event, n, detail FROM journal "
			   "WHERE message = ?1 AND seq > ?2 ORDER BY seq",
	[SQL_BEFORE] = SEEK_HALF "SELECT max(lo) - 1 FROM half",
};
static const struct db_sql sql = { DB_SLOT_OTHER,
	sizeof(sql_text) / sizeof(*sql_text), sql_text };

struct audit {
	struct db *db;
	struct search *search; /* NULL: there is none */
};

struct audit *
audit_open(const char *journal_path, struct err *err)
{
	struct audit *a = mem_new(sizeof(*a));
	struct err ignored;

	a->db = db_open_journal(journal_path, err);
	if (a->db == NULL || db_prepare(a->db, &sql, err) == -1) {
		audit_close(a);
		return NULL;
	}
	a->search = search_open(journal_path, &ignored);
	return a;
}

void
audit_close(struct audit *a)
{
	if (a == NULL)
		return;
	search_close(a->search);
	db_close(a->db);
	free(a);
}

int
audit_find(struct audit *a, const char *name, struct uuid *ids, size_t max,
    struct err *err)
{
	if (uuid_parse(name, &ids[0]) == 0)
		return 1;
	if (a->search == NULL)
		return err_set(err, ERR_STATE,
		    "%s is no message id of Postern's, and there is no search "
		    "database to find other names in",
		    name);
	return search_messages(a->search, name, ids, max, err);
}

static sqlite3_stmt *
about(struct audit *a, size_t which, const struct uuid *id)
{
	sqlite3_stmt *stmt = db_stmt(a->db, &sql, which);

	db_bind_blob(stmt, 1, id->bytes, UUID_LEN);
	return stmt;
}

static int
tell_message(struct audit *a, const struct uuid *id,
    const struct audit_listener *l, int64_t *received_r, struct err *err)
{
	sqlite3_stmt *stmt = about(a, SQL_MESSAGE, id);
	struct audit_message m = { .id = *id };
	enum db_result result;

	result = db_step(a->db, stmt, err);
	if (result == DB_ROW) {
		m.received_at = *received_r = db_int(stmt, 0);
		m.size = db_int(stmt, 1);
		m.queue_ids = db_text(stmt, 2);
		m.message_id = db_text(stmt, 3);
		m.repairs = db_text(stmt, 4);
		l->message(l->arg, &m);
	}
	db_reset(stmt);
	return result == DB_ROW ? 1 : result == DB_DONE ? 0 : -1;
}

static int
tell_parties(struct audit *a, const struct uuid *id,
    const struct audit_listener *l, struct err *err)
{
	sqlite3_stmt *stmt = about(a, SQL_PARTIES, id);
	struct audit_party p;
	enum db_result result;

	while ((result = db_step(a->db, stmt, err)) == DB_ROW) {
		p.role = db_text(stmt, 0);
		p.n = (unsigned)db_int(stmt, 1);
		p.value = db_text(stmt, 2);
		l->party(l->arg, &p);
	}
	db_reset(stmt);
	return result == DB_DONE ? 0 : -1;
}

static int
tell_deliveries(struct audit *a, const struct uuid *id,
    const struct audit_listener *l, struct err *err)
{
	sqlite3_stmt *stmt = about(a, SQL_DELIVERIES, id);
	struct audit_delivery d;
	enum db_result result;

	while ((result = db_step(a->db, stmt, err)) == DB_ROW) {
		d.n = (unsigned)db_int(stmt, 0);
		d.attempts = (unsigned)db_int(stmt, 1);
		d.code = (unsigned)db_int(stmt, 2);
		d.state = db_text(stmt, 3);
		d.ses_id = db_text(stmt, 4);
		d.dsn = db_text(stmt, 5);
		d.reply = db_text(stmt, 6);
		d.feedback = db_text(stmt, 7);
		d.sent_at = db_int(stmt, 8);
		d.updated_at = db_int(stmt, 9);
		l->delivery(l->arg, &d);
	}
	db_reset(stmt);
	return result == DB_DONE ? 0 : -1;
}

/* Step through rows until there is no more. */
static int
tell_rows(struct audit *a, sqlite3_stmt *stmt, const struct audit_listener *l,
    struct err *err)
{
	struct audit_row r;
	enum db_result result;

	while ((result = db_step(a->db, stmt, err)) == DB_ROW) {
		r.seq = db_int(stmt, 0);
		r.at = db_int(stmt, 1);
		r.event = db_text(stmt, 2);
		r.n = (unsigned)db_int(stmt, 3);
		r.detail = db_text(stmt, 4);
		l->row(l->arg, &r);
	}
	db_reset(stmt);
	return result == DB_DONE ? 0 : -1;
}

struct trail {
	struct audit *a;
	const struct uuid *id;
	const struct audit_listener *l;
	struct err *err;
	int rc;
};

static int
tell_known_row(void *arg, int64_t seq)
{
	struct trail *t = arg;
	sqlite3_stmt *stmt = about(t->a, SQL_ROW, t->id);

	db_bind_int(stmt, 2, seq);
	t->rc = tell_rows(t->a, stmt, t->l, t->err);
	return t->rc;
}

/* The last seq before anything that happened at this time. */
static int
seq_before(struct audit *a, int64_t at, int64_t *seq_r, struct err *err)
{
	sqlite3_stmt *stmt = db_stmt(a->db, &sql, SQL_BEFORE);

	db_bind_int(stmt, 1, at);
	return db_step_int(a->db, stmt, seq_r, err) == DB_ROW ? 0 : -1;
}

static int
tell_journal(struct audit *a, const struct uuid *id, int64_t received_at,
    const struct audit_listener *l, struct err *err)
{
	struct trail t = { .a = a, .id = id, .l = l, .err = err };
	int64_t up_to = 0, before;
	sqlite3_stmt *stmt;

	if (seq_before(a, received_at, &before, err) == -1)
		return -1;
	if (a->search != NULL &&
	    (search_trail(a->search, id, tell_known_row, &t, &up_to, err) ==
		    -1 ||
		t.rc == -1))
		return -1;
	stmt = about(a, SQL_ROWS_AFTER, id);
	db_bind_int(stmt, 2, up_to > before ? up_to : before);
	return tell_rows(a, stmt, l, err);
}

int
audit_tell(struct audit *a, const struct uuid *id,
    const struct audit_listener *l, struct err *err)
{
	int64_t received_at = 0;
	int rc;

	rc = tell_message(a, id, l, &received_at, err);
	if (rc != 1)
		return rc;
	if (tell_parties(a, id, l, err) == -1 ||
	    tell_deliveries(a, id, l, err) == -1 ||
	    tell_journal(a, id, received_at, l, err) == -1)
		return -1;
	return 1;
}
