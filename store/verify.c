/* SPDX-License-Identifier: BSD-2-Clause */
#include "config.h"

#include "store/verify.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "store/db.h"
#include "store/journal.h"
#include "store/verify_tables.h"

/*
 * Each row is checked against the chain that the row before it carries, not
 * against one computed from the start: so a fault is named where it is, and one
 * changed row is one fault. Whoever changes a row and everything after it is
 * found by a head that was noted elsewhere.
 */
#define ROW_MAX_BYTES (size_t)(1024 * 1024 * 1024)

enum { SQL_ROWS, SQL_PRUNED };

static const char *const sql_text[] = {
	[SQL_ROWS] = "SELECT seq, at, boot, mono, event, message, n, detail, "
		     "chain FROM journal ORDER BY seq",
	[SQL_PRUNED] = "SELECT last_chain FROM pruned WHERE last_seq = ?",
};

static const struct db_sql sql = { DB_SLOT_OTHER,
	sizeof(sql_text) / sizeof(*sql_text), sql_text };

struct walk {
	struct db *db;
	const struct verify_ask *ask;
	struct verify_result *result;
	void (*fault)(void *, int64_t, const char *);
	void *arg;
	struct buf scratch;
	unsigned char previous[CHAIN_LEN];
	int64_t last_at;
	bool head_met;
};

static void __attribute__((format(printf, 3, 4)))
tell(struct walk *w, int64_t seq, const char *fmt, ...)
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
verify_parse_head(const char *text, struct verify_ask *ask, struct err *err)
{
	char *end;

	errno = 0;
	ask->head_seq = strtoll(text, &end, 10);
	if (errno != 0 || ask->head_seq <= 0 || *end != ':' ||
	    chain_parse(end + 1, ask->head_chain) == -1)
		return err_set(err, ERR_CONFIG,
		    "a head is SEQ:HASH, a number and 64 hexadecimal digits");
	return 0;
}

/* What stands before the first row: zeros, or what prune has archived. */
static int
begin(struct walk *w, int64_t first_seq, struct err *err)
{
	sqlite3_stmt *stmt;
	enum db_result result;
	const void *chain;
	size_t len;

	memset(w->previous, 0, CHAIN_LEN);
	w->result->first_seq = first_seq;
	if (first_seq == 1)
		return 0;
	stmt = db_stmt(w->db, &sql, SQL_PRUNED);
	db_bind_int(stmt, 1, first_seq - 1);
	result = db_step(w->db, stmt, err);
	chain = db_blob(stmt, 0, &len);
	if (result == DB_ROW && len == CHAIN_LEN)
		memcpy(w->previous, chain, CHAIN_LEN);
	else if (result != DB_BUSY && result != DB_FAILED)
		tell(w, first_seq,
		    "rows 1 to %" PRId64 " are missing, and were not pruned",
		    first_seq - 1);
	db_reset(stmt);
	return result == DB_ROW || result == DB_DONE ? 0 : -1;
}

static void
check_sequence(struct walk *w, int64_t seq, int64_t at)
{
	int64_t expected = w->result->last_seq + 1;

	if (w->result->rows > 0 && seq != expected)
		tell(w, seq, seq == expected + 1 ? "row %" PRId64 " is missing"
						 : "rows %" PRId64
						   " and following are missing",
		    expected);
	if (at < w->last_at)
		tell(w, seq, "row %" PRId64 " is older than the one before it",
		    seq);
	w->last_at = at;
}

static void
check_head(struct walk *w, int64_t seq, const unsigned char chain[CHAIN_LEN])
{
	if (seq != w->ask->head_seq)
		return;
	w->head_met = true;
	if (memcmp(chain, w->ask->head_chain, CHAIN_LEN) != 0)
		tell(w, seq,
		    "row %" PRId64 " is not the one whose head was noted: it, "
		    "or what stands before it, was written anew",
		    seq);
}

static void
check_row(struct walk *w, sqlite3_stmt *stmt)
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
		tell(w, row.seq,
		    "row %" PRId64 " does not follow from the one before it: "
		    "one of them was changed, or rows were put in or taken out",
		    row.seq);
	if (len == CHAIN_LEN)
		memcpy(w->previous, stored, CHAIN_LEN);
	check_head(w, row.seq, w->previous);
	w->result->rows++;
	w->result->last_seq = row.seq;
}

static int
walk_rows(struct walk *w, struct err *err)
{
	sqlite3_stmt *stmt = db_stmt(w->db, &sql, SQL_ROWS);
	enum db_result result;

	while ((result = db_step(w->db, stmt, err)) == DB_ROW) {
		if (w->result->rows == 0 &&
		    begin(w, db_int(stmt, 0), err) == -1)
			break;
		check_row(w, stmt);
	}
	db_reset(stmt);
	return result == DB_DONE ? 0 : -1;
}

/* A head below the first row lies in an archive. */
static void
check_tail(struct walk *w)
{
	memcpy(w->result->head, w->previous, CHAIN_LEN);
	if (w->ask->head_seq == 0 || w->head_met)
		return;
	if (w->ask->head_seq > w->result->last_seq)
		tell(w, w->result->last_seq,
		    "the journal ends at row %" PRId64
		    ", but reached %" PRId64
		    " once: its tail was cut off",
		    w->result->last_seq, w->ask->head_seq);
	else
		tell(w, 0,
		    "row %" PRId64 ", whose head was noted, is not in this "
		    "journal any more",
		    w->ask->head_seq);
}


static void
count_fault(void *arg, int64_t seq, const char *words)
{
	struct walk *w = arg;

	w->result->faults++;
	w->fault(w->arg, seq, words);
}

int
verify_journal(const char *path, const struct verify_ask *ask,
    void (*fault)(void *arg, int64_t seq, const char *words), void *arg,
    struct verify_result *result, struct err *err)
{
	struct walk w = { .ask = ask,
		.result = result,
		.fault = fault,
		.arg = arg };
	int rc = -1;

	memset(result, 0, sizeof(*result));
	w.db = db_open_journal(path, err);
	if (w.db == NULL)
		return -1;
	buf_init(&w.scratch, ROW_MAX_BYTES);
	if (db_exec(w.db, "BEGIN", err) == 0 &&
	    db_prepare(w.db, &sql, err) == 0 && walk_rows(&w, err) == 0) {
		check_tail(&w);
		rc = ask->projections
		    ? verify_tables(w.db, count_fault, &w, err)
		    : 0;
	}
	buf_free(&w.scratch);
	db_close(w.db);
	return rc;
}
