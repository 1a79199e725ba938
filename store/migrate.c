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

/* The newest schema, in a database of its own, and a statement that gives each
 * table and view of it with its columns. */
static struct db *
reference(sqlite3_stmt **row_r, struct err *err)
{
	static const char *const text[] = {
		"SELECT m.name, (SELECT group_concat(name) FROM (SELECT name "
		"FROM pragma_table_info(m.name) ORDER BY name)) "
		"FROM sqlite_schema AS m WHERE m.type IN ('table', 'view') "
		"AND m.name NOT LIKE 'sqlite%' ORDER BY m.type, m.name"
	};
	static const struct db_sql sql = { DB_SLOT_OTHER, 1, text };
	struct db *db = db_open_scratch(err);

	if (db == NULL)
		return NULL;
	for (size_t i = 0; schema_journal[i] != NULL; i++)
		if (db_exec(db, schema_journal[i], err) == -1) {
			db_close(db);
			return NULL;
		}
	if (db_prepare(db, &sql, err) == -1) {
		db_close(db);
		return NULL;
	}
	*row_r = db_stmt(db, &sql, 0);
	return db;
}

/* Whether a table or view has these columns. 1, 0, or -1 and err. */
static int
has_columns(struct db *db, sqlite3_stmt *stmt, enum where where,
    const char *table, const char *columns, struct err *err)
{
	const char *found;
	int same = -1;

	db_bind_text(stmt, 1, table);
	db_bind_text(stmt, 2, where == MAIN ? "main" : "other");
	if (db_step(db, stmt, err) == DB_ROW) {
		found = db_text(stmt, 0);
		same = found != NULL && strcmp(found, columns) == 0;
	}
	db_reset(stmt);
	return same;
}

/*
 * The number alone does not tell journals that were made while their schema was
 * in the making; what they lack would come out as SQL's words, one day.
 */
static int
check_columns(struct db *db, enum where where, const char *path,
    struct err *err)
{
	static const char *const text[] = {
		"SELECT group_concat(name) FROM (SELECT name "
		"FROM pragma_table_info(?1, ?2) ORDER BY name)"
	};
	static const struct db_sql sql = { DB_SLOT_OTHER, 1, text };
	enum db_result more = DB_DONE;
	sqlite3_stmt *row;
	const char *table;
	struct db *ref;
	int same = 1;

	if (db_prepare(db, &sql, err) == -1 ||
	    (ref = reference(&row, err)) == NULL)
		return -1;
	while (same == 1 && (more = db_step(ref, row, err)) == DB_ROW) {
		table = db_text(row, 0);
		same = has_columns(db, db_stmt(db, &sql, 0), where, table,
		    db_text(row, 1), err);
		if (same == 0)
			(void)err_set(err, ERR_STATE,
			    "%s says it has schema %" PRId64 ", but %s in it is "
			    "not what this program has by that number: an "
			    "unreleased Postern made it; run that one, or move "
			    "the file away (posternd begins a new one then, "
			    "which knows of no mail and no quota before)",
			    path, newest_version(), table);
	}
	db_close(ref);
	return same == 1 && more == DB_DONE ? 0 : -1;
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
	if (version == newest_version())
		return check_columns(db, MAIN, path, err);
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
	return check_columns(db, where, path, err);
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
