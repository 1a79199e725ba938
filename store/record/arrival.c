/* SPDX-License-Identifier: BSD-2-Clause */
#include "config.h"

#include "store/record/parts.h"

#include <stdio.h>
#include <stdlib.h>

#include "core/json.h"
#include "core/mem.h"
#include "store/db.h"
#include "store/numbering.h"
#include "store/record/digest.h"
#include "store/record_party.h"
#include "store/record_sql.h"
#include "store/record_text.h"

/*
 * The op may run more than once, so it starts from what was asked, not from
 * what an earlier run left in its arguments.
 */

enum { SQL_RECIPIENTS, SQL_LAST_N, SQL_ADD_DELIVERY, SQL_DELIVERY };
static const char *const sql_text[] = {
	[SQL_RECIPIENTS] = "SELECT n, value FROM party WHERE message = ? "
			   "AND role = 'recipient' AND value IS NOT NULL",
	[SQL_LAST_N] = "SELECT max(n) FROM delivery WHERE message = ?",
	[SQL_ADD_DELIVERY] = RECORD_SQL_ADD_DELIVERY,
	[SQL_DELIVERY] = "SELECT state, attempts, ses_id, sent_at "
			 "FROM delivery WHERE message = ? AND n = ?",
};
const struct db_sql record_arrival_sql = { DB_SLOT_ARRIVAL,
	sizeof(sql_text) / sizeof(*sql_text), sql_text };

static sqlite3_stmt *
stmt_for(struct journal_tx *tx, size_t which)
{
	return db_stmt(journal_tx_db(tx), &record_arrival_sql, which);
}

struct arrival {
	struct record_arrival *a;
	struct uuid proposed;
	struct numbering *numbers; /* of this message's recipients */
	struct buf offered;	   /* numbers in this arrival, as JSON */
	struct buf added;	   /* commitments of new recipients, as JSON */
	unsigned last_n;
};

static int
load_recipients(struct journal_tx *tx, struct arrival *v, struct err *err)
{
	sqlite3_stmt *stmt = stmt_for(tx, SQL_RECIPIENTS);
	enum db_result result;

	db_bind_blob(stmt, 1, v->a->id.bytes, UUID_LEN);
	while ((result = db_step(journal_tx_db(tx), stmt, err)) == DB_ROW)
		numbering_add(
		    v->numbers, db_text(stmt, 1), (unsigned)db_int(stmt, 0));
	db_reset(stmt);
	if (result != DB_DONE)
		return -1;
	stmt = stmt_for(tx, SQL_LAST_N);
	db_bind_blob(stmt, 1, v->a->id.bytes, UUID_LEN);
	result = db_step(journal_tx_db(tx), stmt, err);
	if (result == DB_ROW)
		v->last_n = (unsigned)db_int(stmt, 0);
	db_reset(stmt);
	return result == DB_ROW ? 0 : -1;
}

static int
add_recipient(struct journal_tx *tx, struct arrival *v, const char *address,
    unsigned n, struct err *err)
{
	char *commitment, key[16];
	sqlite3_stmt *stmt;

	if (record_add_party(tx, &v->a->id, n, "recipient", address,
		&commitment, err) == -1)
		return -1;
	(void)snprintf(key, sizeof(key), "%u", n);
	json_add_string(&v->added, key, commitment);
	free(commitment);
	numbering_add(v->numbers, address, n);
	stmt = stmt_for(tx, SQL_ADD_DELIVERY);
	db_bind_blob(stmt, 1, v->a->id.bytes, UUID_LEN);
	db_bind_int(stmt, 2, n);
	db_bind_int(stmt, 3, journal_tx_at(tx));
	return db_run(journal_tx_db(tx), stmt, err);
}

static int
load_delivery(struct journal_tx *tx, const struct uuid *id,
    struct record_rcpt *r, struct err *err)
{
	sqlite3_stmt *stmt = stmt_for(tx, SQL_DELIVERY);
	enum db_result result;

	db_bind_blob(stmt, 1, id->bytes, UUID_LEN);
	db_bind_int(stmt, 2, r->n);
	result = db_step(journal_tx_db(tx), stmt, err);
	if (result == DB_ROW) {
		r->state = record_state_from(db_text(stmt, 0));
		r->attempts = (unsigned)db_int(stmt, 1);
		if (r->state == RECORD_SENT) {
			r->ses_id = db_text_dup(stmt, 2);
			r->sent_at = db_int(stmt, 3);
		}
	}
	db_reset(stmt);
	return result == DB_ROW || result == DB_DONE ? 0 : -1;
}

static void
forget_rcpt(struct record_rcpt *r)
{
	free(r->ses_id);
	r->ses_id = NULL;
	r->n = 0;
	r->state = RECORD_WAITING;
	r->attempts = 0;
	r->sent_at = 0;
}

static int
number_rcpt(struct journal_tx *tx, struct arrival *v, struct record_rcpt *r,
    struct err *err)
{
	char *address = party_clean(r->address, RECORD_TEXT_MAX_BYTES);
	int rc;

	forget_rcpt(r);
	r->n = numbering_find(v->numbers, address);
	if (r->n > 0) {
		rc = load_delivery(tx, &v->a->id, r, err);
	} else {
		r->n = ++v->last_n;
		rc = add_recipient(tx, v, address, r->n, err);
	}
	json_int(&v->offered, r->n);
	free(address);
	return rc;
}

static int
number_rcpts(struct journal_tx *tx, struct arrival *v, struct err *err)
{
	if (v->a->known && load_recipients(tx, v, err) == -1)
		return -1;
	json_open(&v->offered, '[');
	json_open(&v->added, '{');
	for (size_t i = 0; i < v->a->nrcpts; i++)
		if (number_rcpt(tx, v, &v->a->rcpts[i], err) == -1)
			return -1;
	json_close(&v->offered, ']');
	json_close(&v->added, '}');
	return 0;
}

/* Only what was named first in this arrival gets a row. */
static bool
named_before(const struct record_arrival *a, size_t i, unsigned char *seen)
{
	unsigned n = a->rcpts[i].n;
	bool before = (seen[n / 8] & 1u << n % 8) != 0;

	seen[n / 8] = (unsigned char)(seen[n / 8] | 1u << n % 8);
	return before;
}

static int
append_repeat(struct journal_tx *tx, const struct uuid *id,
    const struct record_rcpt *r, struct err *err)
{
	char detail[40];

	(void)snprintf(detail, sizeof(detail), "{\"attempt\":%u}", r->attempts);
	return journal_append(tx, "repeat", id, r->n, detail, NULL, err);
}

static int
append_rcpt_rows(struct journal_tx *tx, struct arrival *v, struct err *err)
{
	unsigned char *seen = mem_array(v->last_n / 8 + 1, 1);
	int rc = 0;

	for (size_t i = 0; i < v->a->nrcpts && rc == 0; i++) {
		const struct record_rcpt *r = &v->a->rcpts[i];
		struct record_outcome o = {
			.state = r->code >= 500 ? RECORD_REFUSED
						: RECORD_DEFERRED,
			.code = r->code,
			.dsn = r->dsn,
			.reply = r->reply,
		};

		if (named_before(v->a, i, seen))
			continue;
		if (r->refused)
			rc = record_append_outcome(
			    tx, &v->a->id, r->n, &o, err);
		else if (r->state == RECORD_SENT)
			rc = append_repeat(tx, &v->a->id, r, err);
	}
	free(seen);
	return rc;
}

/* `received` names who is in the message; `offered` only who is new. */
static int
append_arrival(struct journal_tx *tx, struct arrival *v, struct err *err)
{
	struct record_arrival *a = v->a;
	struct buf detail;
	int rc = 0;

	buf_init(&detail, RECORD_DETAIL_MAX_BYTES);
	json_open(&detail, '{');
	if (!a->known)
		rc = record_add_message(tx, a, &detail, err);
	if (a->known) {
		json_key(&detail, "offered");
		json_raw(&detail, v->offered.data);
	}
	if (v->added.len > 2) {
		json_key(&detail, "recipient");
		json_raw(&detail, v->added.data);
	}
	json_close(&detail, '}');
	if (rc == 0)
		rc = journal_append(tx, a->known ? "offered" : "received",
		    &a->id, 0, detail.data, NULL, err);
	buf_free(&detail);
	return rc;
}

/* Whether it has come before, and under which id. */
static int
recognize(struct journal_tx *tx, struct record_arrival *a, int64_t since,
    struct err *err)
{
	int rc = 0;

	if (a->digest != NULL)
		rc = digest_find(tx, a->digest, since, &a->id, err);
	a->known = rc == 1;
	return rc == -1 ? -1 : 0;
}

static int
arrive(struct journal_tx *tx, struct arrival *v, struct err *err)
{
	struct record_arrival *a = v->a;
	int64_t since = journal_tx_at(tx) - a->repeat_window_us;

	a->id = v->proposed;
	if (recognize(tx, a, since, err) == -1 ||
	    number_rcpts(tx, v, err) == -1 ||
	    append_arrival(tx, v, err) == -1 ||
	    append_rcpt_rows(tx, v, err) == -1)
		return -1;
	if (a->digest != NULL && !a->known &&
	    digest_put(tx, a->digest, &a->id, err) == -1)
		return -1;
	return digest_clear(tx, since, err);
}

static int
arrival_op(struct journal_tx *tx, void *arg, struct err *err)
{
	struct arrival *v = arg;
	int rc;

	v->numbers = numbering_new(v->a->nrcpts);
	v->last_n = 0;
	buf_reset(&v->offered);
	buf_reset(&v->added);
	rc = arrive(tx, v, err);
	numbering_free(v->numbers);
	return rc;
}

int
record_arrival(struct journal *j, struct record_arrival *a,
    int64_t deadline_us, struct err *err)
{
	struct arrival v = { .a = a, .proposed = a->id };
	int rc;

	for (size_t i = 0; i < a->nrcpts; i++)
		a->rcpts[i].ses_id = NULL;
	buf_init(&v.offered, RECORD_DETAIL_MAX_BYTES);
	buf_init(&v.added, RECORD_DETAIL_MAX_BYTES);
	rc = journal_do(j, arrival_op, &v, deadline_us, err);
	for (size_t i = 0; rc == -1 && i < a->nrcpts; i++)
		forget_rcpt(&a->rcpts[i]);
	buf_free(&v.offered);
	buf_free(&v.added);
	return rc;
}
