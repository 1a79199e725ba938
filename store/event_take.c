/* SPDX-License-Identifier: BSD-2-Clause */
#include "config.h"

#include "store/event_take.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "core/clock.h"
#include "core/json.h"
#include "core/mem.h"
#include "store/db.h"
#include "store/event_find.h"
#include "store/event_suppress.h"
#include "store/event_unmatched.h"
#include "store/record_sql.h"
#include "store/record_text.h"
#include "store/settle.h"

/*
 * Deliveries are looked for before and elsewhere, so that the journal's thread
 * does little more than write. It looks again whether they are still there: they
 * may have been pruned since.
 *
 * An event that belongs to nothing is kept without a message, and remembered as
 * unmatched. When it comes again and its delivery is known by then, or another
 * with its SES id is found, it is journalled once more, with the seq of the row
 * that it had without; so also when it came in between by another way, as with
 * a tag, and was found.
 */

/*
 * Of one SES id, as many are taken when it becomes known. There are a handful;
 * the rest of more would be taken with the next.
 */
#define EARLIER_MAX 32

#define DETAIL_MAX_BYTES 65536

enum { SQL_DELIVERY, SQL_KNOWN, SQL_ADD, SQL_FEEDBACK };
static const char *const sql_text[] = {
	[SQL_DELIVERY] = "SELECT 1 FROM delivery WHERE message = ? AND n = ?",
	[SQL_KNOWN] = "SELECT seq FROM event "
		      "WHERE message = ? AND n = ? AND key = ?",
	[SQL_ADD] = "INSERT INTO event (message, n, key, seq, attempt) "
		    "VALUES (?, ?, ?, ?, ?)",
	[SQL_FEEDBACK] = RECORD_SQL_FEEDBACK,
};
const struct db_sql event_sql = { DB_SLOT_EVENT,
	sizeof(sql_text) / sizeof(*sql_text), sql_text };

/* One op. */
struct step {
	const struct event *events;
	const struct event_place *places;
	size_t n;
	const struct conf_list *suppress;
	struct event_counts counts;
	struct event_suppressed suppressed;
};

/* One event in it. */
struct taking {
	struct journal_tx *tx;
	struct db *db;
	const struct event *e;
	const struct event_place *place; /* nowhere, when it is gone */
	int64_t key;
	int64_t known;	 /* seq of its row about this delivery, or 0 */
	int64_t earlier; /* seq of its row as unmatched, or 0 */
	char *text;	 /* as it may be stored */
};

static sqlite3_stmt *
stmt_for(const struct taking *t, size_t which)
{
	return db_stmt(t->db, &event_sql, which);
}

static int
get_seq(const struct taking *t, sqlite3_stmt *stmt, int64_t *seq_r,
    struct err *err)
{
	enum db_result result = db_step(t->db, stmt, err);

	*seq_r = result == DB_ROW ? db_int(stmt, 0) : 0;
	db_reset(stmt);
	return result == DB_ROW || result == DB_DONE ? 0 : -1;
}

static int
look_again(struct taking *t, struct err *err)
{
	static const struct event_place nowhere = { .found = false };
	sqlite3_stmt *stmt = stmt_for(t, SQL_DELIVERY);
	int64_t there;

	if (!t->place->found)
		return 0;
	db_bind_blob(stmt, 1, t->place->message.bytes, UUID_LEN);
	db_bind_int(stmt, 2, t->place->n);
	if (get_seq(t, stmt, &there, err) == -1)
		return -1;
	if (there == 0)
		t->place = &nowhere;
	return 0;
}

static int
find_known(struct taking *t, struct err *err)
{
	sqlite3_stmt *stmt;

	if (event_unmatched_seq(
		t->db, t->e->ses_id, t->key, &t->earlier, err) == -1)
		return -1;
	if (!t->place->found)
		return 0;
	stmt = stmt_for(t, SQL_KNOWN);
	db_bind_blob(stmt, 1, t->place->message.bytes, UUID_LEN);
	db_bind_int(stmt, 2, t->place->n);
	db_bind_int(stmt, 3, t->key);
	return get_seq(t, stmt, &t->known, err);
}

static void
make_detail(const struct taking *t, struct buf *detail)
{
	const struct event *e = t->e;

	json_open(detail, '{');
	json_add_string(detail, "type", e->type);
	json_add_string(detail, "kind", e->kind);
	json_add_string(detail, "subtype", e->subtype);
	json_add_string(detail, "action", e->action);
	json_add_string(detail, "feedback", event_feedback(e));
	if (t->place->tagged)
		json_add_int(detail, "attempt", e->attempt);
	json_add_string(detail, "ses_id", e->ses_id);
	json_add_string(detail, "feedback_id", e->feedback_id);
	json_add_int(detail, "time", e->time);
	if (e->accepted != 0)
		json_add_int(detail, "accepted", e->accepted);
	json_add_string(detail, "dsn", e->dsn);
	json_add_string(detail, "text", t->text);
	if (t->earlier != 0)
		json_add_int(detail, "unmatched", t->earlier);
	json_close(detail, '}');
}

static int
append(const struct taking *t, int64_t *seq_r, struct err *err)
{
	struct buf detail;
	int rc;

	buf_init(&detail, DETAIL_MAX_BYTES);
	make_detail(t, &detail);
	rc = journal_append(t->tx, "event",
	    t->place->found ? &t->place->message : NULL, t->place->n,
	    detail.data, seq_r, err);
	buf_free(&detail);
	return rc;
}

static int
remember(const struct taking *t, int64_t seq, struct err *err)
{
	sqlite3_stmt *stmt = stmt_for(t, SQL_ADD);

	db_bind_blob(stmt, 1, t->place->message.bytes, UUID_LEN);
	db_bind_int(stmt, 2, t->place->n);
	db_bind_int(stmt, 3, t->key);
	db_bind_int(stmt, 4, seq);
	if (t->place->tagged)
		db_bind_int(stmt, 5, t->e->attempt);
	if (db_run(t->db, stmt, err) == -1)
		return -1;
	return t->earlier != 0
	    ? event_unmatched_drop(t->db, t->e->ses_id, t->key, err)
	    : 0;
}

static int
set_feedback(const struct taking *t, struct err *err)
{
	const char *feedback = event_feedback(t->e);
	sqlite3_stmt *stmt;

	if (feedback == NULL)
		return 0;
	stmt = stmt_for(t, SQL_FEEDBACK);
	db_bind_text(stmt, 1, feedback);
	db_bind_int(stmt, 2, journal_tx_at(t->tx));
	db_bind_blob(stmt, 3, t->place->message.bytes, UUID_LEN);
	db_bind_int(stmt, 4, t->place->n);
	return db_run(t->db, stmt, err);
}

static int
suppress(struct step *s, const struct taking *t, struct err *err)
{
	int rc = event_suppress(t->tx, s->suppress, t->e, t->place, t->text,
	    &s->suppressed, err);

	s->counts.suppressed += rc == 1;
	return rc == -1 ? -1 : 0;
}

static int
take_new(struct step *s, struct taking *t, struct err *err)
{
	bool settled = false;
	int64_t seq;

	if (append(t, &seq, err) == -1)
		return -1;
	if (!t->place->found) {
		s->counts.unmatched++;
		return event_unmatched_add(
		    t->db, t->e->ses_id, t->key, seq, err);
	}
	s->counts.taken++;
	if (remember(t, seq, err) == -1 || set_feedback(t, err) == -1 ||
	    settle_delivery(t->tx, &t->place->message, t->place->n, &settled,
		err) == -1)
		return -1;
	s->counts.settled += settled;
	return suppress(s, t, err);
}

static int
take_first(struct step *s, struct taking *t, struct err *err)
{
	int rc = 0;

	if (t->place->found)
		rc = record_storable_words(t->tx, &t->place->message,
		    t->place->n, t->e->text, &t->text, err);
	else
		t->text = record_storable(t->e->text);
	if (rc == 0)
		rc = take_new(s, t, err);
	free(t->text);
	return rc;
}

/*
 * Only what says that the earlier row is about this delivery, too, is new. The
 * rows of the journal alone must come to the same tables, hence the feedback.
 */
static int
take_known(const struct taking *t, struct err *err)
{
	int64_t seq;

	if (t->known == 0 || t->earlier == 0)
		return 0;
	if (append(t, &seq, err) == -1 || set_feedback(t, err) == -1)
		return -1;
	return event_unmatched_drop(t->db, t->e->ses_id, t->key, err);
}

static int
take_earlier(struct step *s, const struct taking *t, struct err *err)
{
	const struct event_place place = { .found = true,
		.message = t->place->message,
		.n = t->place->n };
	int rc = 1;

	for (int i = 0; i < EARLIER_MAX && rc == 1; i++) {
		struct event e;
		struct taking earlier = {
			.tx = t->tx, .db = t->db, .e = &e, .place = &place
		};

		rc = event_unmatched_get(
		    t->db, t->e->ses_id, &e, &earlier.key, err);
		earlier.text = e.text;
		if (rc == 1 && find_known(&earlier, err) == -1)
			rc = -1;
		if (rc == 1 &&
		    (earlier.known != 0 ? take_known(&earlier, err)
					: take_new(s, &earlier, err)) == -1)
			rc = -1;
		event_free(&e);
	}
	return rc == -1 ? -1 : 0;
}

static int
take_one(struct step *s, struct taking *t, struct err *err)
{
	int rc;

	t->key = event_key(
	    t->e->type, t->e->ses_id, t->e->feedback_id, t->e->time);
	if (look_again(t, err) == -1 || find_known(t, err) == -1)
		return -1;
	if (t->known != 0 || (t->earlier != 0 && !t->place->found)) {
		s->counts.repeated++;
		rc = take_known(t, err);
	} else {
		rc = take_first(s, t, err);
	}
	if (rc == 0 && t->place->found)
		rc = take_earlier(s, t, err);
	return rc;
}

static int
step_op(struct journal_tx *tx, void *arg, struct err *err)
{
	struct step *s = arg;

	/* It may have run before, in a transaction that failed. */
	event_suppressed_clear(&s->suppressed);
	memset(&s->counts, 0, sizeof(s->counts));
	for (size_t i = 0; i < s->n; i++) {
		struct taking t = { .tx = tx,
			.db = journal_tx_db(tx),
			.e = &s->events[i],
			.place = &s->places[i] };

		if (take_one(s, &t, err) == -1)
			return -1;
	}
	return 0;
}

static void
add_counts(struct event_counts *sum, const struct event_counts *more)
{
	sum->taken += more->taken;
	sum->repeated += more->repeated;
	sum->unmatched += more->unmatched;
	sum->suppressed += more->suppressed;
	sum->settled += more->settled;
}

static int
take_step(struct journal *j, struct suppressions *list, struct step *s,
    int64_t within_us, struct event_counts *counts, struct err *err)
{
	int rc;

	rc = journal_try(j, step_op, s, clock_mono_us() + within_us, err);
	if (rc == 0)
		add_counts(counts, &s->counts);
	else
		(void)err_context(err, "%s", journal_path(j));
	if (rc == 0 && list != NULL)
		event_suppressed_note(&s->suppressed, list);
	event_suppressed_clear(&s->suppressed);
	return rc;
}

int
event_take(struct journal *j, struct suppressions *list,
    const struct conf_list *suppress, const struct event *events, size_t n,
    int64_t within_us, struct event_counts *counts, struct err *err)
{
	struct event_place *places = mem_array(n, sizeof(*places));
	struct step s = { .suppress = suppress };
	int rc;

	rc = event_find(journal_path(j), events, n, places, err);
	for (size_t i = 0; i < n && rc == 0; i += s.n) {
		s.events = events + i;
		s.places = places + i;
		s.n = n - i < EVENT_TAKE_LOT ? n - i : EVENT_TAKE_LOT;
		rc = take_step(j, list, &s, within_us, counts, err);
	}
	free(places);
	return rc;
}
