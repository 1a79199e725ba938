/* SPDX-License-Identifier: BSD-2-Clause */
#include "config.h"

#include "store/journal/tx.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "core/clock.h"
#include "core/json.h"
#include "core/log.h"

/* A row is bounded by what goes into it: the recipients of one message. */
#define ROW_MAX_BYTES (size_t)(256 * 1024 * 1024)

enum {
	SQL_BEGIN,
	SQL_COMMIT,
	SQL_ROLLBACK,
	SQL_SAVE,
	SQL_UNDO,
	SQL_RELEASE,
	SQL_HEAD,
	SQL_DATA_VERSION,
	SQL_APPEND
};

static const char *const sql_text[] = {
	[SQL_BEGIN] = "BEGIN IMMEDIATE",
	[SQL_COMMIT] = "COMMIT",
	[SQL_ROLLBACK] = "ROLLBACK",
	[SQL_SAVE] = "SAVEPOINT op",
	[SQL_UNDO] = "ROLLBACK TO op",
	[SQL_RELEASE] = "RELEASE op",
	[SQL_HEAD] = "SELECT seq, at, boot, mono, chain FROM journal "
		     "ORDER BY seq DESC LIMIT 1",
	[SQL_DATA_VERSION] = "PRAGMA data_version",
	[SQL_APPEND] = "INSERT INTO journal (seq, at, boot, mono, event, "
		       "message, n, detail, chain) "
		       "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
};

static const struct db_sql sql = { DB_SLOT_JOURNAL,
	sizeof(sql_text) / sizeof(*sql_text), sql_text };

static int
run(struct journal_tx *tx, size_t which, struct err *err)
{
	return db_run(tx->db, db_stmt(tx->db, &sql, which), err);
}

static int
read_data_version(struct journal_tx *tx, int64_t *version_r, struct err *err)
{
	sqlite3_stmt *stmt = db_stmt(tx->db, &sql, SQL_DATA_VERSION);

	if (db_step(tx->db, stmt, err) != DB_ROW)
		return -1;
	*version_r = db_int(stmt, 0);
	db_reset(stmt);
	return 0;
}

static int
read_head(struct journal_tx *tx, int64_t *at_r, int64_t *boot_r,
    int64_t *mono_r, struct err *err)
{
	sqlite3_stmt *stmt = db_stmt(tx->db, &sql, SQL_HEAD);
	enum db_result result;
	const void *chain;
	size_t len;

	memset(&tx->head, 0, sizeof(tx->head));
	*at_r = *boot_r = *mono_r = 0;
	result = db_step(tx->db, stmt, err);
	if (result == DB_ROW) {
		tx->head.seq = db_int(stmt, 0);
		*at_r = db_int(stmt, 1);
		*boot_r = db_int(stmt, 2);
		*mono_r = db_int(stmt, 3);
		chain = db_blob(stmt, 4, &len);
		if (len == CHAIN_LEN)
			memcpy(tx->head.chain, chain, CHAIN_LEN);
	}
	db_reset(stmt);
	tx->durable = tx->head;
	return result == DB_ROW || result == DB_DONE ? 0 : -1;
}

/*
 * What happened to the wall clock while nobody looked: within one boot, mono
 * tells how much time has really passed since the last row; after a reboot only
 * a wall clock that stands before the last row is known to be wrong.
 */
static void
start_time(struct journal_tx *tx, int64_t at, int64_t boot, int64_t mono)
{
	int64_t wall = clock_wall_us(), now = clock_mono_us(), behind;

	behind = attime_start(&tx->time, at, wall, now);
	tx->boot = clock_boot_id();
	tx->step = 0;
	if (at == 0)
		return;
	if (behind > ATTIME_STEP_US)
		tx->step = -behind;
	else if (boot == tx->boot && wall - at - (now - mono) > ATTIME_STEP_US)
		tx->step = wall - at - (now - mono);
}

int
journal_tx_open(struct journal_tx *tx, struct db *db, struct err *err)
{
	int64_t at, boot, mono;

	memset(tx, 0, sizeof(*tx));
	tx->db = db;
	buf_init(&tx->scratch, ROW_MAX_BYTES);
	if (db_prepare(db, &sql, err) == -1 ||
	    read_data_version(tx, &tx->data_version, err) == -1 ||
	    read_head(tx, &at, &boot, &mono, err) == -1)
		return -1;
	start_time(tx, at, boot, mono);
	return 0;
}

void
journal_tx_close(struct journal_tx *tx)
{
	buf_free(&tx->scratch);
}

/*
 * Somebody wrote past the lock, with sqlite3 perhaps. The chain goes on from
 * what there is now; whether that is honest is for `postern verify` to say.
 */
static int
notice_others(struct journal_tx *tx, struct err *err)
{
	int64_t version, at, boot, mono;
	char text[CHAIN_TEXT_LEN];

	if (read_data_version(tx, &version, err) == -1)
		return -1;
	if (version == tx->data_version)
		return 0;
	log_error(NULL, "journal-foreign-write", "expected",
	    LOG_NUM(tx->head.seq), "chain", chain_text(tx->head.chain, text),
	    "hint", "run postern verify");
	if (read_head(tx, &at, &boot, &mono, err) == -1)
		return -1;
	if (at > tx->time.at)
		tx->time.at = at;
	tx->data_version = version;
	return 0;
}

static int
note_step(struct journal_tx *tx, struct err *err)
{
	char detail[64];

	if (tx->step == 0)
		return 0;
	(void)snprintf(
	    detail, sizeof(detail), "{\"step_us\":%" PRId64 "}", tx->step);
	return journal_append(tx, "clock", NULL, 0, detail, NULL, err);
}

int
journal_tx_begin(struct journal_tx *tx, struct err *err)
{
	int64_t step;

	tx->rows = 0;
	if (run(tx, SQL_BEGIN, err) == -1)
		return -1;
	tx->mono = clock_mono_us();
	tx->at = attime_next(&tx->time, clock_wall_us(), tx->mono, &step);
	tx->step += step;
	if (notice_others(tx, err) == 0 && note_step(tx, err) == 0)
		return 0;
	journal_tx_rollback(tx);
	return -1;
}

int
journal_tx_commit(struct journal_tx *tx, struct err *err)
{
	if (run(tx, SQL_COMMIT, err) == -1) {
		journal_tx_rollback(tx);
		return -1;
	}
	tx->durable = tx->head;
	tx->step = 0;
	return 0;
}

/* Some failures make SQLite roll back by itself. */
void
journal_tx_rollback(struct journal_tx *tx)
{
	struct err ignored;

	tx->head = tx->durable;
	tx->rows = 0;
	if (sqlite3_get_autocommit(db_handle(tx->db)))
		return;
	(void)run(tx, SQL_ROLLBACK, &ignored);
}

int
journal_tx_run(struct journal_tx *tx, journal_op *op, void *arg,
    struct err *err)
{
	struct journal_head head = tx->head;
	unsigned rows = tx->rows;
	struct err ignored;

	if (run(tx, SQL_SAVE, err) == -1)
		return -1;
	if (op(tx, arg, err) == 0)
		return run(tx, SQL_RELEASE, err);
	tx->head = head;
	tx->rows = rows;
	if (!sqlite3_get_autocommit(db_handle(tx->db)) &&
	    run(tx, SQL_UNDO, &ignored) == 0)
		(void)run(tx, SQL_RELEASE, &ignored);
	return -1;
}

int64_t
journal_tx_at(const struct journal_tx *tx)
{
	return tx->at;
}

struct db *
journal_tx_db(struct journal_tx *tx)
{
	return tx->db;
}

int
journal_append(struct journal_tx *tx, const char *event,
    const struct uuid *message, unsigned n, const char *detail, int64_t *seq_r,
    struct err *err)
{
	sqlite3_stmt *stmt = db_stmt(tx->db, &sql, SQL_APPEND);
	struct chain_row row = { .seq = tx->head.seq + 1,
		.at = tx->at,
		.boot = tx->boot,
		.mono = tx->mono,
		.n = n,
		.event = event,
		.event_len = strlen(event),
		.message = message != NULL ? message->bytes : NULL,
		.message_len = message != NULL ? UUID_LEN : 0,
		.detail = detail,
		.detail_len = strlen(detail) };
	unsigned char chain[CHAIN_LEN];

	chain_next(tx->head.chain, &row, &tx->scratch, chain);
	db_bind_int(stmt, 1, row.seq);
	db_bind_int(stmt, 2, row.at);
	db_bind_int(stmt, 3, row.boot);
	db_bind_int(stmt, 4, row.mono);
	db_bind_text(stmt, 5, event);
	db_bind_blob(stmt, 6, row.message, row.message_len);
	db_bind_int(stmt, 7, row.n);
	db_bind_text(stmt, 8, detail);
	db_bind_blob(stmt, 9, chain, sizeof(chain));
	if (db_run(tx->db, stmt, err) == -1)
		return err_context(err, "append %s", event);
	tx->head.seq = row.seq;
	memcpy(tx->head.chain, chain, sizeof(chain));
	tx->rows++;
	if (seq_r != NULL)
		*seq_r = row.seq;
	return 0;
}
