/* SPDX-License-Identifier: BSD-2-Clause */
#include "config.h"

#include "store/verify_chain.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "store/verify_pruned.h"

/*
 * Each row is checked against the chain that the row before it carries, not
 * against one computed from the start: so a fault is named where it is, and one
 * changed row is one fault. Whoever changes a row and everything after it is
 * found by a head that was noted elsewhere.
 */

enum { SQL_ROWS, SQL_PRUNED };
static const char *const sql_text[] = {
	[SQL_ROWS] = "SELECT seq, at, boot, mono, event, message, n, detail, "
		     "chain FROM other.journal WHERE seq > ? ORDER BY seq",
	[SQL_PRUNED] = "SELECT last_chain FROM other.pruned "
		       "WHERE last_seq = ?",
};
static const struct db_sql sql = { DB_SLOT_JOURNAL,
	sizeof(sql_text) / sizeof(*sql_text), sql_text };

void
verify_tell(struct verify_walk *w, int64_t seq, const char *fmt, ...)
{
	char words[256];
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(words, sizeof(words), fmt, ap);
	va_end(ap);
	w->result->faults++;
	w->fault(w->arg, seq, words);
}

int
verify_chain_prepare(struct db *db, struct err *err)
{
	return db_prepare(db, &sql, err);
}

/* What its own `pruned` says of the row before its first: 1, 0 nothing, -1. */
static int
load_pruned(struct verify_walk *w, int64_t seq, struct err *err)
{
	sqlite3_stmt *stmt = db_stmt(w->db, &sql, SQL_PRUNED);
	enum db_result result;
	const void *chain;
	size_t len;
	int rc = 0;

	db_bind_int(stmt, 1, seq);
	result = db_step(w->db, stmt, err);
	chain = db_blob(stmt, 0, &len);
	if (result == DB_ROW && len == CHAIN_LEN) {
		memcpy(w->previous, chain, CHAIN_LEN);
		rc = 1;
	}
	db_reset(stmt);
	return result == DB_ROW || result == DB_DONE ? rc : -1;
}

static void
check_head(struct verify_walk *w, int64_t seq,
    const unsigned char chain[CHAIN_LEN])
{
	if (seq != w->ask->head_seq)
		return;
	w->head_met = true;
	if (memcmp(chain, w->ask->head_chain, CHAIN_LEN) != 0)
		verify_tell(w, seq,
		    "row %" PRId64 " is not the one whose head was noted: it, "
		    "or what stands before it, was written anew",
		    seq);
}

/*
 * What stands before a file's first row: zeros, the file before it, or what
 * prune has noted.
 */
static int
begin(struct verify_walk *w, int64_t first_seq, struct err *err)
{
	int64_t next = w->result->last_seq + 1;
	bool first = w->result->rows == 0;
	int rc;

	if (first) {
		memset(w->previous, 0, CHAIN_LEN);
		w->result->first_seq = first_seq;
	}
	if (first_seq <= next) {
		if (first_seq < next)
			verify_tell(w, first_seq,
			    "rows from %" PRId64 " on are in two of the files",
			    first_seq);
		w->result->last_seq = first_seq - 1;
		return 0;
	}
	rc = load_pruned(w, first_seq - 1, err);
	if (rc == 1)
		check_head(w, first_seq - 1, w->previous);
	if (rc == 0)
		verify_tell(w, first_seq,
		    "rows %" PRId64 " to %" PRId64
		    " are missing, and were not pruned",
		    next, first_seq - 1);
	else if (rc == 1 && (!first || w->ask->from_start))
		verify_tell(w, first_seq,
		    "rows %" PRId64 " to %" PRId64
		    " are in an archive that was not named",
		    next, first_seq - 1);
	w->result->last_seq = first_seq - 1;
	return rc == -1 ? -1 : 0;
}

static void
check_sequence(struct verify_walk *w, int64_t seq, int64_t at)
{
	int64_t expected = w->result->last_seq + 1;

	if (seq != expected)
		verify_tell(w, seq,
		    seq == expected + 1
			? "row %" PRId64 " is missing"
			: "rows %" PRId64 " and following are missing",
		    expected);
	if (at < w->last_at)
		verify_tell(w, seq,
		    "row %" PRId64 " is older than the one before it", seq);
	w->last_at = at;
}

static void
check_row(struct verify_walk *w, sqlite3_stmt *stmt)
{
	struct chain_row row = { .seq = db_int(stmt, 0),
		.at = db_int(stmt, 1),
		.boot = db_int(stmt, 2),
		.mono = db_int(stmt, 3),
		.n = db_int(stmt, 6) };
	unsigned char computed[CHAIN_LEN];
	const void *stored;
	size_t len;

	row.event = db_blob(stmt, 4, &row.event_len);
	row.message = db_blob(stmt, 5, &row.message_len);
	row.detail = db_blob(stmt, 7, &row.detail_len);
	check_sequence(w, row.seq, row.at);
	chain_next(w->previous, &row, &w->scratch, computed);
	stored = db_blob(stmt, 8, &len);
	if (len != CHAIN_LEN || memcmp(stored, computed, CHAIN_LEN) != 0)
		verify_tell(w, row.seq,
		    "row %" PRId64 " does not follow from the one before it: "
		    "one of them was changed, or rows were put in or taken out",
		    row.seq);
	if (len == CHAIN_LEN)
		memcpy(w->previous, stored, CHAIN_LEN);
	check_head(w, row.seq, w->previous);
	w->result->rows++;
	w->result->last_seq = row.seq;
}

static bool
is_prune(sqlite3_stmt *row)
{
	const char *event = db_text(row, 4);

	return event != NULL && strcmp(event, "pruned") == 0;
}

int
verify_chain_rows(
    struct verify_walk *w, int64_t bound, int64_t first_seq, struct err *err)
{
	sqlite3_stmt *stmt;
	enum db_result result;

	if (first_seq == 0)
		return 0;
	if (begin(w, first_seq, err) == -1)
		return -1;
	stmt = db_stmt(w->db, &sql, SQL_ROWS);
	db_bind_int(stmt, 1, bound);
	while ((result = db_step(w->db, stmt, err)) == DB_ROW) {
		check_row(w, stmt);
		if (is_prune(stmt) &&
		    verify_pruned_row(w->db, db_int(stmt, 0), err) == -1)
			break;
	}
	db_reset(stmt);
	return result == DB_DONE ? 0 : -1;
}

void
verify_chain_end(struct verify_walk *w)
{
	memcpy(w->result->head, w->previous, CHAIN_LEN);
	if (w->ask->head_seq == 0 || w->head_met)
		return;
	if (w->ask->head_seq > w->result->last_seq)
		verify_tell(w, w->result->last_seq,
		    "the journal ends at row %" PRId64
		    ", but reached %" PRId64
		    " once: its tail was cut off",
		    w->result->last_seq, w->ask->head_seq);
	else
		verify_tell(w, 0,
		    "row %" PRId64 ", whose head was noted, is not in this "
		    "journal any more: name the archive that has it",
		    w->ask->head_seq);
}
