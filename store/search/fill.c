/* SPDX-License-Identifier: BSD-2-Clause */
#include "config.h"

#include "store/search/fill.h"

#include <stdlib.h>
#include <string.h>

#include "core/buf.h"
#include "core/json.h"
#include "store/search/progress.h"
#include "store/search/pruned.h"
#include "store/search/term.h"
#include "store/search/words.h"

#define WORDS_MAX_BYTES ((size_t)256 * 1024)
#define SES_ID_MAX_BYTES 512

enum { J_ROWS, J_RECIPIENTS, J_LEFT, J_DELIVERY };
static const char *const journal_text[] = {
	[J_ROWS] = "SELECT seq, event, message, n, chain, at, detail "
		   "FROM journal "
		   "WHERE seq > ? ORDER BY seq LIMIT ?",
	/* Those that this row brought: others came with another one. */
	[J_RECIPIENTS] = "SELECT n, party.value FROM json_each(?2, '$.recipient') "
			 "CROSS JOIN party ON message = ?1 "
			 "AND n = CAST(key AS INTEGER) AND role = 'recipient' "
			 "ORDER BY n",
	/* Those that no row here brought: theirs is in an archive. */
	[J_LEFT] =
	    ("SELECT message, n, party.value, received_at FROM message "
	     "JOIN party ON message = id AND role = 'recipient' "
	     "WHERE (SELECT min(seq) FROM journal) > 1 AND received_at < "
	     "(SELECT at FROM journal ORDER BY seq LIMIT 1) "
	     "AND (message, n) NOT IN (SELECT journal.message, "
	     "CAST(key AS INTEGER) FROM journal, "
	     "json_each(detail, '$.recipient') WHERE event = 'offered') "
	     "ORDER BY received_at, message, n"),
	[J_DELIVERY] = ("SELECT state, ses_id, feedback FROM delivery "
			"WHERE message = ? AND n = ?"),
};
static const struct db_sql journal_sql = { DB_SLOT_OTHER,
	sizeof(journal_text) / sizeof(*journal_text), journal_text };

enum {
	S_NEXT_ID,
	S_ADD_FOUND,
	S_FOUND,
	S_ADD_ODD,
	S_DROP_ODD,
	S_ADD_TRAIL,
	S_ADD_TALLY
};
static const char *const search_text[] = {
	[S_NEXT_ID] = "SELECT coalesce(max(id), 0) + 1 FROM found",
	[S_ADD_FOUND] = "INSERT INTO found (id, message, n, at) "
			"VALUES (?, ?, ?, ?) "
			"ON CONFLICT DO NOTHING",
	[S_FOUND] = "SELECT id FROM found WHERE message = ? AND n = ?",
	[S_ADD_ODD] = "INSERT INTO odd (id, state, feedback) VALUES (?, ?, ?) "
		      "ON CONFLICT (id) DO UPDATE SET state = excluded.state, "
		      "feedback = excluded.feedback",
	[S_DROP_ODD] = "DELETE FROM odd WHERE id = ?",
	[S_ADD_TRAIL] = "INSERT INTO trail (message, n, seq) "
			"VALUES (?, ?, ?) ON CONFLICT DO NOTHING",
	[S_ADD_TALLY] = "INSERT INTO tally (day, kind, count) VALUES (?, ?, ?) "
			"ON CONFLICT (day, kind) DO UPDATE "
			"SET count = count + excluded.count",
};
static const struct db_sql search_sql = { DB_SLOT_OTHER,
	sizeof(search_text) / sizeof(*search_text), search_text };

static void
add_posting(struct search_fill *f, enum term_kind kind, const char *value,
    int64_t id)
{
	if (value != NULL)
		search_postings_add(&f->postings, search_term(kind, value), id);
}

static void
add_shared(struct search_fill *f, const struct search_shared *s, int64_t id)
{
	for (size_t i = 0; i < s->n; i++)
		search_postings_add(&f->postings, s->terms[i], id);
}

/* What most deliveries are is a bit; the others are listed. */
static int
set_state(struct search_fill *f, int64_t id, const char *state,
    const char *feedback, struct err *err)
{
	bool sent = strcmp(state, "sent") == 0;
	bool delivered =
	    feedback != NULL && strcmp(feedback, "delivered") == 0;
	sqlite3_stmt *stmt;

	search_plain_note(&f->plain, id, sent, delivered);
	if (sent)
		state = NULL;
	if (delivered)
		feedback = NULL;
	stmt = db_stmt(f->search, &search_sql,
	    state != NULL || feedback != NULL ? S_ADD_ODD : S_DROP_ODD);
	db_bind_int(stmt, 1, id);
	if (state != NULL || feedback != NULL) {
		db_bind_text(stmt, 2, state);
		db_bind_text(stmt, 3, feedback);
	}
	return db_run(f->search, stmt, err);
}

/* State and feedback that a delivery has now, and its SES id if it has one. */
static int
look_at_delivery(struct search_fill *f, const struct uuid *message, int64_t n,
    int64_t id, struct err *err)
{
	sqlite3_stmt *stmt = db_stmt(f->journal, &journal_sql, J_DELIVERY);
	enum db_result result;
	int rc = 0;

	db_bind_blob(stmt, 1, message->bytes, UUID_LEN);
	db_bind_int(stmt, 2, n);
	result = db_step(f->journal, stmt, err);
	if (result == DB_ROW) {
		add_posting(f, TERM_SES_ID, db_text(stmt, 1), id);
		rc = set_state(f, id, db_text(stmt, 0), db_text(stmt, 2), err);
	}
	db_reset(stmt);
	return result == DB_ROW || result == DB_DONE ? rc : -1;
}

/* That of any attempt, where the delivery has another's. */
static void
add_reported_id(struct search_fill *f, const char *detail, int64_t id)
{
	struct err ignored;
	struct buf ses_id;

	buf_init(&ses_id, SES_ID_MAX_BYTES);
	if (json_get_string(detail, "ses_id", &ses_id, &ignored) == 1)
		add_posting(f, TERM_SES_ID, ses_id.data, id);
	buf_free(&ses_id);
}

/* What a reply or report says, to be found by. */
static void
add_words(struct search_fill *f, const char *event, const char *detail,
    int64_t id)
{
	const char *at, *word;
	struct buf text;
	size_t len;

	buf_init(&text, WORDS_MAX_BYTES);
	search_row_words(event, detail, &text);
	for (at = text.data; text.len > 0 && search_word(&at, &word, &len);)
		search_postings_add(&f->postings,
		    search_term_len(TERM_REPLY_WORD, word, len), id);
	buf_free(&text);
}

static int
find_delivery(struct search_fill *f, const struct uuid *message, int64_t n,
    int64_t *id_r, struct err *err)
{
	sqlite3_stmt *stmt = db_stmt(f->search, &search_sql, S_FOUND);
	enum db_result result;

	*id_r = 0;
	db_bind_blob(stmt, 1, message->bytes, UUID_LEN);
	db_bind_int(stmt, 2, n);
	result = db_step(f->search, stmt, err);
	if (result == DB_ROW)
		*id_r = db_int(stmt, 0);
	db_reset(stmt);
	return result == DB_ROW || result == DB_DONE ? 0 : -1;
}

static int
add_delivery(struct search_fill *f, const struct uuid *message, int64_t n,
    const char *recipient, struct err *err)
{
	sqlite3_stmt *stmt = db_stmt(f->search, &search_sql, S_ADD_FOUND);
	int64_t id = f->next_id;
	const char *at;

	db_bind_int(stmt, 1, id);
	db_bind_blob(stmt, 2, message->bytes, UUID_LEN);
	db_bind_int(stmt, 3, n);
	db_bind_int(stmt, 4, f->at);
	if (db_run(f->search, stmt, err) == -1)
		return -1;
	if (sqlite3_changes(db_handle(f->search)) == 0)
		return 0; /* known from an earlier arrival */
	f->next_id++;
	add_shared(f, &f->shared, id);
	add_posting(f, TERM_RECIPIENT, recipient, id);
	at = recipient != NULL ? strrchr(recipient, '@') : NULL;
	add_posting(f, TERM_DOMAIN, at != NULL ? at + 1 : NULL, id);
	return look_at_delivery(f, message, n, id, err);
}

static int
add_message(struct search_fill *f, const struct uuid *message,
    const char *detail, struct err *err)
{
	enum db_result result;
	sqlite3_stmt *stmt;

	if (search_shared_load(f->journal, message, &f->shared, err) == -1)
		return -1;
	stmt = db_stmt(f->journal, &journal_sql, J_RECIPIENTS);
	db_bind_blob(stmt, 1, message->bytes, UUID_LEN);
	db_bind_text(stmt, 2, detail);
	while ((result = db_step(f->journal, stmt, err)) == DB_ROW)
		if (add_delivery(f, message, db_int(stmt, 0), db_text(stmt, 1),
			err) == -1)
			break;
	db_reset(stmt);
	return result == DB_DONE ? 0 : -1;
}

static int
add_left_one(struct search_fill *f, sqlite3_stmt *left, struct err *err)
{
	struct uuid message;
	const void *id;
	size_t len;

	id = db_blob(left, 0, &len);
	if (len != UUID_LEN)
		return 0;
	memcpy(message.bytes, id, UUID_LEN);
	f->at = db_int(left, 3);
	if (search_shared_load(f->journal, &message, &f->shared, err) == -1)
		return -1;
	return add_delivery(
	    f, &message, db_int(left, 1), db_text(left, 2), err);
}

/* What a prune has left of messages whose first rows it took. */
static int
add_left(struct search_fill *f, struct err *err)
{
	sqlite3_stmt *stmt = db_stmt(f->journal, &journal_sql, J_LEFT);
	enum db_result result;

	while ((result = db_step(f->journal, stmt, err)) == DB_ROW)
		if (add_left_one(f, stmt, err) == -1)
			break;
	db_reset(stmt);
	return result == DB_DONE ? 0 : -1;
}

static int
add_trail(struct search_fill *f, const struct uuid *message, int64_t n,
    struct err *err)
{
	sqlite3_stmt *stmt = db_stmt(f->search, &search_sql, S_ADD_TRAIL);

	db_bind_blob(stmt, 1, message->bytes, UUID_LEN);
	db_bind_int(stmt, 2, n);
	db_bind_int(stmt, 3, f->seq);
	return db_run(f->search, stmt, err);
}

static int
write_days(struct search_fill *f, struct err *err)
{
	sqlite3_stmt *stmt;

	for (size_t i = 0; i < f->days.n; i++) {
		stmt = db_stmt(f->search, &search_sql, S_ADD_TALLY);
		db_bind_int(stmt, 1, f->days.days[i].day);
		db_bind_text(stmt, 2, f->days.days[i].kind);
		db_bind_int(stmt, 3, f->days.days[i].count);
		if (db_run(f->search, stmt, err) == -1)
			return -1;
	}
	f->days.n = 0;
	return 0;
}

static int
take_row(struct search_fill *f, sqlite3_stmt *row, struct err *err)
{
	const char *event = db_text(row, 1);
	struct uuid message;
	const void *p;
	int64_t id;
	size_t len;

	f->seq = db_int(row, 0);
	f->at = db_int(row, 5);
	p = db_blob(row, 4, &len);
	if (len == CHAIN_LEN)
		memcpy(f->chain, p, CHAIN_LEN);
	p = db_blob(row, 2, &len);
	search_days_count(
	    &f->days, f->at, event, db_text(row, 6), len == UUID_LEN);
	if (len != UUID_LEN)
		return 0;
	memcpy(message.bytes, p, UUID_LEN);
	if (add_trail(f, &message, db_int(row, 3), err) == -1)
		return -1;
	if (strcmp(event, "received") == 0 || strcmp(event, "offered") == 0)
		return add_message(f, &message, db_text(row, 6), err);
	if (db_int(row, 3) == 0 || strcmp(event, "sending") == 0 ||
	    strcmp(event, "repeat") == 0)
		return 0;
	if (find_delivery(f, &message, db_int(row, 3), &id, err) == -1)
		return -1;
	if (id == 0)
		return 0;
	add_words(f, event, db_text(row, 6), id);
	if (strcmp(event, "event") == 0)
		add_reported_id(f, db_text(row, 6), id);
	return look_at_delivery(f, &message, db_int(row, 3), id, err);
}

int64_t
search_fill_lot(struct search_fill *f, struct err *err)
{
	sqlite3_stmt *rows = db_stmt(f->journal, &journal_sql, J_ROWS);
	enum db_result result;
	int64_t n = 0;

	if (f->seq == 0 && add_left(f, err) == -1)
		return -1;
	db_bind_int(rows, 1, f->seq);
	db_bind_int(rows, 2, SEARCH_LOT_ROWS);
	while ((result = db_step(f->journal, rows, err)) == DB_ROW) {
		if (take_row(f, rows, err) == -1)
			break;
		n++;
	}
	db_reset(rows);
	if (result != DB_DONE ||
	    search_postings_write(&f->postings, f->search, err) == -1 ||
	    search_plain_write(&f->plain, f->search, err) == -1 ||
	    write_days(f, err) == -1 ||
	    search_progress_save(f, n < SEARCH_LOT_ROWS, err) == -1)
		return -1;
	if (n < SEARCH_LOT_ROWS &&
	    search_pruned_drop(f->search, f->journal, err) == -1)
		return -1;
	return n;
}

static int
load_next_id(struct search_fill *f, struct err *err)
{
	sqlite3_stmt *stmt = db_stmt(f->search, &search_sql, S_NEXT_ID);

	if (db_step(f->search, stmt, err) != DB_ROW)
		return -1;
	f->next_id = db_int(stmt, 0);
	db_reset(stmt);
	return 0;
}

int
search_fill_resume(struct search_fill *f, struct err *err)
{
	f->seq = 0;
	if (db_prepare(f->search, &search_sql, err) == -1 ||
	    db_prepare(f->search, &search_postings_sql, err) == -1 ||
	    db_prepare(f->search, &search_plain_write_sql, err) == -1 ||
	    db_prepare(f->search, &search_pruned_sql, err) == -1 ||
	    db_prepare(f->search, &search_progress_sql, err) == -1 ||
	    load_next_id(f, err) == -1)
		return -1;
	return search_progress_load(f, err);
}

int
search_fill_open(
    struct search_fill *f, const char *journal_path, struct err *err)
{
	f->journal = db_open_journal(journal_path, err);
	if (f->journal == NULL ||
	    db_prepare(f->journal, &journal_sql, err) == -1 ||
	    db_prepare(f->journal, &search_pruned_journal_sql, err) == -1 ||
	    db_prepare(f->journal, &search_progress_journal_sql, err) == -1)
		return -1;
	return db_prepare(f->journal, &search_shared_sql, err);
}

void
search_fill_close(struct search_fill *f)
{
	free(f->postings.list);
	free(f->plain.list);
	free(f->shared.terms);
	free(f->days.days);
	db_close(f->journal);
}
