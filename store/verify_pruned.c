/* SPDX-License-Identifier: BSD-2-Clause */
#include "config.h"

#include "store/verify_pruned.h"

/*
 * The scratch database has:
 *
 *	file		the files, from which row to which, and the last one's
 *			chain
 *	said		what rows `pruned` say
 *	listed		what the tables `pruned` say
 *
 * The journal's table has all that was ever pruned; an archive's what had been
 * pruned before it, in files that end before it does: also where an archive
 * takes the place of one that was lost, since both have one end. So rows of
 * later files can tell of an archive's table.
 */
static const char work_tables[] =
    "CREATE TABLE file (path, first_seq, last_seq, last_chain, archive);"
    "CREATE TABLE said (seq INTEGER PRIMARY KEY, last_seq, last_chain, "
    "archive);"
    "CREATE TABLE listed (path, seq, last_seq, last_chain, archive)";

/* Bound: ?1 path, ?2 first_seq, ?3 last_seq, ?4 last_chain, ?5 archive. */
enum { SQL_SAID, SQL_FILE, SQL_LISTED };
static const char *const take_text[] = {
	[SQL_SAID] =
	    "INSERT OR IGNORE INTO said SELECT seq, "
	    "json_extract(detail, '$.last_seq'), "
	    "json_extract(detail, '$.last_chain'), "
	    "json_extract(detail, '$.archive') FROM (SELECT seq, "
	    "CASE WHEN json_valid(detail) THEN detail ELSE '{}' END AS detail "
	    "FROM other.journal WHERE seq = ?)",
	[SQL_FILE] = "INSERT INTO file VALUES (?1, ?2, ?3, lower(hex(?4)), ?5)",
	[SQL_LISTED] = ("INSERT INTO listed SELECT ?1, seq, last_seq, "
			"lower(hex(last_chain)), archive FROM other.pruned"),
};
static const struct db_sql take_sql = { DB_SLOT_DIGEST,
	sizeof(take_text) / sizeof(*take_text), take_text };

/*
 * What a prune has not taken out yet are the last of the rows that it may. ?1
 * bound.
 */
static const char *const left_text[] = {
	"SELECT seq, 'row ' || seq || ': it was pruned, and is there again' "
	"FROM (SELECT j.seq FROM other.journal j "
	"LEFT JOIN other.journal next ON next.seq = j.seq + 1 "
	"WHERE j.seq < ?1 AND next.seq IS NULL "
	"UNION ALL SELECT j.seq FROM other.journal j JOIN other.pruned p "
	"ON p.last_seq = j.seq WHERE j.chain IS NOT p.last_chain)",
};
static const struct db_sql left_sql = { DB_SLOT_TEXT, 1, left_text };

#define SAME_PRUNE(a, b)                                                 \
	a ".seq = " b ".seq AND " a ".last_seq IS " b ".last_seq AND " a \
	  ".last_chain IS " b ".last_chain AND " a ".archive IS " b ".archive"

/* Each row is a fault. */
static const char *const end_text[] = {
	"SELECT l.seq, 'row ' || l.seq || ': `pruned` in ' || l.path || "
	"' says of it what the journal does not' "
	"FROM listed l WHERE NOT EXISTS "
	"(SELECT 1 FROM said s WHERE " SAME_PRUNE("s", "l") ") "
	"AND EXISTS (SELECT 1 FROM file f WHERE l.seq BETWEEN f.first_seq "
	"AND f.last_seq OR NOT f.archive AND l.seq > f.last_seq)",

	"SELECT s.seq, '`pruned` in ' || f.path || "
	"' does not say what row ' || s.seq || ' says' FROM said s, file f "
	"WHERE (NOT f.archive OR s.last_seq < f.last_seq) "
	"AND NOT EXISTS (SELECT 1 FROM listed l "
	"WHERE l.path = f.path AND " SAME_PRUNE("s", "l") ")",

	"SELECT l.last_seq, '`pruned` in ' || l.path || ' has row ' || "
	"l.last_seq || ' as the last of an archive, which it is not' "
	"FROM listed l WHERE EXISTS (SELECT 1 FROM file f "
	"WHERE l.last_seq BETWEEN f.first_seq AND f.last_seq) "
	"AND NOT EXISTS (SELECT 1 FROM file f WHERE f.archive "
	"AND f.last_seq = l.last_seq AND f.last_chain = l.last_chain)",

	"SELECT f.last_seq, '`pruned` in ' || later.path || "
	"' does not have row ' || f.last_seq || ', the last of an archive' "
	"FROM file f JOIN file later ON later.first_seq > f.last_seq "
	"OR NOT later.archive AND later.path IS NOT f.path "
	"WHERE f.archive AND NOT EXISTS (SELECT 1 FROM listed l "
	"WHERE l.path = later.path AND l.last_seq = f.last_seq)",
};
static const struct db_sql end_sql = { DB_SLOT_TEXT,
	sizeof(end_text) / sizeof(*end_text), end_text };

/* The journal would have the rows. Bound as for verify_compare. */
static const char *const open_text[] = {
	"SELECT count(*) FROM listed WHERE ?3 AND seq > ?2"
};
static const struct db_sql open_sql = { DB_SLOT_TEXT, 1, open_text };

int
verify_pruned_begin(struct db *db, struct err *err)
{
	return db_exec(db, work_tables, err);
}

int
verify_pruned_attached(struct db *db, struct err *err)
{
	return db_prepare(db, &take_sql, err);
}

int
verify_pruned_row(struct db *db, int64_t seq, struct err *err)
{
	sqlite3_stmt *stmt = db_stmt(db, &take_sql, SQL_SAID);

	db_bind_int(stmt, 1, seq);
	return db_run(db, stmt, err);
}

static int
note_file(struct db *db, const struct verify_file *file, struct err *err)
{
	sqlite3_stmt *stmt = db_stmt(db, &take_sql, SQL_FILE);

	db_bind_text(stmt, 1, file->path);
	db_bind_int(stmt, 2, file->first_seq);
	db_bind_int(stmt, 3, file->span.last_seq);
	db_bind_blob(stmt, 4, file->last_chain, CHAIN_LEN);
	db_bind_int(stmt, 5, file->span.archive);
	return db_run(db, stmt, err);
}

int
verify_pruned_part(struct db *db, const struct verify_file *file,
    verify_fault *fault, void *arg, struct err *err)
{
	sqlite3_stmt *stmt;

	if (note_file(db, file, err) == -1)
		return -1;
	stmt = db_stmt(db, &take_sql, SQL_LISTED);
	db_bind_text(stmt, 1, file->path);
	return db_run(db, stmt, err) == 0
	    ? verify_compare(db, &left_sql, &file->span, fault, arg, err)
	    : -1;
}

int
verify_pruned_end(struct db *db, const struct verify_span *span,
    int64_t *open_r, verify_fault *fault, void *arg, struct err *err)
{
	sqlite3_stmt *stmt;

	if (verify_compare(db, &end_sql, NULL, fault, arg, err) == -1 ||
	    db_prepare(db, &open_sql, err) == -1)
		return -1;
	stmt = db_stmt(db, &open_sql, 0);
	db_bind_int(stmt, 2, span->last_seq);
	db_bind_int(stmt, 3, span->archive);
	return db_step_int(db, stmt, open_r, err) == DB_ROW ? 0 : -1;
}
