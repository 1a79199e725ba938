/* SPDX-License-Identifier: BSD-2-Clause */
#include "config.h"

#include "store/search.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "core/clock.h"
#include "core/mem.h"
#include "store/db.h"
#include "store/search_term.h"
#include "store/search_words.h"

/*
 * A question is a handful of terms, which a hit's postings must all have. The
 * rarest leads: its postings are read from the newest, each is looked up
 * under the other terms, and what is left is read from the journal
 * and compared with the question itself. Terms may lie (two values may share
 * one, a state may have changed since), the journal decides.
 */
#define TERMS_MAX (8 + SEARCH_WORDS_MAX)

/* How far to count when looking for the rarest term. */
#define RARE_ENOUGH 2000

/* How far the clock of ids and that of rows may be apart. */
#define ID_SLACK_US (3600 * US_PER_SEC)

#define WORDS_MAX_BYTES ((size_t)256 * 1024)

enum {
	S_PROGRESS,
	S_ALL,
	S_BY_TERM,
	S_BY_STATE,
	S_BY_FEEDBACK,
	S_HAS_TERM,
	S_ODD,
	S_COUNT,
	S_COUNT_STATE,
	S_COUNT_FEEDBACK,
	S_KEY,
	S_LAST,
	S_TRAIL,
	S_TRAIL_OF
};
static const char *const search_text[] = {
	[S_PROGRESS] = "SELECT seq, at FROM progress",
	[S_ALL] = "SELECT id FROM found WHERE id < ? ORDER BY id DESC",
	[S_BY_TERM] = "SELECT id FROM posting WHERE id < ?1 AND term = ?2 "
		      "AND part = ?3 ORDER BY id DESC",
	[S_BY_STATE] = "SELECT id FROM odd WHERE id < ?1 AND state = ?2 "
		       "ORDER BY id DESC",
	[S_BY_FEEDBACK] = "SELECT id FROM odd WHERE id < ?1 AND feedback = ?2 "
			  "ORDER BY id DESC",
	[S_HAS_TERM] = "SELECT 1 FROM posting "
		       "WHERE term = ? AND id = ? AND part = ?",
	[S_ODD] = "SELECT state, feedback FROM odd WHERE id = ?",
	[S_COUNT] = "WITH RECURSIVE each(part) AS (SELECT ?3 UNION ALL "
		    "SELECT part - 1 FROM each WHERE part > 0) "
		    "SELECT count(*) FROM (SELECT 1 FROM each "
		    "CROSS JOIN posting USING (part) WHERE term = ?1 LIMIT ?2)",
	[S_COUNT_STATE] = "SELECT count(*) FROM (SELECT 1 FROM odd "
			  "WHERE state = ? LIMIT ?)",
	[S_COUNT_FEEDBACK] = "SELECT count(*) FROM (SELECT 1 FROM odd "
			     "WHERE feedback = ? LIMIT ?)",
	[S_KEY] = "SELECT message, n, at FROM found WHERE id = ?",
	[S_LAST] = "SELECT coalesce(max(id), 0) FROM found",
	[S_TRAIL] = "SELECT seq FROM trail WHERE message = ? ORDER BY seq",
	[S_TRAIL_OF] = "SELECT seq FROM trail WHERE message = ? AND n = ? "
		       "ORDER BY seq",
};
static const struct db_sql search_sql = { DB_SLOT_OTHER,
	sizeof(search_text) / sizeof(*search_text), search_text };

enum { J_LAST, J_OLDEST, J_HIT, J_ROW };
static const char *const journal_text[] = {
	[J_LAST] = "SELECT coalesce(max(seq), 0) FROM journal",
	[J_OLDEST] = "SELECT min(id) FROM message",
	[J_HIT] =
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
	[J_ROW] = "SELECT event, detail FROM journal WHERE seq = ?",
};
static const struct db_sql journal_sql = { DB_SLOT_OTHER,
	sizeof(journal_text) / sizeof(*journal_text), journal_text };

struct search {
	struct db *journal, *search;
};

struct search *
search_open(const char *journal_path, struct err *err)
{
	char *path = mem_printf("%s-search.db", journal_path);
	struct search *s = mem_new(sizeof(*s));
	bool there = access(path, F_OK) == 0;

	s->journal = db_open_journal(journal_path, err);
	if (s->journal != NULL && !there)
		(void)err_set(err, ERR_STATE,
		    "nothing can be searched yet: %s is made by posternd, or "
		    "by someone who may write there",
		    path);
	else if (s->journal != NULL)
		s->search = db_open(path, DB_READ, err);
	free(path);
	if (s->search != NULL &&
	    db_prepare(s->journal, &journal_sql, err) == 0 &&
	    db_prepare(s->search, &search_sql, err) == 0)
		return s;
	search_close(s);
	return NULL;
}

void
search_close(struct search *s)
{
	if (s == NULL)
		return;
	db_close(s->search);
	db_close(s->journal);
	free(s);
}

static int
get_int(struct db *db, sqlite3_stmt *stmt, int64_t *value_r, struct err *err)
{
	enum db_result result = db_step(db, stmt, err);

	*value_r = result == DB_ROW ? db_int(stmt, 0) : 0;
	db_reset(stmt);
	return result == DB_ROW ? 1 : result == DB_DONE ? 0 : -1;
}

int
search_lag(struct search *s, int64_t *rows_r, int64_t *at_r, struct err *err)
{
	sqlite3_stmt *stmt = db_stmt(s->search, &search_sql, S_PROGRESS);
	enum db_result result;
	int64_t seq = 0, last;

	*at_r = 0;
	result = db_step(s->search, stmt, err);
	if (result == DB_ROW) {
		seq = db_int(stmt, 0);
		*at_r = db_int(stmt, 1);
	}
	db_reset(stmt);
	if ((result != DB_ROW && result != DB_DONE) ||
	    get_int(s->journal, db_stmt(s->journal, &journal_sql, J_LAST),
		&last, err) == -1)
		return -1;
	*rows_r = last > seq ? last - seq : 0;
	return 0;
}

/* What a question leads with: whatever has the fewest deliveries to look at. */
enum lead { LEAD_ALL, LEAD_TERM, LEAD_STATE, LEAD_FEEDBACK };

struct question {
	const struct search_filter *filter;
	int64_t since_us; /* nothing older is wanted, or there any more */
	int64_t terms[TERMS_MAX];
	size_t n;
	int64_t last; /* the newest id */
	const char *state;    /* asked for and listed, so not `sent` */
	const char *feedback; /* the same, so not `delivered` */
	enum lead lead;
};

static void
ask(struct question *q, enum term_kind kind, const char *value)
{
	if (value != NULL)
		q->terms[q->n++] = search_term(kind, value);
}

static void
ask_words(struct question *q, const char *words)
{
	const char *word;
	size_t len;

	for (int i = 0; words != NULL && i < SEARCH_WORDS_MAX &&
	     search_word(&words, &word, &len); i++)
		q->terms[q->n++] = search_term_len(TERM_REPLY_WORD, word, len);
}

/* What most deliveries are is not listed: the journal sorts it out. */
static const char *
listed(const char *wanted, const char *most)
{
	return wanted != NULL && strcmp(wanted, most) != 0 ? wanted : NULL;
}

static void
make_question(struct question *q, const struct search_filter *f)
{
	q->filter = f;
	q->n = 0;
	q->state = listed(f->state, "sent");
	q->feedback = listed(f->feedback, "delivered");
	ask(q, TERM_SENDER, f->sender);
	ask(q, TERM_RECIPIENT, f->recipient);
	ask(q, TERM_DOMAIN, f->domain);
	ask(q, TERM_CLIENT, f->client);
	ask(q, TERM_QUEUE_ID, f->queue_id);
	ask(q, TERM_SES_ID, f->ses_id);
	ask(q, TERM_MESSAGE_ID, f->message_id);
	ask(q, TERM_SENDER, f->user);
	ask_words(q, f->reply);
}

static int
count_postings(struct search *s, const struct question *q, size_t i,
    int64_t *count_r, struct err *err)
{
	sqlite3_stmt *stmt = db_stmt(s->search, &search_sql, S_COUNT);

	db_bind_int(stmt, 1, q->terms[i]);
	db_bind_int(stmt, 2, RARE_ENOUGH);
	db_bind_int(stmt, 3, SEARCH_PART(q->last));
	return get_int(s->search, stmt, count_r, err);
}

/* Let it lead when it has the least so far. */
static int
weigh_odd(struct search *s, struct question *q, enum lead lead,
    const char *value, int64_t *least, struct err *err)
{
	sqlite3_stmt *stmt = db_stmt(s->search, &search_sql,
	    lead == LEAD_STATE ? S_COUNT_STATE : S_COUNT_FEEDBACK);
	int64_t count;

	if (value == NULL)
		return 0;
	db_bind_text(stmt, 1, value);
	db_bind_int(stmt, 2, RARE_ENOUGH);
	if (get_int(s->search, stmt, &count, err) == -1)
		return -1;
	if (count < *least) {
		*least = count;
		q->lead = lead;
	}
	return 0;
}

/* The rarest term to the front, unless state or feedback is rarer still. */
static int
choose_leader(struct search *s, struct question *q, struct err *err)
{
	int64_t count, least = INT64_MAX, swap;

	q->lead = LEAD_ALL;
	if (weigh_odd(s, q, LEAD_STATE, q->state, &least, err) == -1 ||
	    weigh_odd(s, q, LEAD_FEEDBACK, q->feedback, &least, err) == -1)
		return -1;
	for (size_t i = 0; i < q->n; i++) {
		if (count_postings(s, q, i, &count, err) == -1)
			return -1;
		if (count >= least)
			continue;
		least = count;
		q->lead = LEAD_TERM;
		swap = q->terms[0];
		q->terms[0] = q->terms[i];
		q->terms[i] = swap;
	}
	return 0;
}

static sqlite3_stmt *
leader(struct search *s, const struct question *q, int64_t below)
{
	static const size_t ways[] = { [LEAD_ALL] = S_ALL,
		[LEAD_TERM] = S_BY_TERM, [LEAD_STATE] = S_BY_STATE,
		[LEAD_FEEDBACK] = S_BY_FEEDBACK };
	sqlite3_stmt *stmt = db_stmt(s->search, &search_sql, ways[q->lead]);

	db_bind_int(stmt, 1, below);
	if (q->lead == LEAD_TERM) {
		db_bind_int(stmt, 2, q->terms[0]);
		db_bind_int(stmt, 3, SEARCH_PART(below - 1));
	} else if (q->lead != LEAD_ALL) {
		db_bind_text(stmt, 2,
		    q->lead == LEAD_STATE ? q->state : q->feedback);
	}
	return stmt;
}

/* The next that the leader has found; a term's lie in parts. */
static enum db_result
next_found(struct search *s, const struct question *q, sqlite3_stmt **stmt,
    int64_t *part, struct err *err)
{
	enum db_result result = db_step(s->search, *stmt, err);

	while (result == DB_DONE && q->lead == LEAD_TERM && *part > 0) {
		*stmt = leader(s, q, *part << SEARCH_PART_BITS);
		(*part)--;
		result = db_step(s->search, *stmt, err);
	}
	return result;
}

static bool
listed_as(const char *wanted, const char *value)
{
	return wanted == NULL || (value != NULL && strcmp(wanted, value) == 0);
}

static int
is_odd(struct search *s, const struct question *q, int64_t id, struct err *err)
{
	sqlite3_stmt *stmt = db_stmt(s->search, &search_sql, S_ODD);
	enum db_result result;
	bool is = false;

	db_bind_int(stmt, 1, id);
	result = db_step(s->search, stmt, err);
	if (result == DB_ROW)
		is = listed_as(q->state, db_text(stmt, 0)) &&
		    listed_as(q->feedback, db_text(stmt, 1));
	db_reset(stmt);
	return result == DB_ROW || result == DB_DONE ? is : -1;
}

/* Whether what the leader has found has all the rest. */
static int
has_the_rest(struct search *s, const struct question *q, int64_t id,
    struct err *err)
{
	sqlite3_stmt *stmt;
	int64_t one;
	int rc = 1;

	if (q->state != NULL || q->feedback != NULL)
		rc = is_odd(s, q, id, err);
	for (size_t i = q->lead == LEAD_TERM ? 1 : 0; rc == 1 && i < q->n;
	     i++) {
		stmt = db_stmt(s->search, &search_sql, S_HAS_TERM);
		db_bind_int(stmt, 1, q->terms[i]);
		db_bind_int(stmt, 2, id);
		db_bind_int(stmt, 3, SEARCH_PART(id));
		rc = get_int(s->search, stmt, &one, err);
	}
	return rc;
}

/* 1, or 0 when there is no such delivery. */
static int
load_key(struct search *s, int64_t id, struct search_hit *h, struct err *err)
{
	sqlite3_stmt *stmt = db_stmt(s->search, &search_sql, S_KEY);
	enum db_result result;
	const void *p;
	int rc = 0;
	size_t len;

	db_bind_int(stmt, 1, id);
	result = db_step(s->search, stmt, err);
	p = db_blob(stmt, 0, &len);
	if (result == DB_ROW && len == UUID_LEN) {
		memcpy(h->message.bytes, p, UUID_LEN);
		h->n = (unsigned)db_int(stmt, 1);
		h->received_at = db_int(stmt, 2);
		rc = 1;
	}
	db_reset(stmt);
	return result == DB_ROW || result == DB_DONE ? rc : -1;
}

static bool
same(const char *wanted, const char *value)
{
	return wanted == NULL ||
	    (value != NULL && strcasecmp(wanted, value) == 0);
}

/* Among words with blanks or commas between. */
static bool
among(const char *wanted, const char *words)
{
	size_t len;

	if (wanted == NULL)
		return true;
	for (; words != NULL && *words != '\0'; words += len) {
		words += strspn(words, " ,");
		len = strcspn(words, " ,");
		if (len > 0 && strlen(wanted) == len &&
		    strncasecmp(wanted, words, len) == 0)
			return true;
	}
	return false;
}

static bool
client_is(const char *wanted, const char *client)
{
	char *address;
	bool is;

	if (same(wanted, client))
		return true;
	address = client != NULL ? search_client_address(client) : NULL;
	is = address != NULL && same(wanted, address);
	free(address);
	return is;
}

static bool
domain_is(const char *wanted, const char *recipient)
{
	const char *at = recipient != NULL ? strrchr(recipient, '@') : NULL;

	return wanted == NULL || (at != NULL && same(wanted, at + 1));
}

static bool
answers(const struct search_filter *f, const struct search_hit *h,
    const char *envelope_sender, const char *from)
{
	bool from_him = same(f->sender, h->sender) ||
	    same(f->sender, h->original_sender) || same(f->sender, h->user) ||
	    same(f->sender, envelope_sender) || among(f->sender, from);

	return from_him &&
	    same(f->recipient, h->recipient) &&
	    domain_is(f->domain, h->recipient) &&
	    client_is(f->client, h->client) && same(f->user, h->user) &&
	    among(f->queue_id, h->queue_ids) && same(f->ses_id, h->ses_id) &&
	    same(f->message_id, h->message_id) && same(f->state, h->state) &&
	    same(f->feedback, h->feedback) &&
	    (f->since_us == 0 || h->received_at >= f->since_us) &&
	    (f->until_us == 0 || h->received_at < f->until_us);
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

/* Whether one row of the journal about a delivery has all the words. */
static int
row_says(struct search *s, int64_t seq, const char *words, struct err *err)
{
	sqlite3_stmt *stmt = db_stmt(s->journal, &journal_sql, J_ROW);
	enum db_result result;
	bool says = false;
	struct buf text;

	db_bind_int(stmt, 1, seq);
	result = db_step(s->journal, stmt, err);
	if (result == DB_ROW) {
		buf_init(&text, WORDS_MAX_BYTES);
		search_row_words(db_text(stmt, 0), db_text(stmt, 1), &text);
		says = text.len > 0 && search_has_words(text.data, words);
		buf_free(&text);
	}
	db_reset(stmt);
	return result == DB_ROW || result == DB_DONE ? says : -1;
}

static int
was_said(struct search *s, const struct search_hit *h, const char *words,
    struct err *err)
{
	sqlite3_stmt *stmt = db_stmt(s->search, &search_sql, S_TRAIL_OF);
	enum db_result result;
	int said = 0;

	if (words == NULL)
		return 1;
	db_bind_blob(stmt, 1, h->message.bytes, UUID_LEN);
	db_bind_int(stmt, 2, h->n);
	while (said == 0 &&
	    (result = db_step(s->search, stmt, err)) == DB_ROW)
		said = row_says(s, db_int(stmt, 0), words, err);
	db_reset(stmt);
	return said == 0 && result != DB_DONE ? -1 : said;
}

enum visit { VISIT_MISS, VISIT_HIT, VISIT_STOP, VISIT_PAST, VISIT_FAILED };

/*
 * VISIT_PAST: this one came before the time asked for, and so did all that
 * follow.
 */
static enum visit
visit(struct search *s, const struct question *q, int64_t id, search_fn *fn,
    void *arg, struct err *err)
{
	struct search_hit h = { .cursor = id };
	enum visit verdict = VISIT_MISS;
	enum db_result result;
	sqlite3_stmt *stmt;
	int rc;

	rc = has_the_rest(s, q, id, err);
	if (rc == 1)
		rc = load_key(s, id, &h, err);
	if (rc == 1 && h.received_at < q->since_us)
		return VISIT_PAST;
	if (rc == 1)
		rc = was_said(s, &h, q->filter->reply, err);
	if (rc != 1)
		return rc == 0 ? VISIT_MISS : VISIT_FAILED;
	stmt = db_stmt(s->journal, &journal_sql, J_HIT);
	db_bind_blob(stmt, 1, h.message.bytes, UUID_LEN);
	db_bind_int(stmt, 2, h.n);
	result = db_step(s->journal, stmt, err);
	if (result == DB_ROW) {
		read_hit(stmt, &h);
		if (answers(q->filter, &h, db_text(stmt, 16),
			db_text(stmt, 17)))
			verdict = fn(arg, &h) != 0 ? VISIT_STOP : VISIT_HIT;
	} else if (result != DB_DONE) {
		verdict = VISIT_FAILED;
	}
	db_reset(stmt);
	return verdict;
}

/* The id at which deliveries received at `until` or later begin. */
static int
below_time(struct search *s, int64_t until, int64_t *below_r, struct err *err)
{
	struct search_hit h = { .received_at = 0 };
	int64_t low = 1, high, mid;

	if (get_int(s->search, db_stmt(s->search, &search_sql, S_LAST), &high,
		err) == -1)
		return -1;
	high++;
	while (until != 0 && low < high) {
		mid = low + (high - low) / 2;
		if (load_key(s, mid, &h, err) == -1)
			return -1;
		if (h.received_at < until)
			low = mid + 1;
		else
			high = mid;
	}
	*below_r = high;
	return 0;
}

static int64_t
run(struct search *s, const struct question *q, int64_t *cursor, size_t limit,
    search_fn *fn, void *arg, struct err *err)
{
	int64_t hits = 0, id, part = SEARCH_PART(*cursor - 1);
	sqlite3_stmt *stmt = leader(s, q, *cursor);
	enum db_result result = DB_DONE;
	enum visit verdict = VISIT_MISS;

	while ((size_t)hits < limit &&
	    (result = next_found(s, q, &stmt, &part, err)) == DB_ROW) {
		id = db_int(stmt, 0);
		verdict = visit(s, q, id, fn, arg, err);
		*cursor = id;
		if (verdict == VISIT_HIT || verdict == VISIT_STOP)
			hits++;
		if (verdict == VISIT_STOP || verdict == VISIT_PAST ||
		    verdict == VISIT_FAILED)
			break;
	}
	db_reset(stmt);
	return result == DB_BUSY || result == DB_FAILED ||
		verdict == VISIT_FAILED
	    ? -1
	    : hits;
}

/*
 * What was pruned is still listed. A message's id is made when it arrives, so
 * the oldest that is left tells up to where all are gone.
 */
static int
find_oldest(struct search *s, struct question *q, struct err *err)
{
	sqlite3_stmt *stmt = db_stmt(s->journal, &journal_sql, J_OLDEST);
	enum db_result result = db_step(s->journal, stmt, err);
	struct uuid oldest;
	const void *id;
	size_t len = 0;

	q->since_us = q->filter->since_us;
	id = result == DB_ROW ? db_blob(stmt, 0, &len) : NULL;
	if (len == UUID_LEN) {
		memcpy(oldest.bytes, id, UUID_LEN);
		if (uuid_time_us(&oldest) - ID_SLACK_US > q->since_us)
			q->since_us = uuid_time_us(&oldest) - ID_SLACK_US;
	}
	db_reset(stmt);
	return result == DB_ROW ? 0 : -1;
}

int64_t
search_run(struct search *s, const struct search_filter *filter,
    int64_t *cursor, size_t limit, search_fn *fn, void *arg, struct err *err)
{
	struct question q;

	make_question(&q, filter);
	if (find_oldest(s, &q, err) == -1 ||
	    get_int(s->search, db_stmt(s->search, &search_sql, S_LAST),
		&q.last, err) == -1 ||
	    choose_leader(s, &q, err) == -1)
		return -1;
	if (*cursor > q.last)
		*cursor = q.last + 1;
	if (*cursor == 0 &&
	    below_time(s, filter->until_us, cursor, err) == -1)
		return -1;
	return run(s, &q, cursor, limit, fn, arg, err);
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
	sqlite3_stmt *stmt = db_stmt(s->search, &search_sql, S_PROGRESS);
	enum db_result result;

	if (get_int(s->search, stmt, up_to_r, err) == -1)
		return -1;
	stmt = db_stmt(s->search, &search_sql, S_TRAIL);
	db_bind_blob(stmt, 1, message->bytes, UUID_LEN);
	while ((result = db_step(s->search, stmt, err)) == DB_ROW)
		if (fn(arg, db_int(stmt, 0)) != 0)
			break;
	db_reset(stmt);
	return result == DB_ROW || result == DB_DONE ? 0 : -1;
}
