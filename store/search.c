/* SPDX-License-Identifier: BSD-2-Clause */
#include "config.h"

#include "store/search.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "core/clock.h"
#include "core/mem.h"
#include "store/db.h"
#include "store/search/index.h"
#include "store/search/match.h"
#include "store/search/question.h"
#include "store/search/words.h"

/*
 * What the search database finds is read from the journal and compared with the
 * filter: the search database may be behind and may lie, the journal decides.
 */

/* How far the clock of ids and that of rows may be apart. */
#define ID_SLACK_US (3600 * US_PER_SEC)

#define WORDS_MAX_BYTES ((size_t)256 * 1024)

enum { SQL_OLDEST, SQL_HIT, SQL_REPORTED, SQL_ROW };
static const char *const sql_text[] = {
	[SQL_OLDEST] = "SELECT min(id) FROM message",
	[SQL_HIT] =
	    "SELECT m.size, m.queue_ids, m.header_message_id, "
	    "CASE WHEN w.role IS NULL THEN s.value ELSE w.value END, "
	    "CASE WHEN o.role IS NULL THEN s.value ELSE o.value END, "
	    "r.value, c.value, d.state, d.attempts, d.ses_id, d.code, d.dsn, "
	    "d.reply, d.feedback, d.sent_at, d.updated_at, s.value, f.value, "
	    "u.value "
	    "FROM delivery d JOIN message m ON m.id = d.message "
	    "LEFT JOIN party s ON s.message = d.message AND s.n = 0 "
	    "AND s.role = 'sender' "
	    "LEFT JOIN party w ON w.message = d.message AND w.n = 0 "
	    "AND w.role = 'rewritten' "
	    "LEFT JOIN party o ON o.message = d.message AND o.n = 0 "
	    "AND o.role = 'original' "
	    "LEFT JOIN party f ON f.message = d.message AND f.n = 0 "
	    "AND f.role = 'from' "
	    "LEFT JOIN party c ON c.message = d.message AND c.n = 0 "
	    "AND c.role = 'client' "
	    "LEFT JOIN party u ON u.message = d.message AND u.n = 0 "
	    "AND u.role = 'user' "
	    "LEFT JOIN party r ON r.message = d.message AND r.n = d.n "
	    "AND r.role = 'recipient' "
	    "WHERE d.message = ? AND d.n = ?",
	[SQL_REPORTED] =
	    "SELECT 1 FROM event e JOIN journal j ON j.seq = e.seq "
	    "WHERE e.message = ? AND e.n = ? AND e.attempt IS NOT NULL "
	    "AND json_extract(j.detail, '$.ses_id') = ? COLLATE NOCASE "
	    "LIMIT 1",
	[SQL_ROW] = "SELECT event, detail FROM journal WHERE seq = ?",
};
static const struct db_sql sql = { DB_SLOT_OTHER,
	sizeof(sql_text) / sizeof(*sql_text), sql_text };

struct search {
	struct db *journal, *index;
};

struct search *
search_open(const char *journal_path, struct err *err)
{
	struct search *s = mem_new(sizeof(*s));

	s->journal = db_open_journal(journal_path, err);
	if (s->journal != NULL && db_prepare(s->journal, &sql, err) == 0)
		s->index = search_index_open(journal_path, err);
	if (s->index != NULL)
		return s;
	search_close(s);
	return NULL;
}

void
search_close(struct search *s)
{
	if (s == NULL)
		return;
	db_close(s->index);
	db_close(s->journal);
	free(s);
}

int
search_lag(struct search *s, int64_t *rows_r, int64_t *at_r, struct err *err)
{
	int64_t seq, last;

	if (search_index_progress(s->index, &seq, at_r, err) == -1 ||
	    db_get_int(s->journal,
		"SELECT coalesce(max(seq), 0) FROM journal", &last, err) == -1)
		return -1;
	*rows_r = last > seq ? last - seq : 0;
	return 0;
}

static void
read_hit(sqlite3_stmt *stmt, struct search_hit *h)
{
	h->size = db_int(stmt, 0);
	h->queue_ids = db_text(stmt, 1);
	h->message_id = db_text(stmt, 2);
	h->sender = db_text(stmt, 3);
	h->original_sender = db_text(stmt, 4);
	h->recipient = db_text(stmt, 5);
	h->client = db_text(stmt, 6);
	h->state = db_text(stmt, 7);
	h->attempts = (unsigned)db_int(stmt, 8);
	h->ses_id = db_text(stmt, 9);
	h->code = (unsigned)db_int(stmt, 10);
	h->dsn = db_text(stmt, 11);
	h->reply = db_text(stmt, 12);
	h->feedback = db_text(stmt, 13);
	h->sent_at = db_int(stmt, 14);
	h->updated_at = db_int(stmt, 15);
	h->user = db_text(stmt, 18);
}

/* Looking for words in the rows about one delivery. */
struct said {
	struct db *journal;
	const char *words;
	int rc; /* 1: they were said; -1 */
	struct err *err;
};

/* Whether one of them has all the words. */
static int
row_says(void *arg, int64_t seq)
{
	struct said *said = arg;
	sqlite3_stmt *stmt = db_stmt(said->journal, &sql, SQL_ROW);
	enum db_result result;
	struct buf text;

	db_bind_int(stmt, 1, seq);
	result = db_step(said->journal, stmt, said->err);
	if (result == DB_ROW) {
		buf_init(&text, WORDS_MAX_BYTES);
		search_row_words(db_text(stmt, 0), db_text(stmt, 1), &text);
		said->rc =
		    text.len > 0 && search_has_words(text.data, said->words);
		buf_free(&text);
	} else if (result != DB_DONE) {
		said->rc = -1;
	}
	db_reset(stmt);
	return said->rc;
}

static int
was_said(struct search *s, const struct search_hit *h, const char *words,
    struct err *err)
{
	struct said said = { s->journal, words, 0, err };

	if (words == NULL)
		return 1;
	if (search_index_trail(
		s->index, &h->message, h->n, row_says, &said, err) == -1)
		return -1;
	return said.rc;
}

/*
 * Whether SES has given it this id: at the last attempt, or at one that an event
 * bears the tag of. 1, 0 or -1.
 */
static int
had_ses_id(struct search *s, const struct search_hit *h, const char *ses_id,
    struct err *err)
{
	enum db_result result;
	sqlite3_stmt *stmt;

	if (ses_id == NULL ||
	    (h->ses_id != NULL && strcasecmp(ses_id, h->ses_id) == 0))
		return 1;
	stmt = db_stmt(s->journal, &sql, SQL_REPORTED);
	db_bind_blob(stmt, 1, h->message.bytes, UUID_LEN);
	db_bind_int(stmt, 2, h->n);
	db_bind_text(stmt, 3, ses_id);
	result = db_step(s->journal, stmt, err);
	db_reset(stmt);
	return result == DB_ROW ? 1 : result == DB_DONE ? 0 : -1;
}

enum visit { VISIT_MISS, VISIT_HIT, VISIT_STOP, VISIT_PAST, VISIT_FAILED };

/* What the journal has of a delivery, for fn if it was asked for. */
static enum visit
compare(struct search *s, const struct search_filter *filter,
    struct search_hit *h, search_fn *fn, void *arg, struct err *err)
{
	sqlite3_stmt *stmt = db_stmt(s->journal, &sql, SQL_HIT);
	enum visit verdict = VISIT_MISS;
	enum db_result result;
	int had = 0;

	db_bind_blob(stmt, 1, h->message.bytes, UUID_LEN);
	db_bind_int(stmt, 2, h->n);
	result = db_step(s->journal, stmt, err);
	if (result == DB_ROW) {
		read_hit(stmt, h);
		if (search_match(
			filter, h, db_text(stmt, 16), db_text(stmt, 17)))
			had = had_ses_id(s, h, filter->ses_id, err);
		if (had == 1)
			verdict = fn(arg, h) != 0 ? VISIT_STOP : VISIT_HIT;
	}
	if (had == -1 || (result != DB_ROW && result != DB_DONE))
		verdict = VISIT_FAILED;
	db_reset(stmt);
	return verdict;
}

/* Nothing older than since_us is wanted, or there any more. */
struct run {
	const struct search_filter *filter;
	int64_t since_us;
	search_fn *fn;
	void *arg;
};

/*
 * VISIT_PAST: this one came before the time asked for, and so did all that
 * follow.
 */
static enum visit
visit(struct search *s, const struct run *r, int64_t id, struct err *err)
{
	struct search_hit h = { .cursor = id };
	struct search_key key;
	int rc;

	rc = search_index_key(s->index, id, &key, err);
	if (rc == 1) {
		h.message = key.message;
		h.n = key.n;
		h.received_at = key.received_at;
		if (h.received_at < r->since_us)
			return VISIT_PAST;
		rc = was_said(s, &h, r->filter->reply, err);
	}
	if (rc != 1)
		return rc == 0 ? VISIT_MISS : VISIT_FAILED;
	return compare(s, r->filter, &h, r->fn, r->arg, err);
}

static int64_t
run(struct search *s, const struct run *r, struct search_question *q,
    int64_t *cursor, size_t limit, struct err *err)
{
	enum visit verdict = VISIT_MISS;
	int64_t hits = 0;
	int rc = 0;

	search_question_begin(q, *cursor);
	while ((size_t)hits < limit &&
	    (rc = search_question_next(q, err)) == 1) {
		verdict = visit(s, r, q->id, err);
		if (verdict == VISIT_HIT || verdict == VISIT_STOP)
			hits++;
		if (verdict == VISIT_STOP || verdict == VISIT_PAST ||
		    verdict == VISIT_FAILED)
			break;
	}
	*cursor = q->id;
	search_question_end(q);
	return rc == -1 || verdict == VISIT_FAILED ? -1 : hits;
}

/*
 * What was pruned is still listed. A message's id is made when it arrives, so
 * the oldest that is left tells up to where all are gone.
 */
static int
find_oldest(struct search *s, struct run *r, struct err *err)
{
	sqlite3_stmt *stmt = db_stmt(s->journal, &sql, SQL_OLDEST);
	enum db_result result = db_step(s->journal, stmt, err);
	struct uuid oldest;
	const void *id;
	size_t len = 0;

	r->since_us = r->filter->since_us;
	id = result == DB_ROW ? db_blob(stmt, 0, &len) : NULL;
	if (len == UUID_LEN) {
		memcpy(oldest.bytes, id, UUID_LEN);
		if (uuid_time_us(&oldest) - ID_SLACK_US > r->since_us)
			r->since_us = uuid_time_us(&oldest) - ID_SLACK_US;
	}
	db_reset(stmt);
	return result == DB_ROW ? 0 : -1;
}

int64_t
search_run(struct search *s, const struct search_filter *filter,
    int64_t *cursor, size_t limit, search_fn *fn, void *arg, struct err *err)
{
	struct run r = { .filter = filter, .fn = fn, .arg = arg };
	struct search_question q;
	int64_t last;

	if (find_oldest(s, &r, err) == -1 ||
	    search_index_last(s->index, &last, err) == -1 ||
	    search_question_make(&q, s->index, filter, last, err) == -1)
		return -1;
	if (*cursor > last)
		*cursor = last + 1;
	if (*cursor == 0 &&
	    search_index_below(
		s->index, filter->until_us, cursor, err) == -1)
		return -1;
	return run(s, &r, &q, cursor, limit, err);
}

struct collect {
	struct uuid *ids;
	size_t n, max;
};

static int
collect_message(void *arg, const struct search_hit *h)
{
	struct collect *c = arg;

	for (size_t i = 0; i < c->n; i++)
		if (memcmp(&c->ids[i], &h->message, sizeof(h->message)) == 0)
			return 0;
	c->ids[c->n++] = h->message;
	return c->n == c->max;
}

int
search_messages(struct search *s, const char *id, struct uuid *ids, size_t max,
    struct err *err)
{
	struct collect c = { .ids = ids, .max = max };
	struct search_filter by_queue = { .queue_id = id };
	struct search_filter by_ses = { .ses_id = id };
	struct search_filter by_message_id = { .message_id = id };
	const struct search_filter *const ways[] = { &by_queue, &by_ses,
		&by_message_id };
	int64_t cursor;

	for (size_t i = 0; i < 3 && c.n < max; i++) {
		cursor = 0;
		if (search_run(s, ways[i], &cursor, SIZE_MAX / 2,
			collect_message, &c, err) == -1)
			return -1;
	}
	return (int)c.n;
}

int
search_trail(struct search *s, const struct uuid *message,
    int (*fn)(void *arg, int64_t seq), void *arg, int64_t *up_to_r,
    struct err *err)
{
	int64_t at;

	if (search_index_progress(s->index, up_to_r, &at, err) == -1)
		return -1;
	return search_index_trail(s->index, message, 0, fn, arg, err);
}
