/* SPDX-License-Identifier: BSD-2-Clause */
#include "config.h"

#include "store/archives.h"

#include <stdlib.h>
#include <string.h>

#include "core/mem.h"
#include "store/archive.h"
#include "store/db.h"

/* What is made instead of a lost archive ends where that did. */
enum { SQL_ARCHIVES };
static const char *const sql_text[] = {
	[SQL_ARCHIVES] = "SELECT last_seq, last_chain, archive FROM pruned "
			 "WHERE seq IN (SELECT max(seq) FROM pruned "
			 "GROUP BY last_seq) ORDER BY last_seq",
};
static const struct db_sql sql = { DB_SLOT_OTHER, 1, sql_text };

static bool
is_one_of(sqlite3_stmt *stmt, const struct archive *archives, size_t n)
{
	size_t len;
	const void *chain = db_blob(stmt, 1, &len);

	for (size_t i = 0; i < n && len == CHAIN_LEN; i++)
		if (archives[i].last_seq == db_int(stmt, 0) &&
		    memcmp(archives[i].last_chain, chain, CHAIN_LEN) == 0)
			return true;
	return false;
}

static int
tell_others(struct db *db, const struct archive *archives, size_t n,
    void (*fn)(void *arg, const char *name), void *arg, struct err *err)
{
	sqlite3_stmt *stmt = db_stmt(db, &sql, SQL_ARCHIVES);
	enum db_result result;

	while ((result = db_step(db, stmt, err)) == DB_ROW)
		if (!is_one_of(stmt, archives, n))
			fn(arg, db_text(stmt, 2));
	db_reset(stmt);
	return result == DB_DONE ? 0 : -1;
}

int
archives_besides(const char *path, char *const *files, size_t n,
    void (*fn)(void *arg, const char *name), void *arg, struct err *err)
{
	struct archive *archives = mem_array(n, sizeof(*archives));
	struct db *db = NULL;
	int rc = 0;

	for (size_t i = 0; rc == 0 && i < n; i++)
		rc = archive_read(files[i], &archives[i], err);
	if (rc == 0)
		db = db_open_journal(path, err);
	rc = db != NULL && db_prepare(db, &sql, err) == 0
		 ? tell_others(db, archives, n, fn, arg, err)
		 : -1;
	db_close(db);
	free(archives);
	return rc;
}
