/* SPDX-License-Identifier: BSD-2-Clause */
#include "config.h"

#include "store/report.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/clock.h"
#include "core/mem.h"
#include "core/utf8.h"
#include "store/db.h"
#include "store/report_times.h"

/*
 * message, party and delivery are kept in the order of message ids, which is
 * that of time (UUIDv7), so three cursors walk along together and nothing is
 * looked up. An id is given out shortly before received_at; SLACK_US is more
 * than that can be.
 */
#define HOUR_US (3600 * US_PER_SEC)
#define DAY_US (24 * HOUR_US)
#define SLACK_US DAY_US
#define HOURS_UP_TO_US (3 * DAY_US)
#define SLOTS_MAX 40000
#define REASON_MAX 400

enum { SQL_MESSAGES, SQL_PARTIES, SQL_DELIVERIES };
static const char *const sql_text[] = {
	[SQL_MESSAGES] = "SELECT id, received_at, size FROM message "
			 "WHERE id >= ? AND id < ? ORDER BY id",
	[SQL_PARTIES] = "SELECT message, n, role, value FROM party "
			"WHERE message >= ? AND message < ? "
			"ORDER BY message, n, role",
	[SQL_DELIVERIES] = "SELECT message, n, state, attempts, code, dsn, "
			   "reply, feedback, sent_at FROM delivery "
			   "WHERE message >= ? AND message < ? "
			   "ORDER BY message, n",
};
static const struct db_sql sql = { DB_SLOT_OTHER,
	sizeof(sql_text) / sizeof(*sql_text), sql_text };

struct cursor {
	sqlite3_stmt *stmt;
	enum db_result result;
};

struct walk {
	struct db *db;
	struct report *report;
	struct cursor messages, parties, deliveries;
	char *sender; /* of the message at hand; NULL: erased */
	bool original;
};

static int
next(struct walk *w, struct cursor *c, struct err *err)
{
	c->result = db_step(w->db, c->stmt, err);
	return c->result == DB_ROW || c->result == DB_DONE ? 0 : -1;
}

static int
begin(struct walk *w, struct cursor *c, size_t which, const struct uuid *from,
    const struct uuid *to, struct err *err)
{
	c->stmt = db_stmt(w->db, &sql, which);
	db_bind_blob(c->stmt, 1, from->bytes, UUID_LEN);
	db_bind_blob(c->stmt, 2, to->bytes, UUID_LEN);
	return next(w, c, err);
}

/* How the cursor's row stands to a message: before it, at it, behind it. */
static int
compare(const struct cursor *c, const struct uuid *message)
{
	const void *id;
	size_t len;

	if (c->result != DB_ROW)
		return 1;
	id = db_blob(c->stmt, 0, &len);
	return len == UUID_LEN ? memcmp(id, message->bytes, UUID_LEN) : -1;
}

/* `original` comes before `sender` in the alphabet, and goes before it here. */
static void
take_sender(struct walk *w)
{
	const char *role = db_text(w->parties.stmt, 2);
	bool original = strcmp(role, "original") == 0;

	if (!original && (w->original || strcmp(role, "sender") != 0))
		return;
	free(w->sender);
	w->sender = db_text_dup(w->parties.stmt, 3);
	w->original = original;
}

/* The message's own parties, up to its recipients. */
static int
read_sender(struct walk *w, const struct uuid *message, struct err *err)
{
	int order;

	free(w->sender);
	w->sender = NULL;
	w->original = false;
	while ((order = compare(&w->parties, message)) < 0 ||
	       (order == 0 && db_int(w->parties.stmt, 1) == 0)) {
		if (order == 0)
			take_sender(w);
		if (next(w, &w->parties, err) == -1)
			return -1;
	}
	return 0;
}

/* The recipient's address, NULL when erased; good until the next step. */
static int
read_recipient(struct walk *w, const struct uuid *message, int64_t n,
    const char **recipient_r, struct err *err)
{
	*recipient_r = NULL;
	while (compare(&w->parties, message) == 0 &&
	       db_int(w->parties.stmt, 1) < n)
		if (next(w, &w->parties, err) == -1)
			return -1;
	if (compare(&w->parties, message) == 0 &&
	    db_int(w->parties.stmt, 1) == n)
		*recipient_r = db_text(w->parties.stmt, 3);
	return 0;
}

/* Code and words; numbers that differ from one reply to the next become #. */
static void
name_reason(sqlite3_stmt *d, char name[REASON_MAX])
{
	const char *reply = db_text(d, 6), *dsn = db_text(d, 5);
	size_t len, n, digits;

	(void)snprintf(name, REASON_MAX, "%lld %s ", (long long)db_int(d, 4),
	    dsn != NULL ? dsn : "");
	len = strlen(name);
	for (const char *p = reply; p != NULL && *p != '\0'; len += n) {
		digits = strspn(p, "0123456789");
		n = digits > 1 ? 1 : utf8_char(p, strnlen(p, 4));
		if (n == 0 || len + n >= REASON_MAX)
			break;
		memcpy(name + len, digits > 1 ? "#" : p, n);
		p += digits > 1 ? digits : n;
	}
	name[len] = '\0';
}

static void
count_reason(struct report *r, sqlite3_stmt *d, const char *state)
{
	bool refused = strcmp(state, "refused") == 0;
	struct tally_row *row;
	char name[REASON_MAX];

	if ((!refused && strcmp(state, "deferred") != 0) || db_int(d, 4) == 0)
		return;
	name_reason(d, name);
	row = tally_at(r->reasons, name);
	row->n[OUTCOME_DELIVERIES]++;
	row->n[refused ? OUTCOME_REFUSED : OUTCOME_DEFERRED]++;
}

static void
note_doubt(struct report *r, const struct uuid *message, sqlite3_stmt *d,
    int64_t received_at, const char *recipient)
{
	struct report_doubt *doubt;

	if (r->ndoubts == REPORT_DOUBTS_MAX)
		return;
	doubt = &r->doubts[r->ndoubts++];
	doubt->message = *message;
	doubt->n = (unsigned)db_int(d, 1);
	doubt->received_at = received_at;
	doubt->recipient = mem_strdup(recipient);
	doubt->reply = db_text_dup(d, 6);
}

static const char *
domain_of(const char *recipient)
{
	const char *at = recipient != NULL ? strrchr(recipient, '@') : NULL;

	return recipient == NULL ? "(erased)" : at != NULL ? at + 1 : recipient;
}

static const char *
name_sender(const char *sender)
{
	return sender == NULL ? "(erased)" : *sender == '\0' ? "<>" : sender;
}

static void
count_delivery(struct walk *w, const struct uuid *message, int64_t received_at,
    const char *recipient)
{
	sqlite3_stmt *d = w->deliveries.stmt;
	struct report *r = w->report;
	const char *state = db_text(d, 2), *feedback = db_text(d, 7);
	int64_t attempts = db_int(d, 3), sent_at = db_int(d, 8);
	size_t slot = (size_t)((received_at - r->slots[0].at) / r->slot_us);

	outcome_count(r->total, state, feedback, attempts);
	outcome_count(r->slots[slot].n, state, feedback, attempts);
	outcome_count(tally_at(r->senders, name_sender(w->sender))->n, state,
	    feedback, attempts);
	outcome_count(tally_at(r->domains, domain_of(recipient))->n, state,
	    feedback, attempts);
	count_reason(r, d, state);
	if (strcmp(state, "doubtful") == 0)
		note_doubt(r, message, d, received_at, recipient);
	if (strcmp(state, "sent") == 0 && sent_at != 0)
		histogram_add(
		    &r->phase[REPORT_ACCEPTED], sent_at - received_at);
}

/* The deliveries of the message that the first cursor stands at. */
static int
count_message(struct walk *w, struct err *err)
{
	sqlite3_stmt *m = w->messages.stmt;
	int64_t received_at = db_int(m, 1);
	const char *recipient;
	struct uuid message;
	const void *id;
	size_t len;
	bool within = received_at >= w->report->since_us &&
		      received_at < w->report->until_us;

	id = db_blob(m, 0, &len);
	if (len != UUID_LEN)
		return 0;
	memcpy(message.bytes, id, UUID_LEN);
	if (within) {
		w->report->messages++;
		w->report->bytes += db_int(m, 2);
		if (read_sender(w, &message, err) == -1)
			return -1;
	}
	while (compare(&w->deliveries, &message) <= 0) {
		if (within && compare(&w->deliveries, &message) == 0) {
			if (read_recipient(w, &message,
				db_int(w->deliveries.stmt, 1), &recipient,
				err) == -1)
				return -1;
			count_delivery(w, &message, received_at, recipient);
		}
		if (next(w, &w->deliveries, err) == -1)
			return -1;
	}
	return 0;
}

static int
walk_tables(struct walk *w, struct err *err)
{
	struct uuid from = uuid_at_us(w->report->since_us - SLACK_US);
	struct uuid to = uuid_at_us(w->report->until_us + SLACK_US);

	if (begin(w, &w->messages, SQL_MESSAGES, &from, &to, err) == -1 ||
	    begin(w, &w->parties, SQL_PARTIES, &from, &to, err) == -1 ||
	    begin(w, &w->deliveries, SQL_DELIVERIES, &from, &to, err) == -1)
		return -1;
	while (w->messages.result == DB_ROW)
		if (count_message(w, err) == -1 ||
		    next(w, &w->messages, err) == -1)
			return -1;
	return 0;
}

/* One transaction, so that the three cursors see one state of the journal. */
static int
read_tables(const char *journal_path, struct report *r, struct err *err)
{
	struct walk w = { .report = r };
	int rc = -1;

	w.db = db_open_journal(journal_path, err);
	if (w.db != NULL && db_prepare(w.db, &sql, err) == 0 &&
	    db_exec(w.db, "BEGIN", err) == 0)
		rc = walk_tables(&w, err);
	free(w.sender);
	db_close(w.db);
	return rc;
}

static int
make_slots(struct report *r, struct err *err)
{
	int64_t first;

	r->slot_us =
	    r->until_us - r->since_us <= HOURS_UP_TO_US ? HOUR_US : DAY_US;
	first = r->since_us - r->since_us % r->slot_us;
	r->nslots = (size_t)((r->until_us - 1 - first) / r->slot_us) + 1;
	if (r->nslots > SLOTS_MAX)
		return err_set(err, ERR_CONFIG, "too long a period");
	r->slots = mem_array(r->nslots, sizeof(*r->slots));
	for (size_t i = 0; i < r->nslots; i++)
		r->slots[i].at = first + (int64_t)i * r->slot_us;
	return 0;
}

struct report *
report_new(const char *journal_path, int64_t since_us, int64_t until_us,
    struct err *err)
{
	struct report *r = mem_new(sizeof(*r));

	r->since_us = since_us;
	r->until_us = until_us;
	r->senders = tally_new();
	r->domains = tally_new();
	r->reasons = tally_new();
	if (make_slots(r, err) == 0 && read_tables(journal_path, r, err) == 0 &&
	    report_times(journal_path, r, err) == 0)
		return r;
	report_free(r);
	return NULL;
}

void
report_free(struct report *r)
{
	if (r == NULL)
		return;
	for (size_t i = 0; i < r->ndoubts; i++) {
		free(r->doubts[i].recipient);
		free(r->doubts[i].reply);
	}
	tally_free(r->senders);
	tally_free(r->domains);
	tally_free(r->reasons);
	free(r->slots);
	free(r);
}
