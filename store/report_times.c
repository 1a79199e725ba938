/* SPDX-License-Identifier: BSD-2-Clause */
#include "config.h"

#include "store/report_times.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "core/clock.h"
#include "core/json.h"
#include "core/mem.h"
#include "store/db.h"
#include "store/seek.h"

/*
 * A dot and its answer are seconds apart, and posternd has at most some hundred
 * dots out, so they are remembered in a table in which a newcomer takes the
 * place of whoever stands there: a dot without an answer needs no clearing
 * away, and once in a great while one delivery's time is not counted.
 */
#define PLACES ((size_t)1 << 16)

#define TEXT_MAX_BYTES ((size_t)64 * 1024)

struct dot {
	struct uuid message;
	int64_t n, at;
};

struct times {
	struct report *report;
	struct dot *dots;
	struct buf value;
};

enum { J_ROWS, J_ENDS, J_HEAD };
static const char *const sql_text[] = {
	[J_ROWS] =
	    SEEK_HALF
	    "SELECT at, event, message, n, detail FROM journal "
	    "WHERE seq >= (SELECT max(lo) FROM half) ORDER BY seq",
	[J_ENDS] = "SELECT coalesce(min(seq), 0) FROM journal",
	[J_HEAD] = "SELECT seq, chain FROM journal ORDER BY seq DESC LIMIT 1",
};
static const struct db_sql sql = { DB_SLOT_OTHER,
	sizeof(sql_text) / sizeof(*sql_text), sql_text };

static struct dot *
dot_of(const struct times *t, const struct uuid *message, int64_t n)
{
	uint64_t h = 14695981039346656037u; /* FNV-1a */

	for (size_t i = 0; i < UUID_LEN; i++)
		h = (h ^ message->bytes[i]) * 1099511628211u;
	h = (h ^ (uint64_t)n) * 1099511628211u;
	return &t->dots[(size_t)(h ^ h >> 32) & (PLACES - 1)];
}

static bool
is_first_attempt(const char *detail)
{
	static const char start[] = "{\"attempt\":1";

	return strncmp(detail, start, sizeof(start) - 1) == 0 &&
	       (detail[sizeof(start) - 1] == ',' ||
		   detail[sizeof(start) - 1] == '}');
}

static void
take_dot(struct times *t, const struct uuid *message, int64_t n, int64_t at,
    const char *detail)
{
	struct dot *dot = dot_of(t, message, n);

	if (is_first_attempt(detail))
		histogram_add(
		    &t->report->phase[REPORT_TURN], at - uuid_time_us(message));
	dot->message = *message;
	dot->n = n;
	dot->at = at;
}

static void
take_answer(struct times *t, const struct uuid *message, int64_t n, int64_t at)
{
	struct dot *dot = dot_of(t, message, n);

	if (dot->n == n &&
	    memcmp(&dot->message, message, sizeof(*message)) == 0)
		histogram_add(&t->report->phase[REPORT_ANSWER], at - dot->at);
}

/* Both times are of SES's clock. */
static void
take_report(struct times *t, const char *detail)
{
	int64_t accepted, delivered;
	struct err err;

	if (json_get_string(detail, "type", &t->value, &err) == 1 &&
	    strcmp(t->value.data, "Delivery") == 0 &&
	    json_get_int(detail, "accepted", &accepted, &err) == 1 &&
	    json_get_int(detail, "time", &delivered, &err) == 1)
		histogram_add(
		    &t->report->phase[REPORT_DELIVERED], delivered - accepted);
}

static void
take_row(struct times *t, sqlite3_stmt *row)
{
	const char *event = db_text(row, 1);
	struct uuid message;
	const void *id;
	size_t len;

	t->report->rows++;
	id = db_blob(row, 2, &len);
	if (len != UUID_LEN)
		return;
	memcpy(message.bytes, id, UUID_LEN);
	if (strcmp(event, "sending") == 0)
		take_dot(t, &message, db_int(row, 3), db_int(row, 0),
		    db_text(row, 4));
	else if (strcmp(event, "sent") == 0)
		take_answer(t, &message, db_int(row, 3), db_int(row, 0));
	else if (strcmp(event, "event") == 0)
		take_report(t, db_text(row, 4));
}

static int
read_rows(struct db *db, struct times *t, struct err *err)
{
	sqlite3_stmt *rows = db_stmt(db, &sql, J_ROWS);
	enum db_result result;

	db_bind_int(rows, 1, t->report->since_us);
	while ((result = db_step(db, rows, err)) == DB_ROW &&
	       db_int(rows, 0) < t->report->until_us)
		take_row(t, rows);
	db_reset(rows);
	return result == DB_ROW || result == DB_DONE ? 0 : -1;
}

static int
read_ends(struct db *db, struct report *r, struct err *err)
{
	sqlite3_stmt *stmt = db_stmt(db, &sql, J_ENDS);
	enum db_result result;
	const void *chain;
	size_t len;

	if (db_step(db, stmt, err) != DB_ROW)
		return -1;
	r->first_seq = db_int(stmt, 0);
	db_reset(stmt);
	stmt = db_stmt(db, &sql, J_HEAD);
	result = db_step(db, stmt, err);
	if (result == DB_ROW) {
		r->head_seq = db_int(stmt, 0);
		chain = db_blob(stmt, 1, &len);
		if (len == CHAIN_LEN)
			memcpy(r->head, chain, CHAIN_LEN);
	}
	db_reset(stmt);
	return result == DB_ROW || result == DB_DONE ? 0 : -1;
}

int
report_times(const char *journal_path, struct report *r, struct err *err)
{
	struct times t = { .report = r };
	struct db *db = db_open_journal(journal_path, err);
	int rc = -1;

	t.dots = mem_array(PLACES, sizeof(*t.dots));
	buf_init(&t.value, TEXT_MAX_BYTES);
	if (db != NULL && db_prepare(db, &sql, err) == 0 &&
	    read_ends(db, r, err) == 0)
		rc = read_rows(db, &t, err);
	buf_free(&t.value);
	free(t.dots);
	db_close(db);
	return rc;
}
