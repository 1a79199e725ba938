/* SPDX-License-Identifier: BSD-2-Clause */
#include "config.h"

#include "store/db.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/buf.h"
#include "core/log.h"
#include "core/mem.h"
#include "store/place.h"
#include "store/schema.h"

/*
 * PRAGMA user_version is the number of the last step that was taken. A step
 * and its number are committed together, so a crash between two steps is
 * mended by the next start.
 */
#define APPLICATION_ID 0x506f7374

/* Of a database and of the one attached to it. */
static const char *const version_pragma[] = { "PRAGMA user_version",
	"PRAGMA other.user_version" };
static const char *const application_pragma[] = { "PRAGMA application_id",
	"PRAGMA other.application_id" };
static const char *const count_tables[] = {
	"SELECT count(*) FROM sqlite_schema",
	"SELECT count(*) FROM other.sqlite_schema"
};
enum where { MAIN, OTHER };

static int64_t
newest_version(void)
{
	int64_t n = 0;

	while (schema_journal[n] != NULL)
		n++;
	return n;
}

static int
read_version(struct db *db, enum where where, const char *path,
    int64_t *version_r, struct err *err)
{
	int64_t app, tables;

	if (db_get_int(db, version_pragma[where], version_r, err) == -1 ||
	    db_get_int(db, application_pragma[where], &app, err) == -1 ||
	    db_get_int(db, count_tables[where], &tables, err) == -1)
		return err_context(err, "%s", path);
	if (tables > 0 && app != APPLICATION_ID)
		return err_set(err, ERR_STATE,
		    "%s is a database, but no journal of Postern's", path);
	if (*version_r > newest_version())
		return err_set(err, ERR_STATE,
		    "%s has schema %" PRId64 ", this program knows %" PRId64
		    ": run the newer Postern that wrote it",
		    path, *version_r, newest_version());
	return 0;
}

/* VACUUM INTO reads through the WAL, which copying the file would not. */
static int
keep_copy(struct db *db, const char *path, int64_t version, struct err *err)
{
	static const char *const text[] = { "VACUUM INTO ?" };
	const struct db_sql sql = { DB_SLOT_OTHER, 1, text };
	char *copy = mem_printf("%s.v%" PRId64, path, version);
	sqlite3_stmt *stmt;
	int rc = -1;

	(void)unlink(copy);
	if (place_create(copy, err) == 0 && db_prepare(db, &sql, err) == 0) {
		stmt = db_stmt(db, &sql, 0);
		db_bind_text(stmt, 1, copy);
		rc = db_run(db, stmt, err);
	}
	if (rc == 0) {
		place_adopt(copy, path);
		log_info(NULL, "migrate", "path", path, "copy", copy);
	} else {
		(void)err_context(err, "keep a copy as %s", copy);
		(void)unlink(copy);
	}
	free(copy);
	return rc;
}

static int
take_step(struct db *db, int64_t version, struct err *err)
{
	char *sql = mem_printf(
	    "BEGIN IMMEDIATE; %s; PRAGMA user_version = %" PRId64 "; COMMIT",
	    schema_journal[version], version + 1);
	struct err ignored;
	int rc;

	rc = db_exec(db, sql, err);
	if (rc == -1)
		(void)db_exec(db, "ROLLBACK", &ignored);
	free(sql);
	return rc;
}

int
db_migrate(struct db *db, const char *path, struct err *err)
{
	int64_t version;

	if (read_version(db, MAIN, path, &version, err) == -1)
		return -1;
	if (version > 0 && version < newest_version() &&
	    keep_copy(db, path, version, err) == -1)
		return -1;
	for (; version < newest_version(); version++)
		if (take_step(db, version, err) == -1)
			return err_context(err, "%s: schema step %" PRId64,
			    path, version + 1);
	return 0;
}

static int
check_version(struct db *db, enum where where, const char *path,
    struct err *err)
{
	int64_t version;

	if (read_version(db, where, path, &version, err) == -1)
		return -1;
	if (version < newest_version())
		return err_set(err, ERR_STATE,
		    "%s has schema %" PRId64 ", this program wants %" PRId64
		    ": start posternd once, which migrates it",
		    path, version, newest_version());
	return 0;
}

int
db_check_version(struct db *db, const char *path, struct err *err)
{
	return check_version(db, MAIN, path, err);
}

struct db *
db_open_journal(const char *path, struct err *err)
{
	struct db *db = db_open(path, DB_READ, err);

	if (db != NULL && db_check_version(db, path, err) == -1) {
		db_close(db);
		return NULL;
	}
	return db;
}

/*
 * A path as a URI (RFC 3986): what means something there is escaped, and two
 * slashes would begin a host's name.
 */
static char *
uri_for(const char *path)
{
	struct buf uri;

	while (path[0] == '/' && path[1] == '/')
		path++;
	buf_init(&uri, 3 * strlen(path) + 32);
	buf_adds(&uri, "file:");
	for (; *path != '\0'; path++)
		if (strchr("%?#", *path) != NULL)
			buf_addf(&uri, "%%%02x", (unsigned char)*path);
		else
			buf_addc(&uri, *path);
	buf_adds(&uri, "?mode=ro");
	return buf_take(&uri);
}

int
db_attach(struct db *db, const char *path, struct err *err)
{
	static const char *const text[] = { "ATTACH ? AS other" };
	const struct db_sql sql = { DB_SLOT_OTHER, 1, text };
	char *uri = uri_for(path);
	sqlite3_stmt *stmt;
	int rc = -1;

	if (db_prepare(db, &sql, err) == 0) {
		stmt = db_stmt(db, &sql, 0);
		db_bind_text(stmt, 1, uri);
		rc = db_run(db, stmt, err);
	}
	free(uri);
	if (rc == -1)
		return err_context(err, "%s", path);
	if (check_version(db, OTHER, path, err) == 0)
		return 0;
	db_detach(db);
	return -1;
}

void
db_detach(struct db *db)
{
	struct err ignored;

	(void)db_exec(db, "DETACH other", &ignored);
}
