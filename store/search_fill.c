/* SPDX-License-Identifier: BSD-2-Clause */
#include "config.h"

#include "store/search.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/clock.h"
#include "core/log.h"
#include "core/mem.h"
#include "store/chain.h"
#include "store/db.h"
#include "store/place.h"
#include "store/schema.h"
#include "store/search_days.h"
#include "store/search_term.h"
#include "store/search_words.h"

/*
 * Catching up. The journal says which deliveries something happened to; what
 * they can be found by is read from the tables. Postings are gathered, sorted
 * and written in lots, one transaction each, so that a lot touches each page of
 * their table once.
 *
 * The progress row holds seq and chain of the last row read, and is written in
 * the same transaction. A journal that has another row there is another
 * journal: all starts anew.
 */
#define LOT_ROWS 100000
#define CACHE "PRAGMA cache_size = -32768; PRAGMA synchronous = NORMAL"
#define CHECKPOINT_PAGES 8000
#define SEARCH_VERSION 4
#define WORDS_MAX_BYTES ((size_t)256 * 1024)

enum {
	J_ROWS,
	J_CHAIN,
	J_RECIPIENTS,
	J_OWN,
	J_MESSAGE,
	J_DELIVERY
};
static const char *const journal_text[] = {
	[J_ROWS] = "SELECT seq, event, message, n, chain, at, detail "
		   "FROM journal "
		   "WHERE seq > ? ORDER BY seq LIMIT ?",
	[J_CHAIN] = "SELECT chain FROM journal WHERE seq = ?",
	[J_RECIPIENTS] = "SELECT n, value FROM party WHERE message = ? "
			 "AND role = 'recipient' ORDER BY n",
	[J_OWN] = "SELECT role, value FROM party WHERE message = ? "
		  "AND n = 0 AND value IS NOT NULL",
	[J_MESSAGE] = "SELECT queue_ids, header_message_id FROM message "
		      "WHERE id = ?",
	[J_DELIVERY] = "SELECT state, ses_id, feedback FROM delivery "
		       "WHERE message = ? AND n = ?",
};
static const struct db_sql journal_sql = { DB_SLOT_OTHER,
	sizeof(journal_text) / sizeof(*journal_text), journal_text };

enum {
	S_PROGRESS,
	S_SET_PROGRESS,
	S_NEXT_ID,
	S_ADD_FOUND,
	S_FOUND,
	S_ADD_POSTING,
	S_ADD_ODD,
	S_DROP_ODD,
	S_ADD_TRAIL,
	S_ADD_TALLY
};
static const char *const search_text[] = {
	[S_PROGRESS] = "SELECT seq, chain FROM progress",
	[S_SET_PROGRESS] = "INSERT INTO progress (only, seq, chain, at, whole) "
			   "VALUES (1, ?, ?, ?, ?) ON CONFLICT (only) DO UPDATE "
			   "SET seq = excluded.seq, chain = excluded.chain, "
			   "at = excluded.at, "
			   "whole = max(whole, excluded.whole)",
	[S_NEXT_ID] = "SELECT coalesce(max(id), 0) + 1 FROM found",
	[S_ADD_FOUND] = "INSERT INTO found (id, message, n, at) "
			"VALUES (?, ?, ?, ?) "
			"ON CONFLICT DO NOTHING",
	[S_FOUND] = "SELECT id FROM found WHERE message = ? AND n = ?",
	[S_ADD_POSTING] = "INSERT INTO posting (part, term, id) "
			  "VALUES (?, ?, ?) ON CONFLICT DO NOTHING",
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

struct posting {
	int64_t term, id;
};

struct fill {
	struct db *journal, *search;
	struct search_days days;
	struct posting *postings;
	size_t n, cap;
	int64_t seq, at, next_id; /* seq and at of the row in hand */
	unsigned char chain[CHAIN_LEN];
};

static void
add_term(struct fill *f, int64_t term, int64_t id)
{
	if (f->n == f->cap) {
		f->cap = f->cap > 0 ? 2 * f->cap : 4096;
		f->postings =
		    mem_grow(f->postings, f->cap, sizeof(*f->postings));
	}
	f->postings[f->n++] = (struct posting) { term, id };
}

static void
add_posting(struct fill *f, enum term_kind kind, const char *value, int64_t id)
{
	if (value != NULL)
		add_term(f, search_term(kind, value), id);
}

static int
by_place(const void *a, const void *b)
{
	const struct posting *p = a, *q = b;

	if (SEARCH_PART(p->id) != SEARCH_PART(q->id))
		return p->id < q->id ? -1 : 1;
	if (p->term != q->term)
		return p->term < q->term ? -1 : 1;
	return p->id < q->id ? -1 : p->id > q->id;
}

static int
write_postings(struct fill *f, struct err *err)
{
	sqlite3_stmt *stmt;

	if (f->n > 1)
		qsort(f->postings, f->n, sizeof(*f->postings), by_place);
	for (size_t i = 0; i < f->n; i++) {
		stmt = db_stmt(f->search, &search_sql, S_ADD_POSTING);
		db_bind_int(stmt, 1, SEARCH_PART(f->postings[i].id));
		db_bind_int(stmt, 2, f->postings[i].term);
		db_bind_int(stmt, 3, f->postings[i].id);
		if (db_run(f->search, stmt, err) == -1)
			return -1;
	}
	f->n = 0;
	return 0;
}

/* What all deliveries of one message share. */
struct shared {
	int64_t terms[64];
	size_t n;
};

static void
share(struct shared *s, enum term_kind kind, const char *value)
{
	if (value != NULL && s->n < sizeof(s->terms) / sizeof(*s->terms))
		s->terms[s->n++] = search_term(kind, value);
}

static void
share_words(struct shared *s, enum term_kind kind, const char *words)
{
	char *copy = mem_strdup(words), *rest = copy, *word;

	while (rest != NULL && (word = strsep(&rest, " ,")) != NULL)
		if (*word != '\0')
			share(s, kind, word);
	free(copy);
}

/* From may hold several; the null sender can be asked for, too. */
static void
share_sender(struct shared *s, const char *value)
{
	if (*value == '\0')
		share(s, TERM_SENDER, value);
	else
		share_words(s, TERM_SENDER, value);
}

static int
load_own(struct fill *f, const struct uuid *id, struct shared *s,
    struct err *err)
{
	sqlite3_stmt *stmt = db_stmt(f->journal, &journal_sql, J_OWN);
	enum db_result result;
	char *address;

	db_bind_blob(stmt, 1, id->bytes, UUID_LEN);
	while ((result = db_step(f->journal, stmt, err)) == DB_ROW) {
		if (strcmp(db_text(stmt, 0), "user") == 0) {
			share(s, TERM_SENDER, db_text(stmt, 1));
			continue;
		}
		if (strcmp(db_text(stmt, 0), "client") != 0) {
			share_sender(s, db_text(stmt, 1));
			continue;
		}
		share(s, TERM_CLIENT, db_text(stmt, 1));
		address = search_client_address(db_text(stmt, 1));
		share(s, TERM_CLIENT, address);
		free(address);
	}
	db_reset(stmt);
	return result == DB_DONE ? 0 : -1;
}

static int
load_shared(struct fill *f, const struct uuid *id, struct shared *s,
    struct err *err)
{
	sqlite3_stmt *stmt = db_stmt(f->journal, &journal_sql, J_MESSAGE);
	enum db_result result;

	s->n = 0;
	db_bind_blob(stmt, 1, id->bytes, UUID_LEN);
	result = db_step(f->journal, stmt, err);
	if (result == DB_ROW) {
		share_words(s, TERM_QUEUE_ID, db_text(stmt, 0));
		share(s, TERM_MESSAGE_ID, db_text(stmt, 1));
	}
	db_reset(stmt);
	if (result != DB_ROW && result != DB_DONE)
		return -1;
	return load_own(f, id, s, err);
}

static void
add_shared(struct fill *f, const struct shared *s, int64_t id)
{
	for (size_t i = 0; i < s->n; i++)
		add_term(f, s->terms[i], id);
}

/* What most deliveries are is not listed. */
static int
set_odd(struct fill *f, int64_t id, const char *state, const char *feedback,
    struct err *err)
{
	sqlite3_stmt *stmt;

	if (strcmp(state, "sent") == 0)
		state = NULL;
	if (feedback != NULL && strcmp(feedback, "delivered") == 0)
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
look_at_delivery(struct fill *f, const struct uuid *message, int64_t n,
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
		rc = set_odd(f, id, db_text(stmt, 0), db_text(stmt, 2), err);
	}
	db_reset(stmt);
	return result == DB_ROW || result == DB_DONE ? rc : -1;
}

/* What a reply or report says, to be found by. */
static void
add_words(struct fill *f, const char *event, const char *detail, int64_t id)
{
	const char *at, *word;
	struct buf text;
	size_t len;

	buf_init(&text, WORDS_MAX_BYTES);
	search_row_words(event, detail, &text);
	for (at = text.data; text.len > 0 && search_word(&at, &word, &len);)
		add_term(f, search_term_len(TERM_REPLY_WORD, word, len), id);
	buf_free(&text);
}

static int
find_delivery(struct fill *f, const struct uuid *message, int64_t n,
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
add_delivery(struct fill *f, const struct uuid *message, int64_t n,
    const char *recipient, const struct shared *shared, struct err *err)
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
	add_shared(f, shared, id);
	add_posting(f, TERM_RECIPIENT, recipient, id);
	at = recipient != NULL ? strrchr(recipient, '@') : NULL;
	add_posting(f, TERM_DOMAIN, at != NULL ? at + 1 : NULL, id);
	return look_at_delivery(f, message, n, id, err);
}

static int
add_message(struct fill *f, const struct uuid *message, struct err *err)
{
	enum db_result result;
	struct shared shared;
	sqlite3_stmt *stmt;

	if (load_shared(f, message, &shared, err) == -1)
		return -1;
	stmt = db_stmt(f->journal, &journal_sql, J_RECIPIENTS);
	db_bind_blob(stmt, 1, message->bytes, UUID_LEN);
	while ((result = db_step(f->journal, stmt, err)) == DB_ROW)
		if (add_delivery(f, message, db_int(stmt, 0), db_text(stmt, 1),
			&shared, err) == -1)
			break;
	db_reset(stmt);
	return result == DB_DONE ? 0 : -1;
}

static int
add_trail(struct fill *f, const struct uuid *message, int64_t n,
    struct err *err)
{
	sqlite3_stmt *stmt = db_stmt(f->search, &search_sql, S_ADD_TRAIL);

	db_bind_blob(stmt, 1, message->bytes, UUID_LEN);
	db_bind_int(stmt, 2, n);
	db_bind_int(stmt, 3, f->seq);
	return db_run(f->search, stmt, err);
}

static int
write_days(struct fill *f, struct err *err)
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
take_row(struct fill *f, sqlite3_stmt *row, struct err *err)
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
		return add_message(f, &message, err);
	if (db_int(row, 3) == 0 || strcmp(event, "sending") == 0 ||
	    strcmp(event, "repeat") == 0)
		return 0;
	if (find_delivery(f, &message, db_int(row, 3), &id, err) == -1)
		return -1;
	if (id == 0)
		return 0;
	add_words(f, event, db_text(row, 6), id);
	return look_at_delivery(f, &message, db_int(row, 3), id, err);
}

static int
save_progress(struct fill *f, bool at_end, struct err *err)
{
	sqlite3_stmt *stmt = db_stmt(f->search, &search_sql, S_SET_PROGRESS);

	db_bind_int(stmt, 1, f->seq);
	db_bind_blob(stmt, 2, f->chain, CHAIN_LEN);
	db_bind_int(stmt, 3, clock_wall_us());
	db_bind_int(stmt, 4, at_end);
	return db_run(f->search, stmt, err);
}

/* One lot: the number of rows, or -1. */
static int64_t
take_lot(struct fill *f, struct err *err)
{
	sqlite3_stmt *rows = db_stmt(f->journal, &journal_sql, J_ROWS);
	enum db_result result;
	int64_t n = 0;

	db_bind_int(rows, 1, f->seq);
	db_bind_int(rows, 2, LOT_ROWS);
	while ((result = db_step(f->journal, rows, err)) == DB_ROW) {
		if (take_row(f, rows, err) == -1)
			break;
		n++;
	}
	db_reset(rows);
	if (result != DB_DONE || write_postings(f, err) == -1 ||
	    write_days(f, err) == -1 ||
	    save_progress(f, n < LOT_ROWS, err) == -1)
		return -1;
	return n;
}

static int
fill_all(struct fill *f, int64_t deadline_us, uint64_t *rows_r, struct err *err)
{
	struct err ignored;
	int64_t n;

	*rows_r = 0;
	do {
		if (db_exec(f->search, "BEGIN IMMEDIATE", err) == -1)
			return -1;
		n = take_lot(f, err);
		if (n == -1 || db_exec(f->search, "COMMIT", err) == -1) {
			(void)db_exec(f->search, "ROLLBACK", &ignored);
			return -1;
		}
		*rows_r += (uint64_t)n;
	} while (n == LOT_ROWS && clock_mono_us() < deadline_us);
	return n < LOT_ROWS ? 0
			    : err_set(err, ERR_TIMEOUT,
				  "there are more rows than the time allowed for");
}

/* Where the last one stopped; 1 when that is in this journal, 0 when not. */
static int
load_progress(struct fill *f, struct err *err)
{
	sqlite3_stmt *stmt = db_stmt(f->search, &search_sql, S_PROGRESS);
	enum db_result result;
	const void *chain;
	int known = 1;
	size_t len;

	result = db_step(f->search, stmt, err);
	if (result == DB_ROW) {
		f->seq = db_int(stmt, 0);
		chain = db_blob(stmt, 1, &len);
		if (len == CHAIN_LEN)
			memcpy(f->chain, chain, CHAIN_LEN);
	}
	db_reset(stmt);
	if (result != DB_ROW)
		return result == DB_DONE ? 1 : -1;
	stmt = db_stmt(f->journal, &journal_sql, J_CHAIN);
	db_bind_int(stmt, 1, f->seq);
	result = db_step(f->journal, stmt, err);
	chain = result == DB_ROW ? db_blob(stmt, 0, &len) : NULL;
	if (f->seq > 0)
		known = chain != NULL && len == CHAIN_LEN &&
		    memcmp(chain, f->chain, CHAIN_LEN) == 0;
	db_reset(stmt);
	return result == DB_ROW || result == DB_DONE ? known : -1;
}

static int
load_next_id(struct fill *f, struct err *err)
{
	sqlite3_stmt *stmt = db_stmt(f->search, &search_sql, S_NEXT_ID);

	if (db_step(f->search, stmt, err) != DB_ROW)
		return -1;
	f->next_id = db_int(stmt, 0);
	db_reset(stmt);
	return 0;
}

static int
set_up(struct db *db, struct err *err)
{
	int64_t version;

	if (db_get_int(db, "PRAGMA user_version", &version, err) == -1)
		return -1;
	if (version == 0 &&
	    (db_exec(db, "BEGIN IMMEDIATE", err) == -1 ||
		db_exec(db, schema_search, err) == -1 ||
		db_exec(db, "PRAGMA user_version = 4", err) == -1 ||
		db_exec(db, "COMMIT", err) == -1))
		return -1;
	if (version != 0 && version != SEARCH_VERSION)
		return err_set(err, ERR_STATE, "of another version");
	(void)sqlite3_wal_autocheckpoint(db_handle(db), CHECKPOINT_PAGES);
	return db_exec(db, CACHE, err);
}

/* 1 ready, 0 to be made anew, -1. */
static int
open_search(struct fill *f, const char *path, const char *journal_path,
    struct err *err)
{
	int known;

	if (place_create(path, err) == -1)
		return -1;
	place_adopt(path, journal_path);
	f->search = db_open(path, DB_WRITE, err);
	if (f->search == NULL)
		return err->class == ERR_STATE ? 0 : -1;
	if (set_up(f->search, err) == -1 ||
	    db_prepare(f->search, &search_sql, err) == -1 ||
	    load_next_id(f, err) == -1)
		return 0;
	known = load_progress(f, err);
	return known == -1 ? 0 : known;
}

static void
remove_search(const char *path)
{
	static const char *const ends[] = { "", "-wal", "-shm" };
	char *name;

	for (size_t i = 0; i < sizeof(ends) / sizeof(*ends); i++) {
		name = mem_printf("%s%s", path, ends[i]);
		(void)unlink(name);
		free(name);
	}
}

static int
open_fresh(struct fill *f, const char *path, const char *journal_path,
    struct err *err)
{
	int ready = open_search(f, path, journal_path, err);

	if (ready == 0) {
		log_warning(NULL, "search-anew", "path", path);
		db_close(f->search);
		f->search = NULL;
		f->seq = 0;
		remove_search(path);
		ready = open_search(f, path, journal_path, err);
	}
	return ready == 1 ? 0 : -1;
}

static int
catch_up(const char *journal_path, int64_t deadline_us, uint64_t *rows_r,
    struct err *err)
{
	char *path = mem_printf("%s-search.db", journal_path);
	struct fill f = { .next_id = 1 };
	int rc = -1;

	f.journal = db_open_journal(journal_path, err);
	if (f.journal != NULL &&
	    db_prepare(f.journal, &journal_sql, err) == 0 &&
	    open_fresh(&f, path, journal_path, err) == 0)
		rc = fill_all(&f, deadline_us, rows_r, err);
	if (rc == -1)
		(void)err_context(err, "%s", path);
	free(f.postings);
	free(f.days.days);
	db_close(f.search);
	db_close(f.journal);
	free(path);
	return rc;
}

/* The store's lock belongs to the process; this is for its threads. */
static pthread_mutex_t filling = PTHREAD_MUTEX_INITIALIZER;

int
search_catch_up(const char *journal_path, uint64_t *rows_r, struct err *err)
{
	int rc;

	(void)pthread_mutex_lock(&filling);
	rc = catch_up(journal_path, INT64_MAX, rows_r, err);
	(void)pthread_mutex_unlock(&filling);
	return rc;
}

int
search_catch_up_until(const char *journal_path, int64_t deadline_us,
    uint64_t *rows_r, struct err *err)
{
	int rc;

	if (pthread_mutex_trylock(&filling) != 0)
		return err_set(err, ERR_STATE,
		    "the search database is being caught up already");
	rc = catch_up(journal_path, deadline_us, rows_r, err);
	(void)pthread_mutex_unlock(&filling);
	return rc;
}

void
search_discard(const char *journal_path)
{
	char *path = mem_printf("%s-search.db", journal_path);

	(void)pthread_mutex_lock(&filling);
	remove_search(path);
	(void)pthread_mutex_unlock(&filling);
	free(path);
}
