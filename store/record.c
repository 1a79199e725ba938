/* SPDX-License-Identifier: BSD-2-Clause */
#include "config.h"

#include "store/record.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "core/base64.h"
#include "core/json.h"
#include "core/mem.h"
#include "store/chain.h"
#include "store/db.h"
#include "store/numbering.h"
#include "store/record_party.h"
#include "store/record_sql.h"
#include "store/settle.h"

/*
 * Every op writes its row of the journal and what that row means for message,
 * party and delivery in one savepoint, so that the projections never say what
 * the journal does not.
 *
 * - What SES may have is never forgotten: an outcome without a dot of its own
 *   does not touch a delivery that is sent, doubtful or sending, and nothing
 *   but `sent` follows `sent`.
 * - An op may run more than once, so it starts from what was asked, not from
 *   what an earlier run left in its arguments.
 */

/* Bounds of what is stored; the senders of these texts know none. */
#define TEXT_MAX_BYTES 1000
#define ADDRESSES_MAX_BYTES 4000

/* A detail names every recipient of one message. */
#define DETAIL_MAX_BYTES (size_t)(64 * 1024 * 1024)

/* Old digests that each arrival clears away: more than it adds. */
#define DIGESTS_A_STEP 2

enum {
	SQL_FIND_DIGEST,
	SQL_PUT_DIGEST,
	SQL_DROP_DIGEST,
	SQL_GET_MARK,
	SQL_PUT_MARK,
	SQL_NEXT_MESSAGE,
	SQL_ADD_MESSAGE,
	SQL_ADD_PARTY,
	SQL_RECIPIENTS,
	SQL_NAMES,
	SQL_LAST_N,
	SQL_ADD_DELIVERY,
	SQL_DELIVERY,
	SQL_SENDING,
	SQL_OUTCOME
};

static const char *const sql_text[] = {
	[SQL_FIND_DIGEST] = "SELECT message FROM digest "
			    "WHERE digest = ? AND at >= ?",
	[SQL_PUT_DIGEST] = "INSERT INTO digest (digest, message, at) "
			   "VALUES (?, ?, ?) ON CONFLICT (digest) DO UPDATE "
			   "SET message = excluded.message, at = excluded.at",
	[SQL_DROP_DIGEST] = "DELETE FROM digest "
			    "WHERE digest = ? AND message = ?",
	[SQL_GET_MARK] = "SELECT value FROM mark WHERE name = 'digest'",
	[SQL_PUT_MARK] = "INSERT INTO mark (name, value) VALUES ('digest', ?) "
			 "ON CONFLICT (name) DO UPDATE "
			 "SET value = excluded.value",
	[SQL_NEXT_MESSAGE] = "SELECT id, digest, received_at FROM message "
			     "WHERE id > ? ORDER BY id LIMIT 1",
	[SQL_ADD_MESSAGE] = "INSERT INTO message (id, received_at, digest, "
			    "size, queue_ids, header_message_id, salt, "
			    "repairs) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
	[SQL_ADD_PARTY] = "INSERT INTO party (message, n, role, value, salt) "
			  "VALUES (?, ?, ?, ?, ?)",
	[SQL_RECIPIENTS] = "SELECT n, value FROM party WHERE message = ? "
			   "AND role = 'recipient' AND value IS NOT NULL",
	[SQL_NAMES] = "SELECT n, role, value FROM party WHERE message = ? "
		      "AND n IN (0, ?) AND value IS NOT NULL",
	[SQL_LAST_N] = "SELECT max(n) FROM delivery WHERE message = ?",
	[SQL_ADD_DELIVERY] = RECORD_SQL_ADD_DELIVERY,
	[SQL_DELIVERY] = "SELECT state, attempts, ses_id, sent_at "
			 "FROM delivery WHERE message = ? AND n = ?",
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

static enum record_state
state_from(const char *name)
{
	for (size_t i = 0; i < sizeof(state_names) / sizeof(*state_names); i++)
		if (name != NULL && strcmp(name, state_names[i]) == 0)
			return (enum record_state)i;
	return RECORD_DOUBTFUL;
}

static sqlite3_stmt *
stmt_for(struct journal_tx *tx, size_t which)
{
	return db_stmt(journal_tx_db(tx), &record_sql, which);
}

static int
run(struct journal_tx *tx, sqlite3_stmt *stmt, struct err *err)
{
	return db_run(journal_tx_db(tx), stmt, err);
}

/* Parties. */

static int
add_party(struct journal_tx *tx, const struct uuid *id, unsigned n,
    const char *role, const char *value, char **commitment_r, struct err *err)
{
	unsigned char salt[COMMITMENT_SALT_LEN];
	char *commitment = party_commit(value, salt);
	sqlite3_stmt *stmt = stmt_for(tx, SQL_ADD_PARTY);

	db_bind_blob(stmt, 1, id->bytes, UUID_LEN);
	db_bind_int(stmt, 2, n);
	db_bind_text(stmt, 3, role);
	db_bind_text(stmt, 4, value);
	db_bind_blob(stmt, 5, salt, sizeof(salt));
	if (run(tx, stmt, err) == -1) {
		free(commitment);
		return -1;
	}
	*commitment_r = commitment;
	return 0;
}

/* One of the message's own parties, and its commitment in the detail. */
static int
add_own(struct journal_tx *tx, const struct uuid *id, const char *role,
    const char *value, struct buf *detail, struct err *err)
{
	char *clean, *commitment;
	int rc;

	if (value == NULL)
		return 0;
	clean = party_clean(value, ADDRESSES_MAX_BYTES);
	rc = add_party(tx, id, 0, role, clean, &commitment, err);
	free(clean);
	if (rc == -1)
		return -1;
	json_add_string(detail, role, commitment);
	free(commitment);
	return 0;
}

/* Replies. */

#define NAMES_MAX 8

struct names {
	struct party_name name[NAMES_MAX];
	size_t n;
};

static int
load_names(struct journal_tx *tx, const struct uuid *id, unsigned n,
    struct names *names, struct err *err)
{
	sqlite3_stmt *stmt = stmt_for(tx, SQL_NAMES);
	enum db_result result;

	names->n = 0;
	db_bind_blob(stmt, 1, id->bytes, UUID_LEN);
	db_bind_int(stmt, 2, n);
	while ((result = db_step(journal_tx_db(tx), stmt, err)) == DB_ROW &&
	    names->n < NAMES_MAX) {
		names->name[names->n].n = (unsigned)db_int(stmt, 0);
		names->name[names->n].role = db_text_dup(stmt, 1);
		names->name[names->n].value = db_text_dup(stmt, 2);
		names->n++;
	}
	db_reset(stmt);
	return result == DB_ROW || result == DB_DONE ? 0 : -1;
}

static void
free_names(struct names *names)
{
	for (size_t i = 0; i < names->n; i++) {
		free((void *)(uintptr_t)names->name[i].role);
		free((void *)(uintptr_t)names->name[i].value);
	}
}

/* The SES id stands in a column of its own; once is enough. */
static void
hide_ses_id(struct buf *text, const char *ses_id)
{
	char *at, *rest;

	if (ses_id == NULL || *ses_id == '\0' ||
	    (at = strstr(text->data, ses_id)) == NULL)
		return;
	rest = mem_strdup(at + strlen(ses_id));
	buf_cut(text, (size_t)(at - text->data));
	buf_adds(text, "{ses-id}");
	buf_adds(text, rest);
	free(rest);
}

char *
record_storable(const char *text)
{
	char *clean = party_clean(text, TEXT_MAX_BYTES);
	struct buf out;

	if (clean == NULL)
		return NULL;
	buf_init(&out, 4 * TEXT_MAX_BYTES);
	party_hide(clean, NULL, 0, &out);
	free(clean);
	return buf_take(&out);
}

/*
 * A text of SES's or ours as it may be stored; *text_r is to be freed. in_words:
 * it is about the recipient, whose name may stand in it without the domain.
 */
static int
storable(struct journal_tx *tx, const struct uuid *id, unsigned n,
    const char *text, bool in_words, const char *ses_id, char **text_r,
    struct err *err)
{
	struct names names = { .n = 0 };
	struct buf out;
	char *clean;
	int rc = 0;

	*text_r = NULL;
	if (text == NULL)
		return 0;
	clean = party_clean(text, TEXT_MAX_BYTES);
	if (in_words || strchr(clean, '@') != NULL)
		rc = load_names(tx, id, n, &names, err);
	for (size_t i = 0; i < names.n; i++)
		names.name[i].in_words = in_words && names.name[i].n > 0;
	buf_init(&out, 4 * TEXT_MAX_BYTES);
	if (rc == 0) {
		party_hide(clean, names.name, names.n, &out);
		hide_ses_id(&out, ses_id);
		*text_r = buf_take(&out);
	}
	buf_free(&out);
	free_names(&names);
	free(clean);
	return rc;
}

int
record_storable_of(struct journal_tx *tx, const struct uuid *id, unsigned n,
    const char *text, char **text_r, struct err *err)
{
	return storable(tx, id, n, text, true, NULL, text_r, err);
}

/* Outcomes. */

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
	sqlite3_stmt *stmt = stmt_for(tx, SQL_OUTCOME);

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
	return run(tx, stmt, err);
}

static int
apply_outcome(struct journal_tx *tx, const struct uuid *id, unsigned n,
    const struct record_outcome *o, struct err *err)
{
	struct buf detail;
	char *reply;
	int rc;

	if (storable(tx, id, n, o->reply, false, o->ses_id, &reply, err) == -1)
		return -1;
	buf_init(&detail, DETAIL_MAX_BYTES);
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

/* Arrivals. */

struct arrival {
	struct record_arrival *a;
	struct uuid proposed;
	struct numbering *numbers; /* of this message's recipients */
	struct buf offered;	   /* numbers in this arrival, as JSON */
	struct buf added;	   /* commitments of new recipients, as JSON */
	unsigned last_n;
};

static int
find_digest(struct journal_tx *tx, struct record_arrival *a, struct err *err)
{
	sqlite3_stmt *stmt = stmt_for(tx, SQL_FIND_DIGEST);
	enum db_result result;
	const void *id;
	size_t len;

	db_bind_blob(stmt, 1, a->digest, SHA256_LEN);
	db_bind_int(stmt, 2, journal_tx_at(tx) - a->repeat_window_us);
	result = db_step(journal_tx_db(tx), stmt, err);
	if (result == DB_ROW) {
		id = db_blob(stmt, 0, &len);
		if (len == UUID_LEN) {
			memcpy(a->id.bytes, id, UUID_LEN);
			a->known = true;
		}
	}
	db_reset(stmt);
	return result == DB_ROW || result == DB_DONE ? 0 : -1;
}

static int
put_digest(
    struct journal_tx *tx, const struct record_arrival *a, struct err *err)
{
	sqlite3_stmt *stmt = stmt_for(tx, SQL_PUT_DIGEST);

	db_bind_blob(stmt, 1, a->digest, SHA256_LEN);
	db_bind_blob(stmt, 2, a->id.bytes, UUID_LEN);
	db_bind_int(stmt, 3, journal_tx_at(tx));
	return run(tx, stmt, err);
}

/* The next message behind the mark, if it is older than the window. */
struct old_message {
	unsigned char id[UUID_LEN];
	unsigned char digest[SHA256_LEN];
	bool has_digest;
};

static int
next_old(struct journal_tx *tx, const unsigned char mark[UUID_LEN],
    int64_t before, struct old_message *old, struct err *err)
{
	sqlite3_stmt *stmt = stmt_for(tx, SQL_NEXT_MESSAGE);
	enum db_result result;
	const void *p;
	size_t len;
	int rc = 0;

	db_bind_blob(stmt, 1, mark, UUID_LEN);
	result = db_step(journal_tx_db(tx), stmt, err);
	if (result == DB_ROW && db_int(stmt, 2) < before) {
		if ((p = db_blob(stmt, 0, &len)) != NULL && len == UUID_LEN) {
			memcpy(old->id, p, UUID_LEN);
			rc = 1;
		}
		p = db_blob(stmt, 1, &len);
		old->has_digest = p != NULL && len == SHA256_LEN;
		if (old->has_digest)
			memcpy(old->digest, p, SHA256_LEN);
	}
	db_reset(stmt);
	return result == DB_ROW || result == DB_DONE ? rc : -1;
}

static int
drop_digest(
    struct journal_tx *tx, const struct old_message *old, struct err *err)
{
	sqlite3_stmt *stmt;

	if (!old->has_digest)
		return 0;
	stmt = stmt_for(tx, SQL_DROP_DIGEST);
	db_bind_blob(stmt, 1, old->digest, SHA256_LEN);
	db_bind_blob(stmt, 2, old->id, UUID_LEN);
	return run(tx, stmt, err);
}

static int
read_mark(struct journal_tx *tx, unsigned char mark[UUID_LEN], struct err *err)
{
	sqlite3_stmt *stmt = stmt_for(tx, SQL_GET_MARK);
	enum db_result result = db_step(journal_tx_db(tx), stmt, err);
	const void *p;
	size_t len;

	memset(mark, 0, UUID_LEN);
	if (result == DB_ROW && (p = db_blob(stmt, 0, &len)) != NULL &&
	    len == UUID_LEN)
		memcpy(mark, p, UUID_LEN);
	db_reset(stmt);
	return result == DB_ROW || result == DB_DONE ? 0 : -1;
}

/*
 * Messages lie in the order of time, digests do not: so old digests are
 * found by following the messages, from a mark on.
 */
static int
clear_old_digests(
    struct journal_tx *tx, const struct record_arrival *a, struct err *err)
{
	int64_t before = journal_tx_at(tx) - a->repeat_window_us;
	unsigned char mark[UUID_LEN];
	struct old_message old;
	sqlite3_stmt *stmt;
	int rc, done = 0;

	if (read_mark(tx, mark, err) == -1)
		return -1;
	while (done < DIGESTS_A_STEP) {
		rc = next_old(tx, mark, before, &old, err);
		if (rc == -1 || (rc == 1 && drop_digest(tx, &old, err) == -1))
			return -1;
		if (rc == 0)
			break;
		memcpy(mark, old.id, UUID_LEN);
		done++;
	}
	if (done == 0)
		return 0;
	stmt = stmt_for(tx, SQL_PUT_MARK);
	db_bind_blob(stmt, 1, mark, UUID_LEN);
	return run(tx, stmt, err);
}

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

	if (add_party(tx, &v->a->id, n, "recipient", address, &commitment,
		err) == -1)
		return -1;
	(void)snprintf(key, sizeof(key), "%u", n);
	json_add_string(&v->added, key, commitment);
	free(commitment);
	numbering_add(v->numbers, address, n);
	stmt = stmt_for(tx, SQL_ADD_DELIVERY);
	db_bind_blob(stmt, 1, v->a->id.bytes, UUID_LEN);
	db_bind_int(stmt, 2, n);
	db_bind_int(stmt, 3, journal_tx_at(tx));
	return run(tx, stmt, err);
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
		r->state = state_from(db_text(stmt, 0));
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
	char *address = party_clean(r->address, TEXT_MAX_BYTES);
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

static int
add_message(struct journal_tx *tx, const struct record_arrival *a,
    const char *message_id, const unsigned char *salt, const char *repairs,
    struct err *err)
{
	sqlite3_stmt *stmt = stmt_for(tx, SQL_ADD_MESSAGE);
	char *queue_ids = party_clean(a->queue_ids, TEXT_MAX_BYTES);
	int rc;

	db_bind_blob(stmt, 1, a->id.bytes, UUID_LEN);
	db_bind_int(stmt, 2, journal_tx_at(tx));
	db_bind_blob(stmt, 3, a->digest, SHA256_LEN);
	db_bind_int(stmt, 4, (int64_t)a->size);
	db_bind_text(stmt, 5, queue_ids);
	db_bind_text(stmt, 6, message_id);
	db_bind_blob(stmt, 7, message_id != NULL ? salt : NULL,
	    COMMITMENT_SALT_LEN);
	db_bind_text(stmt, 8, repairs);
	rc = run(tx, stmt, err);
	free(queue_ids);
	return rc;
}

/* Message-IDs may carry their author's address: committed to, like a party. */
static int
message_detail(struct journal_tx *tx, const struct record_arrival *a,
    struct buf *detail, struct err *err)
{
	char *id = party_clean(a->message_id, TEXT_MAX_BYTES);
	unsigned char salt[COMMITMENT_SALT_LEN];
	char *digest, *commitment = NULL, *repairs = NULL;
	int rc;

	if (a->digest != NULL) {
		digest = base64_text(a->digest, SHA256_LEN);
		json_add_string(detail, "digest", digest);
		free(digest);
	}
	if (a->size > 0)
		json_add_int(detail, "size", (int64_t)a->size);
	json_add_string(detail, "queue_ids", a->queue_ids);
	if (id != NULL)
		commitment = party_commit(id, salt);
	json_add_string(detail, "message_id", commitment);
	rc = storable(tx, &a->id, 0, a->repairs, false, NULL, &repairs, err);
	json_add_string(detail, "repairs", repairs);
	if (rc == 0)
		rc = add_message(tx, a, id, salt, repairs, err);
	free(repairs);
	free(commitment);
	free(id);
	return rc;
}

static bool
differs(const char *a, const char *b)
{
	return a != NULL && (b == NULL || strcasecmp(a, b) != 0);
}

static int
new_message(struct journal_tx *tx, const struct record_arrival *a,
    struct buf *detail, struct err *err)
{
	if (add_own(tx, &a->id, "sender", a->sender, detail, err) == -1 ||
	    add_own(tx, &a->id, "rewritten", a->rewritten, detail, err) == -1)
		return -1;
	if (differs(a->original, a->sender) &&
	    add_own(tx, &a->id, "original", a->original, detail, err) == -1)
		return -1;
	if (differs(a->from, a->sender) &&
	    add_own(tx, &a->id, "from", a->from, detail, err) == -1)
		return -1;
	if (add_own(tx, &a->id, "client", a->client, detail, err) == -1 ||
	    add_own(tx, &a->id, "user", a->user, detail, err) == -1)
		return -1;
	return message_detail(tx, a, detail, err);
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
			rc = apply_outcome(tx, &v->a->id, r->n, &o, err);
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

	buf_init(&detail, DETAIL_MAX_BYTES);
	json_open(&detail, '{');
	if (!a->known)
		rc = new_message(tx, a, &detail, err);
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

static int
arrive(struct journal_tx *tx, struct arrival *v, struct err *err)
{
	struct record_arrival *a = v->a;

	a->id = v->proposed;
	a->known = false;
	if (a->digest != NULL && find_digest(tx, a, err) == -1)
		return -1;
	if (number_rcpts(tx, v, err) == -1 ||
	    append_arrival(tx, v, err) == -1 ||
	    append_rcpt_rows(tx, v, err) == -1)
		return -1;
	if (a->digest != NULL && !a->known && put_digest(tx, a, err) == -1)
		return -1;
	return clear_old_digests(tx, a, err);
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
	buf_init(&v.offered, DETAIL_MAX_BYTES);
	buf_init(&v.added, DETAIL_MAX_BYTES);
	rc = journal_do(j, arrival_op, &v, deadline_us, err);
	for (size_t i = 0; rc == -1 && i < a->nrcpts; i++)
		forget_rcpt(&a->rcpts[i]);
	buf_free(&v.offered);
	buf_free(&v.added);
	return rc;
}

/* Dots. */

struct sending {
	const struct uuid *id;
	unsigned n, attempt;
	bool counts;
};

static int
sending_op(struct journal_tx *tx, void *arg, struct err *err)
{
	const struct sending *s = arg;
	sqlite3_stmt *stmt;
	char detail[64];

	(void)snprintf(detail, sizeof(detail), "{\"attempt\":%u%s}", s->attempt,
	    s->counts ? "" : ",\"counts\":0");
	if (journal_append(
		tx, "sending", s->id, s->n, detail, NULL, err) == -1)
		return -1;
	stmt = stmt_for(tx, SQL_SENDING);
	db_bind_int(stmt, 1, s->attempt);
	db_bind_int(stmt, 2, journal_tx_at(tx));
	db_bind_blob(stmt, 3, s->id->bytes, UUID_LEN);
	db_bind_int(stmt, 4, s->n);
	return run(tx, stmt, err);
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
		if (apply_outcome(tx, v->id, v->n[i], &v->o[i], err) == -1)
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
