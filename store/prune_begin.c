/* SPDX-License-Identifier: BSD-2-Clause */
#include "config.h"

#include "store/prune_parts.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <unistd.h>

#include "core/clock.h"
#include "core/json.h"

/* Step 2: what `pruned` has to say, and whether it may. */
#define DETAIL_MAX_BYTES 8192

enum { SQL_BOUND, SQL_FIRST, SQL_ROW, SQL_BEFORE, SQL_LATEST, SQL_ADD };

static const char *const sql_text[] = {
	[SQL_BOUND] = "SELECT coalesce(" PRUNE_BOUND ", 0)",
	[SQL_FIRST] = "SELECT coalesce(min(seq), 1) FROM journal",
	[SQL_ROW] = "SELECT at, boot, mono, chain FROM journal WHERE seq = ?",
	[SQL_BEFORE] = "SELECT coalesce(max(last_seq), 0) FROM pruned "
		       "WHERE last_seq < " PRUNE_BOUND,
	[SQL_LATEST] = "SELECT coalesce(max(seq), 0) FROM pruned",
	/* In parentheses for clang, which suspects a missing comma. */
	[SQL_ADD] = ("INSERT INTO pruned (seq, last_seq, last_chain, archive) "
		     "VALUES (?, ?, ?, ?)"),
};

const struct db_sql prune_begin_sql = { DB_SLOT_PRUNE_BEGIN,
	sizeof(sql_text) / sizeof(*sql_text), sql_text };

/*
 * Old by the wall clock, and by the other one too where that can tell: a wall
 * clock that was set wrong must not let go of what the quota counts.
 */
static bool
old_enough(int64_t at, int64_t boot, int64_t mono, int64_t keep_us)
{
	if (clock_wall_us() - at < keep_us)
		return false;
	return boot == 0 || boot != clock_boot_id() ||
	    clock_mono_us() - mono >= keep_us;
}

struct begin {
	const struct prune_ask *ask;
	struct archive archive;
};

static int
check_row(struct db *db, const struct begin *b, struct err *err)
{
	int64_t last_seq = b->archive.last_seq;
	sqlite3_stmt *stmt = db_stmt(db, &prune_begin_sql, SQL_ROW);
	bool same = false, old = false;
	enum db_result result;
	const void *chain;
	size_t len;

	db_bind_int(stmt, 1, last_seq);
	result = db_step(db, stmt, err);
	if (result == DB_ROW) {
		chain = db_blob(stmt, 3, &len);
		same = len == CHAIN_LEN &&
		    memcmp(chain, b->archive.last_chain, CHAIN_LEN) == 0;
		old = old_enough(db_int(stmt, 0), db_int(stmt, 1),
		    db_int(stmt, 2), b->ask->keep_us);
	}
	db_reset(stmt);
	if (result != DB_ROW && result != DB_DONE)
		return -1;
	if (!same)
		return err_set(err, ERR_STATE,
		    "row %" PRId64 " of the archive is not the journal's",
		    last_seq);
	if (!old)
		return err_set(err, ERR_POLICY,
		    "row %" PRId64 " is younger than the journal needs to "
		    "remember (store.repeat-window, quota.daily-window)",
		    last_seq);
	return 0;
}

static int
check_finished(struct db *db, const struct begin *b, struct err *err)
{
	int64_t bound, first;

	if (prune_get_int(db, &prune_begin_sql, SQL_BOUND, &bound, err) == -1 ||
	    prune_get_int(db, &prune_begin_sql, SQL_FIRST, &first, err) == -1)
		return -1;
	if (b->ask->instead && first > bound)
		return err_set(err, ERR_STATE, "no prune is unfinished");
	if (b->ask->instead && b->archive.last_seq != bound)
		return err_set(err, ERR_STATE,
		    "the archive ends at row %" PRId64
		    ", the unfinished prune at row %" PRId64,
		    b->archive.last_seq, bound);
	if (!b->ask->instead && first <= bound)
		return err_set(err, ERR_STATE, "an earlier prune is unfinished");
	if (b->archive.last_seq < first)
		return err_set(err, ERR_STATE,
		    "rows up to %" PRId64 " were pruned already", bound);
	if (b->archive.first_seq != first)
		return err_set(err, ERR_STATE,
		    "the archive begins at row %" PRId64
		    ", the journal at row %" PRId64,
		    b->archive.first_seq, first);
	return 0;
}

static const char *
name_of(const char *file)
{
	const char *slash = strrchr(file, '/');

	return slash != NULL ? slash + 1 : file;
}

static int
add_bound(struct db *db, const struct begin *b, int64_t seq, struct err *err)
{
	sqlite3_stmt *stmt = db_stmt(db, &prune_begin_sql, SQL_ADD);

	db_bind_int(stmt, 1, seq);
	db_bind_int(stmt, 2, b->archive.last_seq);
	db_bind_blob(stmt, 3, b->archive.last_chain, CHAIN_LEN);
	db_bind_text(stmt, 4, name_of(b->ask->file));
	return db_run(db, stmt, err);
}

/* Which one it takes the place of, and whether something is lost with that. */
static int
add_instead(
    struct db *db, const struct begin *b, struct buf *detail, struct err *err)
{
	int64_t before, latest;

	if (prune_get_int(db, &prune_begin_sql, SQL_BEFORE, &before, err) == -1 ||
	    prune_get_int(db, &prune_begin_sql, SQL_LATEST, &latest, err) == -1)
		return -1;
	json_add_int(detail, "instead", latest);
	if (b->ask->remains || b->archive.first_seq > before + 1)
		json_add_bool(detail, "remains", true);
	return 0;
}

static int
begin_op(struct journal_tx *tx, void *arg, struct err *err)
{
	struct db *db = journal_tx_db(tx);
	const struct begin *b = arg;
	char chain[CHAIN_TEXT_LEN];
	struct buf detail;
	int64_t seq;
	int rc = 0;

	if (check_finished(db, b, err) == -1 || check_row(db, b, err) == -1)
		return -1;
	/* Who asked may have gone, and another have put it aside. */
	if (access(b->ask->file, F_OK) == -1)
		return err_sys(err, ERR_STATE, errno, "%s", b->ask->file);
	buf_init(&detail, DETAIL_MAX_BYTES);
	json_open(&detail, '{');
	json_add_int(&detail, "last_seq", b->archive.last_seq);
	json_add_string(&detail, "last_chain",
	    chain_text(b->archive.last_chain, chain));
	json_add_string(&detail, "archive", name_of(b->ask->file));
	if (b->ask->may_be_unsettled)
		json_add_bool(&detail, "unsettled", true);
	if (b->ask->instead)
		rc = add_instead(db, b, &detail, err);
	json_add_string(&detail, "who", b->ask->who);
	json_close(&detail, '}');
	if (rc == 0)
		rc = detail.overflow
		    ? err_set(err, ERR_POLICY, "the archive's name is too long")
		    : journal_append(
			  tx, "pruned", NULL, 0, detail.data, &seq, err);
	buf_free(&detail);
	return rc == 0 ? add_bound(db, b, seq, err) : -1;
}

int
prune_begin(struct journal *j, const struct prune_ask *ask,
    struct prune_look *look, int64_t until_us, int64_t deadline_us,
    bool *again_r, struct err *err)
{
	const char *path = journal_path(j);
	struct begin b = { .ask = ask };

	*again_r = false;
	if (prune_look_at_archive(ask->file, NULL, 0, &b.archive, err) == -1 ||
	    prune_check(path, b.archive.last_seq, ask->keep_us, err) == -1)
		return -1;
	if (!ask->may_be_unsettled && !ask->instead) {
		if (prune_look(path, b.archive.last_seq, look, until_us, err) ==
		    -1)
			return -1;
		*again_r = !look->done;
		if (*again_r)
			return 0;
	}
	return journal_try(j, begin_op, &b, deadline_us, err);
}
