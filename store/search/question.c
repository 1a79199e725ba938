/* SPDX-License-Identifier: BSD-2-Clause */
#include "config.h"

#include "store/search/question.h"

#include <stdbool.h>
#include <string.h>

#include "store/search/term.h"

/*
 * A question is a handful of terms, which a delivery's postings must all have.
 * The rarest leads: its postings are read from the newest, and each is looked
 * up under the other terms.
 */

/* How far to count when looking for the rarest term. */
#define RARE_ENOUGH 2000

enum {
	SQL_ALL,
	SQL_BY_TERM,
	SQL_BY_STATE,
	SQL_BY_FEEDBACK,
	SQL_HAS_TERM,
	SQL_ODD,
	SQL_COUNT,
	SQL_COUNT_STATE,
	SQL_COUNT_FEEDBACK
};
static const char *const sql_text[] = {
	[SQL_ALL] = "SELECT id FROM found WHERE id < ? ORDER BY id DESC",
	[SQL_BY_TERM] = "SELECT id FROM posting WHERE id < ?1 AND term = ?2 "
			"AND part = ?3 ORDER BY id DESC",
	[SQL_BY_STATE] = "SELECT id FROM odd WHERE id < ?1 AND state = ?2 "
			 "ORDER BY id DESC",
	[SQL_BY_FEEDBACK] = "SELECT id FROM odd WHERE id < ?1 "
			    "AND feedback = ?2 ORDER BY id DESC",
	[SQL_HAS_TERM] = "SELECT 1 FROM posting "
			 "WHERE term = ? AND id = ? AND part = ?",
	[SQL_ODD] = "SELECT state, feedback FROM odd WHERE id = ?",
	[SQL_COUNT] = "WITH RECURSIVE each(part) AS (SELECT ?3 UNION ALL "
		      "SELECT part - 1 FROM each WHERE part > 0) "
		      "SELECT count(*) FROM (SELECT 1 FROM each CROSS JOIN "
		      "posting USING (part) WHERE term = ?1 LIMIT ?2)",
	[SQL_COUNT_STATE] = "SELECT count(*) FROM (SELECT 1 FROM odd "
			    "WHERE state = ? LIMIT ?)",
	[SQL_COUNT_FEEDBACK] = "SELECT count(*) FROM (SELECT 1 FROM odd "
			       "WHERE feedback = ? LIMIT ?)",
};
const struct db_sql search_question_sql = { DB_SLOT_QUESTION,
	sizeof(sql_text) / sizeof(*sql_text), sql_text };

/* The first column of the first row: 1, 0 when there is none, -1. */
static int
get_int(struct db *db, sqlite3_stmt *stmt, int64_t *value_r, struct err *err)
{
	enum db_result result = db_step(db, stmt, err);

	*value_r = result == DB_ROW ? db_int(stmt, 0) : 0;
	db_reset(stmt);
	return result == DB_ROW ? 1 : result == DB_DONE ? 0 : -1;
}

static void
ask(struct search_question *q, enum term_kind kind, const char *value)
{
	if (value != NULL)
		q->terms[q->n++] = search_term(kind, value);
}

static void
ask_words(struct search_question *q, const char *words)
{
	const char *word;
	size_t len;

	for (int i = 0; words != NULL && i < SEARCH_WORDS_MAX &&
	     search_word(&words, &word, &len); i++)
		q->terms[q->n++] = search_term_len(TERM_REPLY_WORD, word, len);
}

/* Among what is listed, or what has a bit. */
static void
ask_state(struct search_question *q, const struct search_filter *f)
{
	q->plain[SEARCH_SENT] =
	    f->state != NULL && strcmp(f->state, "sent") == 0;
	q->plain[SEARCH_DELIVERED] =
	    f->feedback != NULL && strcmp(f->feedback, "delivered") == 0;
	q->state = q->plain[SEARCH_SENT] ? NULL : f->state;
	q->feedback = q->plain[SEARCH_DELIVERED] ? NULL : f->feedback;
}

static int
count_postings(struct search_question *q, size_t i, int64_t last,
    int64_t *count_r, struct err *err)
{
	sqlite3_stmt *stmt = db_stmt(q->db, &search_question_sql, SQL_COUNT);

	db_bind_int(stmt, 1, q->terms[i]);
	db_bind_int(stmt, 2, RARE_ENOUGH);
	db_bind_int(stmt, 3, SEARCH_PART(last));
	return get_int(q->db, stmt, count_r, err);
}

/* Let it lead when it has the least so far. */
static int
weigh_odd(struct search_question *q, enum search_lead lead, const char *value,
    int64_t *least, struct err *err)
{
	sqlite3_stmt *stmt = db_stmt(q->db, &search_question_sql,
	    lead == SEARCH_LEAD_STATE ? SQL_COUNT_STATE : SQL_COUNT_FEEDBACK);
	int64_t count;

	if (value == NULL)
		return 0;
	db_bind_text(stmt, 1, value);
	db_bind_int(stmt, 2, RARE_ENOUGH);
	if (get_int(q->db, stmt, &count, err) == -1)
		return -1;
	if (count < *least) {
		*least = count;
		q->lead = lead;
	}
	return 0;
}

static int
weigh_plain(struct search_question *q, enum search_plain what, int64_t *least,
    struct err *err)
{
	int64_t count;

	if (!q->plain[what])
		return 0;
	if (search_plain_count(q->db, what, RARE_ENOUGH, &count, err) == -1)
		return -1;
	if (count < *least) {
		*least = count;
		q->lead = SEARCH_LEAD_PLAIN;
		q->plain_lead = what;
	}
	return 0;
}

/* The rarest comes to the front. */
static int
weigh_terms(
    struct search_question *q, int64_t last, int64_t *least, struct err *err)
{
	int64_t count, swap;

	for (size_t i = 0; i < q->n; i++) {
		if (count_postings(q, i, last, &count, err) == -1)
			return -1;
		if (count >= *least)
			continue;
		*least = count;
		q->lead = SEARCH_LEAD_TERM;
		swap = q->terms[0];
		q->terms[0] = q->terms[i];
		q->terms[i] = swap;
	}
	return 0;
}

/* Of what is not rare the first one leads: what most are comes last. */
static int
choose_leader(struct search_question *q, int64_t last, struct err *err)
{
	int64_t least = INT64_MAX;

	q->lead = SEARCH_LEAD_ALL;
	if (weigh_odd(q, SEARCH_LEAD_STATE, q->state, &least, err) == -1 ||
	    weigh_odd(q, SEARCH_LEAD_FEEDBACK, q->feedback, &least, err) ==
		-1 ||
	    weigh_terms(q, last, &least, err) == -1 ||
	    weigh_plain(q, SEARCH_DELIVERED, &least, err) == -1)
		return -1;
	return weigh_plain(q, SEARCH_SENT, &least, err);
}

int
search_question_make(struct search_question *q, struct db *db,
    const struct search_filter *f, int64_t last, struct err *err)
{
	*q = (struct search_question) { .db = db };
	ask_state(q, f);
	ask(q, TERM_SENDER, f->sender);
	ask(q, TERM_RECIPIENT, f->recipient);
	ask(q, TERM_DOMAIN, f->domain);
	ask(q, TERM_CLIENT, f->client);
	ask(q, TERM_QUEUE_ID, f->queue_id);
	ask(q, TERM_SES_ID, f->ses_id);
	ask(q, TERM_MESSAGE_ID, f->message_id);
	ask(q, TERM_SENDER, f->user);
	ask_words(q, f->reply);
	return choose_leader(q, last, err);
}

static void
lead_from(struct search_question *q, int64_t below)
{
	static const size_t ways[] = { [SEARCH_LEAD_ALL] = SQL_ALL,
		[SEARCH_LEAD_TERM] = SQL_BY_TERM,
		[SEARCH_LEAD_STATE] = SQL_BY_STATE,
		[SEARCH_LEAD_FEEDBACK] = SQL_BY_FEEDBACK };
	sqlite3_stmt *stmt;

	if (q->lead == SEARCH_LEAD_PLAIN) {
		search_plain_begin(&q->walk, q->db, q->plain_lead, below);
		return;
	}
	stmt = db_stmt(q->db, &search_question_sql, ways[q->lead]);
	db_bind_int(stmt, 1, below);
	if (q->lead == SEARCH_LEAD_TERM) {
		db_bind_int(stmt, 2, q->terms[0]);
		db_bind_int(stmt, 3, SEARCH_PART(below - 1));
	} else if (q->lead != SEARCH_LEAD_ALL) {
		db_bind_text(stmt, 2,
		    q->lead == SEARCH_LEAD_STATE ? q->state : q->feedback);
	}
	q->stmt = stmt;
}

void
search_question_begin(struct search_question *q, int64_t below)
{
	q->id = below;
	q->part = SEARCH_PART(below - 1);
	lead_from(q, below);
}

/* The next that the leader has found; a term's lie in parts. */
static enum db_result
next_of_leader(struct search_question *q, struct err *err)
{
	enum db_result result;

	if (q->lead == SEARCH_LEAD_PLAIN)
		return search_plain_next(&q->walk, &q->id, err);
	result = db_step(q->db, q->stmt, err);
	while (result == DB_DONE && q->lead == SEARCH_LEAD_TERM &&
	    q->part > 0) {
		lead_from(q, q->part << SEARCH_PART_BITS);
		q->part--;
		result = db_step(q->db, q->stmt, err);
	}
	if (result == DB_ROW)
		q->id = db_int(q->stmt, 0);
	return result;
}

static bool
listed_as(const char *wanted, const char *value)
{
	return wanted == NULL || (value != NULL && strcmp(wanted, value) == 0);
}

static int
is_odd(struct search_question *q, struct err *err)
{
	sqlite3_stmt *stmt = db_stmt(q->db, &search_question_sql, SQL_ODD);
	enum db_result result;
	bool is = false;

	db_bind_int(stmt, 1, q->id);
	result = db_step(q->db, stmt, err);
	if (result == DB_ROW)
		is = listed_as(q->state, db_text(stmt, 0)) &&
		    listed_as(q->feedback, db_text(stmt, 1));
	db_reset(stmt);
	return result == DB_ROW || result == DB_DONE ? is : -1;
}

static int
is_plain(struct search_question *q, struct err *err)
{
	int rc = 1;

	for (size_t i = 0; rc == 1 && i < SEARCH_PLAINS; i++)
		if (q->plain[i] &&
		    (q->lead != SEARCH_LEAD_PLAIN || q->plain_lead != i))
			rc = search_plain_has(
			    q->db, (enum search_plain)i, q->id, err);
	return rc;
}

/* Whether what the leader has found has all the rest. */
static int
has_the_rest(struct search_question *q, struct err *err)
{
	sqlite3_stmt *stmt;
	int64_t one;
	int rc = 1;

	if (q->state != NULL || q->feedback != NULL)
		rc = is_odd(q, err);
	if (rc == 1)
		rc = is_plain(q, err);
	for (size_t i = q->lead == SEARCH_LEAD_TERM ? 1 : 0;
	     rc == 1 && i < q->n; i++) {
		stmt = db_stmt(q->db, &search_question_sql, SQL_HAS_TERM);
		db_bind_int(stmt, 1, q->terms[i]);
		db_bind_int(stmt, 2, q->id);
		db_bind_int(stmt, 3, SEARCH_PART(q->id));
		rc = get_int(q->db, stmt, &one, err);
	}
	return rc;
}

int
search_question_next(struct search_question *q, struct err *err)
{
	enum db_result result;
	int rc = 0;

	while (rc == 0 && (result = next_of_leader(q, err)) == DB_ROW)
		rc = has_the_rest(q, err);
	if (rc != 0)
		return rc;
	return result == DB_DONE ? 0 : -1;
}

void
search_question_end(struct search_question *q)
{
	if (q->lead == SEARCH_LEAD_PLAIN)
		search_plain_end(&q->walk);
	else
		db_reset(q->stmt);
}
