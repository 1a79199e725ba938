/* SPDX-License-Identifier: BSD-2-Clause */
#include "config.h"

#include "store/db.h"

#include <stdlib.h>
#include <string.h>

#include "core/mem.h"

struct prepared {
	sqlite3_stmt **stmt;
	size_t n;
};

struct db {
	sqlite3 *handle;
	struct prepared modules[DB_SLOTS];
	enum db_fault fault;
	int wal_pages;
};

/* What a reader may wait for: an exclusive lock while a WAL is recovered. */
#define READ_BUSY_MS 5000

/*
 * A reader that stays for long makes the log grow. Once it starts over, no more
 * than this is kept of it: what a busy hour needs.
 */
#define WAL_KEEP_BYTES "67108864"

/* A page cache that holds the hot ends of all tables and the digests. */
#define CACHE_KIB "16384"

static enum err_class
classify(int code, enum db_fault *fault_r)
{
	switch (code & 0xff) {
	case SQLITE_BUSY:
	case SQLITE_LOCKED:
		*fault_r = DB_FAULT_BUSY;
		return ERR_STATE;
	case SQLITE_FULL:
		*fault_r = DB_FAULT_FULL;
		return ERR_FULL;
	case SQLITE_CORRUPT:
	case SQLITE_NOTADB:
		*fault_r = DB_FAULT_CORRUPT;
		return ERR_STATE;
	case SQLITE_IOERR:
	case SQLITE_CANTOPEN:
	case SQLITE_READONLY:
	case SQLITE_PROTOCOL:
	case SQLITE_PERM:
	case SQLITE_NOMEM:
		*fault_r = DB_FAULT_BROKEN;
		return ERR_LOCAL;
	default:
		*fault_r = DB_FAULT_SQL;
		return ERR_LOCAL;
	}
}

static enum db_result
failed(struct db *db, const char *what, struct err *err)
{
	int code = sqlite3_extended_errcode(db->handle);
	int errnum = sqlite3_system_errno(db->handle);
	enum err_class class = classify(code, &db->fault);

	if (code == SQLITE_READONLY_ROLLBACK)
		(void)err_set(err, class,
		    "%s: whoever wrote it last was interrupted, and has to do "
		    "that again", what);
	else if (errnum != 0 && db->fault == DB_FAULT_BROKEN)
		(void)err_sys(err, class, errnum, "%s: %s", what,
		    sqlite3_errmsg(db->handle));
	else
		(void)err_set(
		    err, class, "%s: %s", what, sqlite3_errmsg(db->handle));
	return db->fault == DB_FAULT_BUSY ? DB_BUSY : DB_FAILED;
}

enum db_fault
db_fault(const struct db *db)
{
	return db->fault;
}

void
db_fault_clear(struct db *db)
{
	db->fault = DB_OK;
}

sqlite3 *
db_handle(struct db *db)
{
	return db->handle;
}

int
db_wal_pages(const struct db *db)
{
	return db->wal_pages;
}

static int
count_pages(void *arg, sqlite3 *handle, const char *name, int pages)
{
	struct db *db = arg;

	(void)handle;
	(void)name;
	db->wal_pages = pages;
	return SQLITE_OK;
}

/*
 * The automatic checkpoint would run inside a COMMIT that mail waits for;
 * store/journal/checkpoint does it elsewhere; the hook takes its place. Readers
 * must find the WAL files after a clean stop too, hence PERSIST_WAL.
 */
static int
set_up_writer(struct db *db, struct err *err)
{
	sqlite3_stmt *stmt = NULL;
	const char *mode;
	int rc, on = 1;

	(void)sqlite3_busy_timeout(db->handle, DB_BUSY_MS);
	if (sqlite3_prepare_v2(db->handle, "PRAGMA journal_mode = WAL", -1,
		&stmt, NULL) != SQLITE_OK ||
	    sqlite3_step(stmt) != SQLITE_ROW) {
		(void)failed(db, "journal_mode", err);
		(void)sqlite3_finalize(stmt);
		return -1;
	}
	mode = (const char *)sqlite3_column_text(stmt, 0);
	rc = mode != NULL && strcmp(mode, "wal") == 0 ? 0 : -1;
	(void)sqlite3_finalize(stmt);
	if (rc == -1)
		return err_set(err, ERR_CONFIG,
		    "SQLite can't use a write-ahead log here");
	(void)sqlite3_file_control(
	    db->handle, "main", SQLITE_FCNTL_PERSIST_WAL, &on);
	(void)sqlite3_wal_hook(db->handle, count_pages, db);
	return db_exec(db,
	    "PRAGMA synchronous = FULL;"
	    "PRAGMA secure_delete = ON;"
	    "PRAGMA journal_size_limit = " WAL_KEEP_BYTES ";"
	    "PRAGMA foreign_keys = OFF;"
	    "PRAGMA cache_size = -" CACHE_KIB ";"
	    "PRAGMA temp_store = MEMORY",
	    err);
}

#define OPEN_FLAGS (SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE)

struct db *
db_open(const char *path, enum db_mode mode, struct err *err)
{
	struct db *db = mem_new(sizeof(*db));
	int flags = OPEN_FLAGS | (mode == DB_COPY ? SQLITE_OPEN_URI : 0) |
	    (mode == DB_READ ? SQLITE_OPEN_READONLY : SQLITE_OPEN_READWRITE);

	if (sqlite3_open_v2(path, &db->handle, flags, NULL) != SQLITE_OK) {
		(void)failed(db, path, err);
		db_close(db);
		return NULL;
	}
	(void)sqlite3_busy_timeout(db->handle, READ_BUSY_MS);
	(void)sqlite3_db_config(
	    db->handle, SQLITE_DBCONFIG_DEFENSIVE, 1, (int *)NULL);
	if (mode == DB_WRITE && set_up_writer(db, err) == -1) {
		(void)err_context(err, "%s", path);
		db_close(db);
		return NULL;
	}
	return db;
}

struct db *
db_open_scratch(struct err *err)
{
	struct db *db = mem_new(sizeof(*db));

	if (sqlite3_open_v2("", &db->handle, OPEN_FLAGS | SQLITE_OPEN_URI |
			SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE,
		NULL) == SQLITE_OK) {
		(void)sqlite3_busy_timeout(db->handle, READ_BUSY_MS);
		return db;
	}
	(void)failed(db, "a database to work in", err);
	db_close(db);
	return NULL;
}

static void
unprepare(struct prepared *p)
{
	for (size_t i = 0; i < p->n; i++)
		(void)sqlite3_finalize(p->stmt[i]);
	free(p->stmt);
	p->stmt = NULL;
	p->n = 0;
}

void
db_close(struct db *db)
{
	if (db == NULL)
		return;
	for (size_t m = 0; m < DB_SLOTS; m++)
		unprepare(&db->modules[m]);
	(void)sqlite3_close(db->handle);
	free(db);
}

int
db_prepare(struct db *db, const struct db_sql *sql, struct err *err)
{
	struct prepared *p = &db->modules[sql->slot];

	unprepare(p);
	p->stmt = mem_array(sql->n, sizeof(sqlite3_stmt *));
	p->n = sql->n;
	for (size_t i = 0; i < sql->n; i++)
		if (sqlite3_prepare_v3(db->handle, sql->text[i], -1,
			SQLITE_PREPARE_PERSISTENT, &p->stmt[i],
			NULL) != SQLITE_OK) {
			(void)failed(db, sql->text[i], err);
			return -1;
		}
	return 0;
}

sqlite3_stmt *
db_stmt(struct db *db, const struct db_sql *sql, size_t which)
{
	sqlite3_stmt *stmt = db->modules[sql->slot].stmt[which];

	db_reset(stmt);
	return stmt;
}

void
db_bind_int(sqlite3_stmt *stmt, int pos, int64_t v)
{
	(void)sqlite3_bind_int64(stmt, pos, v);
}

void
db_bind_text(sqlite3_stmt *stmt, int pos, const char *s)
{
	(void)sqlite3_bind_text(stmt, pos, s, -1, SQLITE_STATIC);
}

void
db_bind_blob(sqlite3_stmt *stmt, int pos, const void *p, size_t len)
{
	(void)sqlite3_bind_blob64(stmt, pos, p, len, SQLITE_STATIC);
}

enum db_result
db_step(struct db *db, sqlite3_stmt *stmt, struct err *err)
{
	int rc = sqlite3_step(stmt);

	if (rc == SQLITE_ROW)
		return DB_ROW;
	if (rc == SQLITE_DONE)
		return DB_DONE;
	return failed(db, "database", err);
}

void
db_reset(sqlite3_stmt *stmt)
{
	(void)sqlite3_reset(stmt);
	(void)sqlite3_clear_bindings(stmt);
}

int
db_run(struct db *db, sqlite3_stmt *stmt, struct err *err)
{
	enum db_result result;

	do
		result = db_step(db, stmt, err);
	while (result == DB_ROW);
	db_reset(stmt);
	return result == DB_DONE ? 0 : -1;
}

enum db_result
db_step_int(struct db *db, sqlite3_stmt *stmt, int64_t *value_r,
    struct err *err)
{
	enum db_result result = db_step(db, stmt, err);

	if (result == DB_ROW)
		*value_r = db_int(stmt, 0);
	db_reset(stmt);
	return result;
}

int64_t
db_int(sqlite3_stmt *stmt, int col)
{
	return sqlite3_column_int64(stmt, col);
}

const char *
db_text(sqlite3_stmt *stmt, int col)
{
	return (const char *)sqlite3_column_text(stmt, col);
}

const void *
db_blob(sqlite3_stmt *stmt, int col, size_t *len_r)
{
	const void *p = sqlite3_column_blob(stmt, col);

	*len_r = (size_t)sqlite3_column_bytes(stmt, col);
	return p;
}

char *
db_text_dup(sqlite3_stmt *stmt, int col)
{
	return mem_strdup(db_text(stmt, col));
}

int
db_exec(struct db *db, const char *sql, struct err *err)
{
	if (sqlite3_exec(db->handle, sql, NULL, NULL, NULL) != SQLITE_OK) {
		(void)failed(db, "database", err);
		return -1;
	}
	return 0;
}

int
db_get_int(struct db *db, const char *sql, int64_t *value_r, struct err *err)
{
	sqlite3_stmt *stmt = NULL;
	int rc = -1;

	if (sqlite3_prepare_v2(db->handle, sql, -1, &stmt, NULL) == SQLITE_OK &&
	    sqlite3_step(stmt) == SQLITE_ROW) {
		*value_r = sqlite3_column_int64(stmt, 0);
		rc = 0;
	} else {
		(void)failed(db, "database", err);
	}
	(void)sqlite3_finalize(stmt);
	return rc;
}
