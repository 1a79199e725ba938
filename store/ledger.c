/* SPDX-License-Identifier: BSD-2-Clause */
#include "config.h"

#include "store/ledger.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "core/clock.h"
#include "core/mem.h"
#include "store/db.h"
#include "store/journal.h"

/*
 * The journal is walked backwards, from its end until rows are too old to
 * matter. Within one boot a row's age is told by mono, which no step of the
 * wall clock can touch. Where one boot gives way to another, only the wall
 * clock tells how long the machine was down: the difference between the last
 * `at` before and the first one after, which is never negative. So a wall clock
 * that came up behind makes recipients count longer, never shorter.
 *
 * An outcome is met before the `sending` row of its attempt. It is kept in a
 * table until then; `sent` whose `sending` lies beyond the end of the walk
 * counts, since that is the safe side.
 */
enum fate { FATE_NONE, FATE_SENT, FATE_GIVEN_BACK };

struct attempt {
	unsigned char message[UUID_LEN];
	int64_t n, number;
	enum fate fate; /* FATE_NONE: the slot is free */
	bool met;	/* its `sending` row has been met */
	int64_t until;
};

struct walk {
	struct attempt *slots;
	size_t cap, used;
	int64_t window_us, doubt_us;
	int64_t now;
	int64_t boot, mono, at; /* of the row met last (later in time) */
	int64_t shift;		/* its mono plus this is in today's clock */
	int (*fn)(void *, int64_t);
	void *arg;
	int stopped;
};

enum { SQL_WALK };
static const char *const sql_text[] = {
	[SQL_WALK] =
	    "SELECT at, boot, mono, event, message, n, "
	    "CASE WHEN event IN ('sending', 'sent', 'deferred', 'refused') "
	    "THEN json_extract(detail, '$.attempt') END, "
	    "CASE event WHEN 'sending' "
	    "THEN json_extract(detail, '$.counts') END "
	    "FROM journal ORDER BY seq DESC",
};
static const struct db_sql sql = { DB_SLOT_OTHER, 1, sql_text };

static struct attempt *
slot_for(const struct walk *w, const unsigned char *message, int64_t n,
    int64_t number)
{
	uint64_t h = 14695981039346656037u; /* FNV-1a */
	struct attempt *a;
	size_t i;

	for (i = 0; i < UUID_LEN; i++)
		h = (h ^ message[i]) * 1099511628211u;
	h = (h ^ (uint64_t)n) * 1099511628211u;
	h = (h ^ (uint64_t)number) * 1099511628211u;
	for (i = (size_t)(h ^ h >> 32) & (w->cap - 1);;
	     i = (i + 1) & (w->cap - 1)) {
		a = &w->slots[i];
		if (a->fate == FATE_NONE ||
		    (a->n == n && a->number == number &&
			memcmp(a->message, message, UUID_LEN) == 0))
			return a;
	}
}

static void
set_capacity(struct walk *w, size_t cap)
{
	struct attempt *old = w->slots;
	size_t n = w->cap;

	w->slots = mem_array(cap, sizeof(*w->slots));
	w->cap = cap;
	for (size_t i = 0; i < n; i++)
		if (old[i].fate != FATE_NONE)
			*slot_for(w, old[i].message, old[i].n, old[i].number) =
			    old[i];
	free(old);
}

static void
report(struct walk *w, int64_t until)
{
	if (w->stopped == 0 && until > w->now)
		w->stopped = w->fn(w->arg, until);
}

/* The row's time in today's clock. */
static int64_t
row_time(struct walk *w, int64_t at, int64_t boot, int64_t mono)
{
	int64_t gap;

	if (boot != w->boot) {
		gap = w->at > at ? w->at - at : 0;
		w->shift += w->mono - gap - mono;
		w->boot = boot;
	}
	w->at = at;
	w->mono = mono;
	return mono + w->shift;
}

static void
meet_outcome(struct walk *w, enum fate fate, const unsigned char *message,
    int64_t n, int64_t number, int64_t time)
{
	struct attempt *a;

	if (number == 0)
		return;
	if (2 * (w->used + 1) > w->cap)
		set_capacity(w, 2 * w->cap);
	a = slot_for(w, message, n, number);
	if (a->fate != FATE_NONE)
		return; /* a later word about the same dot holds */
	w->used++;
	memcpy(a->message, message, UUID_LEN);
	a->n = n;
	a->number = number;
	a->fate = fate;
	a->until = time + w->window_us;
}

static void
meet_sending(struct walk *w, const unsigned char *message, int64_t n,
    int64_t number, bool counts, int64_t time)
{
	struct attempt *a = slot_for(w, message, n, number);

	if (a->fate != FATE_NONE)
		a->met = true;
	if (!counts)
		return;
	if (a->fate == FATE_SENT)
		report(w, a->until);
	else if (a->fate == FATE_NONE)
		report(w, time + LEDGER_DOT_LAG_US + w->doubt_us +
			w->window_us);
}

static void
meet_row(struct walk *w, sqlite3_stmt *stmt, int64_t time)
{
	const char *event = db_text(stmt, 3);
	int64_t n = db_int(stmt, 5), number = db_int(stmt, 6);
	const void *message;
	size_t len;

	message = db_blob(stmt, 4, &len);
	if (event == NULL || message == NULL || len != UUID_LEN)
		return;
	if (strcmp(event, "sending") == 0)
		meet_sending(w, message, n, number,
		    sqlite3_column_type(stmt, 7) == SQLITE_NULL, time);
	else if (strcmp(event, "sent") == 0)
		meet_outcome(w, FATE_SENT, message, n, number, time);
	else if (strcmp(event, "deferred") == 0 ||
	    strcmp(event, "refused") == 0)
		meet_outcome(w, FATE_GIVEN_BACK, message, n, number, time);
}

static int
walk(struct walk *w, struct db *db, struct err *err)
{
	sqlite3_stmt *stmt = db_stmt(db, &sql, SQL_WALK);
	enum db_result result;
	int64_t time, horizon;

	horizon = w->now - w->window_us - w->doubt_us - LEDGER_DOT_LAG_US;
	while ((result = db_step(db, stmt, err)) == DB_ROW) {
		time = row_time(
		    w, db_int(stmt, 0), db_int(stmt, 1), db_int(stmt, 2));
		if (time < horizon || w->stopped != 0)
			break;
		meet_row(w, stmt, time);
	}
	db_reset(stmt);
	return result == DB_ROW || result == DB_DONE ? 0 : -1;
}

/* Now, as if it were a row written at this moment. */
static void
start(struct walk *w)
{
	w->now = w->mono = clock_mono_us();
	w->at = clock_wall_us();
	w->boot = clock_boot_id();
	set_capacity(w, 1024);
}

int
ledger_read(const char *path, int64_t window_us, int64_t doubt_us,
    int (*fn)(void *arg, int64_t until_mono_us), void *arg, struct err *err)
{
	struct walk w = { .window_us = window_us,
		.doubt_us = doubt_us,
		.fn = fn,
		.arg = arg };
	struct db *db = db_open_journal(path, err);
	int rc = -1;

	if (db == NULL)
		return -1;
	start(&w);
	if (db_prepare(db, &sql, err) == 0)
		rc = walk(&w, db, err);
	for (size_t i = 0; rc == 0 && i < w.cap; i++)
		if (w.slots[i].fate == FATE_SENT && !w.slots[i].met)
			report(&w, w.slots[i].until);
	free(w.slots);
	db_close(db);
	return rc;
}
