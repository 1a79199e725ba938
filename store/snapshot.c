/* SPDX-License-Identifier: BSD-2-Clause */
#include "config.h"

#include "store/snapshot.h"

#include <fcntl.h>
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "store/db.h"
#include "store/place.h"

/*
 * All pages in one step: a backup in small steps begins anew whenever somebody
 * commits. It reads like any reader, so commits go on, and only the write-ahead
 * log can't start over while it lasts.
 */
static const char *const sql_text[] = {
	"SELECT seq, chain FROM journal ORDER BY seq DESC LIMIT 1",
};
static const struct db_sql sql = { DB_SLOT_OTHER, 1, sql_text };

static int
copy_pages(struct db *from, struct db *to, struct err *err)
{
	sqlite3_backup *backup;
	int rc;

	backup = sqlite3_backup_init(
	    db_handle(to), "main", db_handle(from), "main");
	if (backup == NULL)
		return err_set(err, ERR_LOCAL, "%s",
		    sqlite3_errmsg(db_handle(to)));
	(void)sqlite3_backup_step(backup, -1);
	rc = sqlite3_backup_finish(backup);
	if (rc != SQLITE_OK)
		return err_set(err,
		    rc == SQLITE_FULL ? ERR_FULL : ERR_LOCAL, "%s",
		    sqlite3_errmsg(db_handle(to)));
	/* The copy inherits WAL from the original's header. */
	return db_exec(to, "PRAGMA journal_mode = DELETE", err);
}

static int
read_head(struct db *db, int64_t *seq_r, unsigned char chain_r[CHAIN_LEN],
    struct err *err)
{
	enum db_result result;
	sqlite3_stmt *stmt;
	const void *chain;
	size_t len;

	*seq_r = 0;
	memset(chain_r, 0, CHAIN_LEN);
	if (db_prepare(db, &sql, err) == -1)
		return -1;
	stmt = db_stmt(db, &sql, 0);
	result = db_step(db, stmt, err);
	if (result == DB_ROW) {
		*seq_r = db_int(stmt, 0);
		chain = db_blob(stmt, 1, &len);
		if (len == CHAIN_LEN)
			memcpy(chain_r, chain, CHAIN_LEN);
	}
	db_reset(stmt);
	return result == DB_ROW || result == DB_DONE ? 0 : -1;
}

int
snapshot_take(const char *path, const char *file, int64_t *seq_r,
    unsigned char chain_r[CHAIN_LEN], struct err *err)
{
	struct db *from, *to = NULL;
	int rc = -1;

	if (access(file, F_OK) == 0)
		return err_set(err, ERR_STATE, "%s exists already", file);
	from = db_open_journal(path, err);
	if (from == NULL)
		return -1;
	if (place_create(file, err) == 0 &&
	    (to = db_open(file, DB_COPY, err)) != NULL)
		rc = copy_pages(from, to, err);
	if (rc == 0)
		rc = read_head(to, seq_r, chain_r, err);
	db_close(to);
	db_close(from);
	if (rc == -1) {
		(void)err_context(err, "%s", file);
		(void)unlink(file);
	}
	return rc;
}
