/* SPDX-License-Identifier: BSD-2-Clause */
#include "config.h"

#include "store/prune_parts.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "core/clock.h"

/*
 * What is written: ops on the journal's thread, between the mail. Each is small
 * so that nobody waits for it for long.
 */
#define ROWS_A_STEP 500

#define BOUND_AT "(SELECT at FROM journal WHERE seq = " PRUNE_BOUND ")"

/* What the row `pruned` of the prune that is unfinished allows. */
#define MAY_BE_UNSETTLED                                                  \
	"EXISTS (SELECT 1 FROM pruned p JOIN journal j ON j.seq = p.seq " \
	"WHERE p.last_seq = " PRUNE_BOUND                                       \
	" AND json_extract(j.detail, '$.unsettled'))"

enum {
	SQL_BOUND,
	SQL_FIRST,
	SQL_LAST,
	SQL_INTO,
	SQL_SINCE,
	SQL_MAY_GO,
	SQL_NOTE_GONE,
	SQL_GONE,
	SQL_GOING,
	SQL_DROP_DIGEST,
	SQL_DROP_ERASED,
	SQL_DROP_PARTIES,
	SQL_DROP_DELIVERIES,
	SQL_DROP_EVENTS,
	SQL_DROP_MESSAGE,
	SQL_DROP_SUPPRESSIONS,
	SQL_DROP_UNMATCHED,
	SQL_DROP_ROWS
};

static const char *const sql_text[] = {
	[SQL_BOUND] = "SELECT coalesce(" PRUNE_BOUND ", 0)",
	[SQL_FIRST] = "SELECT coalesce(min(seq), 1) FROM journal",
	[SQL_LAST] = "SELECT coalesce(max(seq), 0) FROM journal",
	[SQL_INTO] = "SELECT 1 FROM pruned WHERE last_seq = ?1 "
		     "AND last_chain = ?2 AND last_seq = " PRUNE_BOUND,
	[SQL_SINCE] = "SELECT message FROM journal WHERE seq > ? "
		      "AND message IS NOT NULL",
	/* Rows that a reader has seen no table may tell of. */
	[SQL_MAY_GO] =
	    "SELECT 1 FROM message m WHERE id = ?1 "
	    "AND received_at <= " BOUND_AT " "
	    "AND NOT EXISTS (SELECT 1 FROM delivery WHERE message = ?1 "
	    "AND (updated_at > " BOUND_AT " OR (state IN ('waiting', "
	    "'sending', 'doubtful') AND NOT " MAY_BE_UNSETTLED "))) "
	    "AND NOT EXISTS (SELECT 1 FROM event "
	    "WHERE message = ?1 AND seq > " PRUNE_BOUND ") "
	    "AND NOT EXISTS (SELECT 1 FROM digest d WHERE d.digest = m.digest "
	    "AND d.message = ?1 AND d.at > " BOUND_AT ")",
	[SQL_NOTE_GONE] =
	    "INSERT INTO mark (name, value) VALUES ('prune', "
	    "CAST(" PRUNE_BOUND " AS BLOB)) "
	    "ON CONFLICT (name) DO UPDATE SET value = excluded.value",
	[SQL_GONE] = "SELECT 1 FROM mark WHERE name = 'prune' "
		     "AND value = CAST(" PRUNE_BOUND " AS BLOB)",
	[SQL_GOING] = "SELECT seq, chain FROM journal WHERE seq < ?1 "
		      "AND seq <= " PRUNE_BOUND " ORDER BY seq",
	[SQL_DROP_DIGEST] = "DELETE FROM digest WHERE message = ?1 "
			    "AND digest = (SELECT digest FROM message "
			    "WHERE id = ?1)",
	[SQL_DROP_ERASED] = "DELETE FROM erased WHERE message = ?",
	[SQL_DROP_PARTIES] = "DELETE FROM party WHERE message = ?",
	[SQL_DROP_DELIVERIES] = "DELETE FROM delivery WHERE message = ?",
	[SQL_DROP_EVENTS] = "DELETE FROM event WHERE message = ?",
	[SQL_DROP_MESSAGE] = "DELETE FROM message WHERE id = ?",
	/* Those that were in force at the bound are looked up at each RCPT. */
	[SQL_DROP_SUPPRESSIONS] =
	    "DELETE FROM suppression WHERE seq < ?1 AND seq <= " PRUNE_BOUND
	    " AND until < " BOUND_AT,
	[SQL_DROP_UNMATCHED] =
	    "DELETE FROM unmatched WHERE seq < ?1 AND seq <= " PRUNE_BOUND,
	[SQL_DROP_ROWS] =
	    "DELETE FROM journal WHERE seq < ?1 AND seq <= " PRUNE_BOUND,
};

const struct db_sql prune_sql = { DB_SLOT_PRUNE,
	sizeof(sql_text) / sizeof(*sql_text), sql_text };

int
prune_get_int(struct db *db, const struct db_sql *sql, size_t which,
    int64_t *value_r, struct err *err)
{
	sqlite3_stmt *stmt = db_stmt(db, sql, which);

	return db_step_int(db, stmt, value_r, err) == DB_ROW ? 0 : -1;
}

int
prune_looked_in_vain(struct err *err)
{
	return err_context(
	    err, "whoever writes the journal looks at the archive first");
}

/* Messages may be none. */
int
prune_look_at_archive(const char *file, const struct uuid *ids, size_t n,
    struct archive *archive_r, struct err *err)
{
	return archive_has(file, ids, n, archive_r, err) == 0
	    ? 0
	    : prune_looked_in_vain(err);
}

/* That the prune which is unfinished, or the last one, is into this archive. */
static int
check_archive(struct db *db, const struct archive *a, struct err *err)
{
	sqlite3_stmt *stmt = db_stmt(db, &prune_sql, SQL_INTO);
	enum db_result result;

	db_bind_int(stmt, 1, a->last_seq);
	db_bind_blob(stmt, 2, a->last_chain, CHAIN_LEN);
	result = db_step(db, stmt, err);
	db_reset(stmt);
	if (result == DB_DONE)
		return err_set(
		    err, ERR_STATE, "no prune into that archive has begun");
	return result == DB_ROW ? 0 : -1;
}

struct batch {
	struct archive archive;
	const struct prune_lot *lot;
	struct uuid since[PRUNE_ROWS_BEHIND]; /* sorted: they have later rows */
	size_t nsince;
	struct prune_step step;
};

static int
by_id(const void *a, const void *b)
{
	return memcmp(a, b, UUID_LEN);
}

static int
read_since(struct db *db, struct batch *b, struct err *err)
{
	sqlite3_stmt *stmt = db_stmt(db, &prune_sql, SQL_SINCE);
	enum db_result result;
	const void *id;
	size_t len;

	b->nsince = 0;
	db_bind_int(stmt, 1, b->lot->as_of);
	while ((result = db_step(db, stmt, err)) == DB_ROW &&
	    b->nsince < PRUNE_ROWS_BEHIND)
		if ((id = db_blob(stmt, 0, &len)) != NULL && len == UUID_LEN)
			memcpy(b->since[b->nsince++].bytes, id, UUID_LEN);
	db_reset(stmt);
	if (result != DB_DONE)
		return -1;
	qsort(b->since, b->nsince, sizeof(*b->since), by_id);
	return 0;
}

static int
may_go(struct db *db, const struct batch *b, const struct uuid *id,
    struct err *err)
{
	sqlite3_stmt *stmt;
	enum db_result result;

	if (bsearch(id, b->since, b->nsince, sizeof(*b->since), by_id) != NULL)
		return 0;
	stmt = db_stmt(db, &prune_sql, SQL_MAY_GO);
	db_bind_blob(stmt, 1, id->bytes, UUID_LEN);
	result = db_step(db, stmt, err);
	db_reset(stmt);
	return result == DB_ROW ? 1 : result == DB_DONE ? 0 : -1;
}

static int
drop_message(struct db *db, const struct uuid *id, struct err *err)
{
	sqlite3_stmt *stmt;

	for (size_t i = SQL_DROP_DIGEST; i <= SQL_DROP_MESSAGE; i++) {
		stmt = db_stmt(db, &prune_sql, i);
		db_bind_blob(stmt, 1, id->bytes, UUID_LEN);
		if (db_run(db, stmt, err) == -1)
			return -1;
	}
	return 0;
}

static int
drop_lot(struct db *db, const struct batch *b, struct err *err)
{
	const struct prune_lot *lot = b->lot;
	int rc;

	for (size_t i = 0; i < lot->n; i++) {
		rc = may_go(db, b, &lot->ids[i], err);
		if (rc == -1 ||
		    (rc == 1 && drop_message(db, &lot->ids[i], err) == -1))
			return -1;
	}
	return lot->last
	    ? db_run(db, db_stmt(db, &prune_sql, SQL_NOTE_GONE), err)
	    : 0;
}

static int
messages_op(struct journal_tx *tx, void *arg, struct err *err)
{
	struct db *db = journal_tx_db(tx);
	int64_t first, bound, last, began = clock_mono_us();
	struct batch *b = arg;
	const struct prune_lot *lot = b->lot;

	if (prune_get_int(db, &prune_sql, SQL_FIRST, &first, err) == -1 ||
	    prune_get_int(db, &prune_sql, SQL_BOUND, &bound, err) == -1 ||
	    prune_get_int(db, &prune_sql, SQL_LAST, &last, err) == -1)
		return -1;
	if (first > bound)
		return err_set(err, ERR_STATE, "no prune is unfinished");
	if (check_archive(db, &b->archive, err) == -1)
		return -1;
	if (lot->n > PRUNE_MESSAGES_MAX || lot->as_of < 0 || lot->as_of > last)
		return err_set(err, ERR_STATE,
		    "no such messages: %zu as of row %" PRId64, lot->n,
		    lot->as_of);
	b->step.again = last - lot->as_of > PRUNE_ROWS_BEHIND;
	if (b->step.again)
		return 0;
	if (read_since(db, b, err) == -1 || drop_lot(db, b, err) == -1)
		return -1;
	b->step.busy_us = clock_mono_us() - began;
	return 0;
}

int
prune_messages(struct journal *j, const char *file,
    const struct prune_lot *lot, struct prune_step *step, int64_t deadline_us,
    struct err *err)
{
	struct batch b = { .lot = lot };
	int rc;

	if (prune_look_at_archive(file, lot->ids, lot->n, &b.archive, err) == -1)
		return -1;
	rc = journal_try(j, messages_op, &b, deadline_us, err);
	*step = b.step;
	return rc;
}

static int
drop_before(struct db *db, size_t which, int64_t seq, struct err *err)
{
	sqlite3_stmt *stmt = db_stmt(db, &prune_sql, which);

	db_bind_int(stmt, 1, seq);
	return db_run(db, stmt, err);
}

/* The archive's rows from the journal's first on, by their chains. */
struct rows {
	struct archive archive;
	int64_t first;
	unsigned char chains[ROWS_A_STEP][CHAIN_LEN];
	size_t n;
	struct prune_step step;
};

static int
check_messages_gone(struct db *db, struct err *err)
{
	sqlite3_stmt *stmt = db_stmt(db, &prune_sql, SQL_GONE);
	enum db_result result = db_step(db, stmt, err);

	db_reset(stmt);
	if (result == DB_DONE)
		return err_set(err, ERR_STATE,
		    "the archive's messages have to go before its rows");
	return result == DB_ROW ? 0 : -1;
}

static bool
has_row(const struct rows *rows, int64_t seq, const void *chain, size_t len)
{
	return (size_t)(seq - rows->first) < rows->n && len == CHAIN_LEN &&
	    memcmp(rows->chains[seq - rows->first], chain, len) == 0;
}

static int
check_rows(struct db *db, const struct rows *rows, struct err *err)
{
	sqlite3_stmt *stmt = db_stmt(db, &prune_sql, SQL_GOING);
	enum db_result result;
	const void *chain;
	int64_t seq = 0;
	size_t len;

	db_bind_int(stmt, 1, rows->first + ROWS_A_STEP);
	while ((result = db_step(db, stmt, err)) == DB_ROW) {
		seq = db_int(stmt, 0);
		chain = db_blob(stmt, 1, &len);
		if (!has_row(rows, seq, chain, len))
			break;
	}
	db_reset(stmt);
	if (result == DB_ROW)
		return err_set(err, ERR_STATE,
		    "the archive does not have row %" PRId64
		    " as the journal has it",
		    seq);
	return result == DB_DONE ? 0 : -1;
}

/* 1, or 0 when another step has dropped these by now. */
static int
may_drop_rows(struct db *db, const struct rows *rows, int64_t first,
    struct err *err)
{
	if (check_archive(db, &rows->archive, err) == -1)
		return -1;
	if (first != rows->first)
		return 0;
	return check_rows(db, rows, err) == 0 &&
		check_messages_gone(db, err) == 0
	    ? 1
	    : -1;
}

static int
drop_all(struct db *db, int64_t seq, struct err *err)
{
	return drop_before(db, SQL_DROP_SUPPRESSIONS, seq, err) == 0 &&
		drop_before(db, SQL_DROP_UNMATCHED, seq, err) == 0
	    ? drop_before(db, SQL_DROP_ROWS, seq, err)
	    : -1;
}

static int
rows_op(struct journal_tx *tx, void *arg, struct err *err)
{
	struct db *db = journal_tx_db(tx);
	int64_t first, bound, began = clock_mono_us();
	struct rows *rows = arg;
	int rc;

	if (prune_get_int(db, &prune_sql, SQL_FIRST, &first, err) == -1 ||
	    prune_get_int(db, &prune_sql, SQL_BOUND, &bound, err) == -1)
		return -1;
	rc = may_drop_rows(db, rows, first, err);
	if (rc == -1 ||
	    (rc == 1 && drop_all(db, first + ROWS_A_STEP, err) == -1))
		return -1;
	if (rc == 1)
		first += ROWS_A_STEP;
	rows->step.again = first <= bound;
	rows->step.busy_us = clock_mono_us() - began;
	return 0;
}

int
prune_rows(struct journal *j, const char *file, struct prune_step *step,
    int64_t deadline_us, struct err *err)
{
	struct rows rows = { .n = 0 };
	struct prune_state s;

	if (prune_state(journal_path(j), &s, err) == -1)
		return -1;
	free(s.archive);
	rows.first = s.first_seq;
	if (archive_chains(file, rows.first, ROWS_A_STEP, rows.chains, &rows.n,
		&rows.archive, err) == -1)
		return prune_looked_in_vain(err);
	if (journal_try(j, rows_op, &rows, deadline_us, err) == -1)
		return -1;
	*step = rows.step;
	return 0;
}
