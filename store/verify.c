/* SPDX-License-Identifier: BSD-2-Clause */
#include "config.h"

#include "store/verify.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/mem.h"
#include "store/db.h"
#include "store/verify_chain.h"
#include "store/verify_pruned.h"
#include "store/verify_schema.h"
#include "store/verify_tables.h"

#define ROW_MAX_BYTES (size_t)(1024 * 1024 * 1024)

/* Rows that prune has archived and not taken out yet are none of a file's own. */
static const char *const span_text[] = {
	"SELECT (SELECT coalesce(max(last_seq), 0) FROM other.pruned), "
	"(SELECT min(seq) FROM other.journal WHERE seq > "
	"(SELECT coalesce(max(last_seq), 0) FROM other.pruned)), "
	"(SELECT max(seq) FROM other.journal), "
	"EXISTS (SELECT 1 FROM other.mark WHERE name = 'archive'), "
	"(SELECT CAST(CAST(value AS TEXT) AS INTEGER) FROM other.mark "
	"WHERE name = 'archive')",
};
static const struct db_sql span_sql = { DB_SLOT_OTHER, 1, span_text };

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

static void
count_fault(void *arg, int64_t seq, const char *words)
{
	struct verify_walk *w = arg;

	w->result->faults++;
	w->fault(w->arg, seq, words);
}

static struct verify_span
span_of(const struct part *p)
{
	return (struct verify_span){ p->bound, p->last_seq, p->archive };
}

static int
prepare(struct db *db, struct err *err)
{
	return db_prepare(db, &span_sql, err) == 0
	    ? verify_chain_prepare(db, err)
	    : -1;
}

static int
read_span(struct db *db, struct part *p, struct err *err)
{
	sqlite3_stmt *stmt = db_stmt(db, &span_sql, 0);
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
check_mark(struct verify_walk *w, const struct part *p)
{
	if (p->archive && p->as_of < p->last_seq)
		verify_tell(w, 0,
		    "%s: its mark is not one that an archive gets", p->path);
}

static int
check_part(struct verify_walk *w, struct part *p, struct err *err)
{
	struct verify_file file = { .path = p->path };

	if (prepare(w->db, err) == -1 ||
	    verify_pruned_attached(w->db, err) == -1 ||
	    read_span(w->db, p, err) == -1 ||
	    verify_chain_rows(w, p->bound, p->first_seq, err) == -1)
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
with_part(struct verify_walk *w, struct part *p,
    int (*fn)(struct verify_walk *, struct part *, struct err *),
    struct err *err)
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
look_at_part(struct verify_walk *w, struct part *p, struct err *err)
{
	if (prepare(w->db, err) == -1)
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
check_kind(struct verify_walk *w, const struct part *p, bool last)
{
	if (p->live && p->marked)
		verify_tell(w, 0,
		    "%s is marked as an archive, and is the journal: `mark` "
		    "was changed",
		    p->path);
	if (!p->live && !p->archive && (!last || w->ask->live))
		verify_tell(w, 0, "%s is not marked as an archive", p->path);
	if (p->archive && p->first_seq == 0)
		verify_tell(w, 0,
		    "%s is marked as an archive, and has no rows", p->path);
}

/* What all of them together have to tell. */
static int
check_end(struct verify_walk *w, const struct part *last, struct err *err)
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
check_parts(
    struct verify_walk *w, struct part *parts, size_t n, struct err *err)
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
	verify_chain_end(w);
	w->result->archive = parts[n - 1].archive;
	return check_end(w, &parts[n - 1], err);
}

int
verify_journal(const char *const *paths, size_t n,
    const struct verify_ask *ask,
    void (*fault)(void *arg, int64_t seq, const char *words), void *arg,
    struct verify_result *result, struct err *err)
{
	struct verify_walk w = { .ask = ask,
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
