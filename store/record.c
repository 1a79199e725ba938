/* SPDX-License-Identifier: BSD-2-Clause */
#include "config.h"

#include "store/record.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/json.h"
#include "store/db.h"
#include "store/record/parts.h"
#include "store/record_sql.h"
#include "store/record_text.h"
#include "store/settle.h"

/*
 * Every op writes its row of the journal and what that row means for message,
 * party and delivery in one savepoint, so that the projections never say what
 * the journal does not.
 *
 * What SES may have is never forgotten: an outcome without a dot of its own
 * does not touch a delivery that is sent, doubtful or sending, and nothing
 * but `sent` follows `sent`.
 */

enum { SQL_SENDING, SQL_OUTCOME };
static const char *const sql_text[] = {
	[SQL_SENDING] = RECORD_SQL_SENDING,
	[SQL_OUTCOME] = RECORD_SQL_OUTCOME,
};
const struct db_sql record_sql = { DB_SLOT_RECORD,
	sizeof(sql_text) / sizeof(*sql_text), sql_text };

static const char *const state_names[] = {
	[RECORD_WAITING] = "waiting",
	[RECORD_SENDING] = "sending",
	[RECORD_SENT] = "sent",
	[RECORD_DEFERRED] = "deferred",
	[RECORD_REFUSED] = "refused",
	[RECORD_DOUBTFUL] = "doubtful",
};

const char *
record_state_name(enum record_state state)
{
	return state_names[state];
}

enum record_state
record_state_from(const char *name)
{
	for (size_t i = 0; i < sizeof(state_names) / sizeof(*state_names); i++)
		if (name != NULL && strcmp(name, state_names[i]) == 0)
			return (enum record_state)i;
	return RECORD_DOUBTFUL;
}

static void
outcome_detail(
    struct buf *detail, const struct record_outcome *o, const char *reply)
{
	json_open(detail, '{');
	if (o->attempt > 0)
		json_add_int(detail, "attempt", o->attempt);
	json_add_string(detail, "ses_id", o->ses_id);
	if (o->code > 0)
		json_add_int(detail, "code", o->code);
	json_add_string(detail, "dsn", o->dsn);
	json_add_string(detail, "reply", reply);
	/*
	 * All of an account's endpoints lie in one region, and the SES id says
	 * the rest.
	 */
	if (o->state != RECORD_SENT)
		json_add_string(detail, "endpoint", o->endpoint);
	json_close(detail, '}');
}

static int
update_outcome(struct journal_tx *tx, const struct uuid *id, unsigned n,
    const struct record_outcome *o, const char *reply, struct err *err)
{
	struct db *db = journal_tx_db(tx);
	sqlite3_stmt *stmt = db_stmt(db, &record_sql, SQL_OUTCOME);

	db_bind_text(stmt, 1, record_state_name(o->state));
	if (o->code > 0)
		db_bind_int(stmt, 2, o->code);
	db_bind_text(stmt, 3, o->dsn);
	db_bind_text(stmt, 4, reply);
	db_bind_text(stmt, 5, o->ses_id);
	db_bind_int(stmt, 6, journal_tx_at(tx));
	db_bind_blob(stmt, 7, id->bytes, UUID_LEN);
	db_bind_int(stmt, 8, n);
	db_bind_int(stmt, 9, o->attempt);
	return db_run(db, stmt, err);
}

int
record_append_outcome(struct journal_tx *tx, const struct uuid *id, unsigned n,
    const struct record_outcome *o, struct err *err)
{
	struct buf detail;
	char *reply;
	int rc;

	if (record_storable_of(
		tx, id, n, o->reply, o->ses_id, &reply, err) == -1)
		return -1;
	buf_init(&detail, RECORD_DETAIL_MAX_BYTES);
	outcome_detail(&detail, o, reply);
	rc = journal_append(tx, record_state_name(o->state), id, n, detail.data,
	    NULL, err);
	if (rc == 0)
		rc = update_outcome(tx, id, n, o, reply, err);
	/* What SES has reported may have come before its reply, or without. */
	if (rc == 0 && o->attempt > 0 && o->state != RECORD_SENT)
		rc = settle_delivery(tx, id, n, NULL, err);
	buf_free(&detail);
	free(reply);
	return rc;
}

struct sending {
	const struct uuid *id;
	unsigned n, attempt;
	bool counts;
};

static int
sending_op(struct journal_tx *tx, void *arg, struct err *err)
{
	const struct sending *s = arg;
	struct db *db = journal_tx_db(tx);
	sqlite3_stmt *stmt;
	char detail[64];

	(void)snprintf(detail, sizeof(detail), "{\"attempt\":%u%s}", s->attempt,
	    s->counts ? "" : ",\"counts\":0");
	if (journal_append(
		tx, "sending", s->id, s->n, detail, NULL, err) == -1)
		return -1;
	stmt = db_stmt(db, &record_sql, SQL_SENDING);
	db_bind_int(stmt, 1, s->attempt);
	db_bind_int(stmt, 2, journal_tx_at(tx));
	db_bind_blob(stmt, 3, s->id->bytes, UUID_LEN);
	db_bind_int(stmt, 4, s->n);
	return db_run(db, stmt, err);
}

int
record_sending(struct journal *j, const struct uuid *id, unsigned n,
    unsigned attempt, bool counts, int64_t deadline_us, struct err *err)
{
	struct sending s = { id, n, attempt, counts };

	return journal_do(j, sending_op, &s, deadline_us, err);
}

struct outcomes {
	const struct uuid *id;
	const unsigned *n;
	const struct record_outcome *o;
	size_t count;
};

static int
outcomes_op(struct journal_tx *tx, void *arg, struct err *err)
{
	const struct outcomes *v = arg;

	for (size_t i = 0; i < v->count; i++)
		if (record_append_outcome(
			tx, v->id, v->n[i], &v->o[i], err) == -1)
			return -1;
	return 0;
}

int
record_outcomes(struct journal *j, const struct uuid *id, const unsigned *n,
    const struct record_outcome *o, size_t count, int64_t deadline_us,
    struct err *err)
{
	struct outcomes v = { id, n, o, count };

	return journal_do(j, outcomes_op, &v, deadline_us, err);
}

int
record_outcome(struct journal *j, const struct uuid *id, unsigned n,
    const struct record_outcome *o, int64_t deadline_us, struct err *err)
{
	return record_outcomes(j, id, &n, o, 1, deadline_us, err);
}
