/* SPDX-License-Identifier: BSD-2-Clause */
#include "config.h"

#include "store/verify.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/mem.h"
#include "store/db.h"
#include "store/journal.h"
#include "store/verify_pruned.h"
#include "store/verify_schema.h"
#include "store/verify_tables.h"

/*
 * Each row is checked against the chain that the row before it carries, not
 * against one computed from the start: so a fault is named where it is, and one
 * changed row is one fault. Whoever changes a row and everything after it is
 * found by a head that was noted elsewhere.
 */
#define ROW_MAX_BYTES (size_t)(1024 * 1024 * 1024)

enum { SQL_SPAN, SQL_ROWS, SQL_PRUNED };

/* Rows that prune has archived and not taken out yet are none of a file's own. */
static const char *const sql_text[] = {
	[SQL_SPAN] =
	    "SELECT (SELECT coalesce(max(last_seq), 0) FROM other.pruned), "
	    "(SELECT min(seq) FROM other.journal WHERE seq > "
	    "(SELECT coalesce(max(last_seq), 0) FROM other.pruned)), "
	    "(SELECT max(seq) FROM other.journal), "
	    "EXISTS (SELECT 1 FROM other.mark WHERE name = 'archive'), "
	    "(SELECT CAST(CAST(value AS TEXT) AS INTEGER) FROM other.mark "
	    "WHERE name = 'archive')",
	[SQL_ROWS] = "SELECT seq, at, boot, mono, event, message, n, detail, "
		     "chain FROM other.journal WHERE seq > ? ORDER BY seq",
	[SQL_PRUNED] = "SELECT last_chain FROM other.pruned "
		       "WHERE last_seq = ?",
};

static const struct db_sql sql = { DB_SLOT_JOURNAL,
	sizeof(sql_text) / sizeof(*sql_text), sql_text };

/* One of the files: what it has to say, and where it lies in the chain. */
struct part {
	const char *path;
	int64_t bound;	   /* up to here it was pruned */
	int64_t first_seq; /* after that; 0: it has no rows */
	int64_t last_seq;
	bool live;	   /* the journal, by the configuration */
	bool marked;	   /* it says that it is an archive */
	bool archive;	   /* the chain goes on elsewhere */
	int64_t as_of;	   /* and had this row when it was made */
};

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

/* What its own `pruned` says of the row before its first: 1, 0 nothing, -1. */
static int
load_pruned(struct walk *w, int64_t seq, struct err *err)
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

/*
 * What stands before a file's first row: zeros, the file before it, or what
 * prune has noted.
 */
static int
begin(struct walk *w, const struct part *p, struct err *err)
{
	int64_t next = w->result->last_seq + 1;
	bool first = w->result->rows == 0;
	int rc;

	if (first) {
		memset(w->previous, 0, CHAIN_LEN);
		w->result->first_seq = p->first_seq;
	}
	if (p->first_seq <= next) {
		if (p->first_seq < next)
			tell(w, p->first_seq,
			    "rows from %" PRId64 " on are in two of the files",
			    p->first_seq);
		w->result->last_seq = p->first_seq - 1;
		return 0;
	}
	rc = load_pruned(w, p->first_seq - 1, err);
	if (rc == 1)
		check_head(w, p->first_seq - 1, w->previous);
	if (rc == 0)
		tell(w, p->first_seq,
		    "rows %" PRId64 " to %" PRId64
		    " are missing, and were not pruned",
		    next, p->first_seq - 1);
	else if (rc == 1 && (!first || w->ask->from_start))
		tell(w, p->first_seq,
		    "rows %" PRId64 " to %" PRId64
		    " are in an archive that was not named",
		    next, p->first_seq - 1);
	w->result->last_seq = p->first_seq - 1;
	return rc == -1 ? -1 : 0;
}

static void
check_sequence(struct walk *w, int64_t seq, int64_t at)
{
	int64_t expected = w->result->last_seq + 1;

	if (seq != expected)
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

static bool
is_prune(sqlite3_stmt *row)
{
	const char *event = db_text(row, 4);

	return event != NULL && strcmp(event, "pruned") == 0;
}

static int
walk_rows(struct walk *w, const struct part *p, struct err *err)
{
	sqlite3_stmt *stmt;
	enum db_result result;

	if (p->first_seq == 0)
		return 0;
	if (begin(w, p, err) == -1)
		return -1;
	stmt = db_stmt(w->db, &sql, SQL_ROWS);
	db_bind_int(stmt, 1, p->bound);
	while ((result = db_step(w->db, stmt, err)) == DB_ROW) {
		check_row(w, stmt);
		if (is_prune(stmt) &&
		    verify_pruned_row(w->db, db_int(stmt, 0), err) == -1)
			break;
	}
	db_reset(stmt);
	return result == DB_DONE ? 0 : -1;
}

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
		    "journal any more: name the archive that has it",
		    w->ask->head_seq);
}

static void
count_fault(void *arg, int64_t seq, const char *words)
{
	struct walk *w = arg;

	w->result->faults++;
	w->fault(w->arg, seq, words);
}

static struct verify_span
span_of(const struct part *p)
{
	return (struct verify_span){ p->bound, p->last_seq, p->archive };
}

static int
read_span(struct db *db, struct part *p, struct err *err)
{
	sqlite3_stmt *stmt = db_stmt(db, &sql, SQL_SPAN);
	enum db_result result = db_step(db, stmt, err);

	if (result == DB_ROW) {
		p->bound = db_int(stmt, 0);
		p->first_seq = db_int(stmt, 1);
		p->last_seq = db_int(stmt, 2);
		p->marked = db_int(stmt, 3) != 0;
		p->archive = p->marked && !p->live;
		p->as_of = db_int(stmt, 4);
	}
	db_reset(stmt);
	return result == DB_ROW ? 0 : -1;
}

/* `mark` has the journal's last row when the archive was made. */
static void
check_mark(struct walk *w, const struct part *p)
{
	if (p->archive && p->as_of < p->last_seq)
		tell(w, 0, "%s: its mark is not one that an archive gets",
		    p->path);
}

static int
check_part(struct walk *w, struct part *p, struct err *err)
{
	struct verify_file file = { .path = p->path };

	if (db_prepare(w->db, &sql, err) == -1 ||
	    verify_pruned_attached(w->db, err) == -1 ||
	    read_span(w->db, p, err) == -1 || walk_rows(w, p, err) == -1)
		return -1;
	check_mark(w, p);
	file.span = span_of(p);
	file.first_seq = p->first_seq;
	memcpy(file.last_chain, w->previous, CHAIN_LEN);
	if (verify_pruned_part(w->db, &file, count_fault, w, err) == -1)
		return -1;
	if (!w->ask->projections)
		return 0;
	return verify_schema_part(w->db, count_fault, w, err) == 0
	    ? verify_tables_part(w->db, &file.span, count_fault, w, err)
	    : -1;
}

/* With a file attached, and in one transaction: 0, or -1 and err. */
static int
with_part(struct walk *w, struct part *p,
    int (*fn)(struct walk *, struct part *, struct err *), struct err *err)
{
	struct err ignored;
	int rc;

	if (db_attach(w->db, p->path, err) == -1)
		return -1;
	rc = db_exec(w->db, "BEGIN", err);
	if (rc == 0)
		rc = fn(w, p, err);
	if (rc == -1)
		(void)err_context(err, "%s", p->path);
	(void)db_exec(w->db, rc == 0 ? "COMMIT" : "ROLLBACK", &ignored);
	db_detach(w->db);
	return rc;
}

static int
look_at_part(struct walk *w, struct part *p, struct err *err)
{
	if (db_prepare(w->db, &sql, err) == -1)
		return -1;
	return read_span(w->db, p, err);
}

/* The journal comes last, even if it has lost all of its rows. */
static int
by_place(const void *a, const void *b)
{
	const struct part *p = a, *q = b;

	if (p->live != q->live)
		return p->live ? 1 : -1;
	return p->first_seq < q->first_seq ? -1 : p->first_seq > q->first_seq;
}

/* A file's own word decides only where nobody else knows. */
static void
check_kind(struct walk *w, const struct part *p, bool last)
{
	if (p->live && p->marked)
		tell(w, 0,
		    "%s is marked as an archive, and is the journal: `mark` "
		    "was changed",
		    p->path);
	if (!p->live && !p->archive && (!last || w->ask->live))
		tell(w, 0, "%s is not marked as an archive", p->path);
	if (p->archive && p->first_seq == 0)
		tell(w, 0, "%s is marked as an archive, and has no rows",
		    p->path);
}

/* What all of them together have to tell. */
static int
check_end(struct walk *w, const struct part *last, struct err *err)
{
	struct verify_span span = span_of(last);
	struct verify_open *open = &w->result->open;
	int64_t prunes;

	span.last_seq = w->result->last_seq;
	if (verify_pruned_end(w->db, &span, &prunes, count_fault, w, err) == -1 ||
	    (w->ask->projections &&
		verify_tables_end(w->db, &span, open, count_fault, w, err) ==
		    -1))
		return -1;
	open->others += prunes;
	return 0;
}

/* In the chain's order. */
static int
check_parts(struct walk *w, struct part *parts, size_t n, struct err *err)
{
	for (size_t i = 0; i < n; i++)
		if (with_part(w, &parts[i], look_at_part, err) == -1)
			return -1;
	qsort(parts, n, sizeof(*parts), by_place);
	for (size_t i = 0; i < n; i++)
		check_kind(w, &parts[i], i == n - 1);
	if (verify_pruned_begin(w->db, err) == -1)
		return -1;
	if (w->ask->projections &&
	    (verify_schema_begin(w->db, err) == -1 ||
		verify_tables_begin(w->db, err) == -1))
		return -1;
	for (size_t i = 0; i < n; i++)
		if (with_part(w, &parts[i], check_part, err) == -1)
			return -1;
	check_tail(w);
	w->result->archive = parts[n - 1].archive;
	return check_end(w, &parts[n - 1], err);
}

int
verify_journal(const char *const *paths, size_t n,
    const struct verify_ask *ask,
    void (*fault)(void *arg, int64_t seq, const char *words), void *arg,
    struct verify_result *result, struct err *err)
{
	struct walk w = { .ask = ask,
		.result = result,
		.fault = fault,
		.arg = arg };
	struct part *parts = mem_array(n, sizeof(*parts));
	int rc = -1;

	memset(result, 0, sizeof(*result));
	for (size_t i = 0; i < n; i++)
		parts[i].path = paths[i];
	parts[0].live = ask->live;
	buf_init(&w.scratch, ROW_MAX_BYTES);
	w.db = db_open_scratch(err);
	if (w.db != NULL)
		rc = check_parts(&w, parts, n, err);
	buf_free(&w.scratch);
	db_close(w.db);
	free(parts);
	return rc;
}
