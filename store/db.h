/*
 * db: a SQLite connection, its prepared statements, and three ways a step can
 * end.
 *
 * SQL is a closed list: each module has one enum-indexed table of texts,
 * prepared when the connection opens. A connection belongs to one thread.
 * Nothing outside store/ includes this.
 */
#ifndef STORE_DB_H
#define STORE_DB_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <sqlite3.h>

#include "core/err.h"

struct db;

enum db_mode {
	DB_WRITE, /* the file exists; WAL, FULL, no automatic checkpoint */
	DB_READ,  /* nothing can be changed through it */
	DB_COPY	  /* the file exists; a copy in the making, or an archive */
};

/* How long a call waits for another process's lock before it is DB_BUSY. */
#define DB_BUSY_MS 200

struct db *db_open(const char *path, enum db_mode, struct err *);
void db_close(struct db *);

/*
 * A database of its own, on disk but without a name, gone when it is closed:
 * for work on others, which are attached to it.
 */
struct db *db_open_scratch(struct err *);

/*
 * Attach another database, for reading only, under the name `other`; one at a
 * time, on a scratch connection or a DB_COPY. The version of its schema is
 * checked. Statements on it have to be prepared anew after each.
 */
int db_attach(struct db *, const char *path, struct err *);
void db_detach(struct db *);

sqlite3 *db_handle(struct db *);

/*
 * A module's statements. Each module that is used on a connection has a slot
 * of its own there.
 */
enum db_slot {
	DB_SLOT_JOURNAL,
	DB_SLOT_DOUBT,
	DB_SLOT_RECORD,
	DB_SLOT_ARRIVAL,
	DB_SLOT_MESSAGE,
	DB_SLOT_TEXT,
	DB_SLOT_DIGEST,
	DB_SLOT_SUPPRESSION,
	DB_SLOT_EVENT,
	DB_SLOT_EVENT_SUPPRESS,
	DB_SLOT_UNMATCHED,
	DB_SLOT_SETTLE,
	DB_SLOT_PRUNE,
	DB_SLOT_PRUNE_BEGIN,
	DB_SLOT_FORGET,
	DB_SLOT_QUESTION,
	DB_SLOT_POSTINGS,
	DB_SLOT_SHARED,
	DB_SLOT_PLAIN,
	DB_SLOT_PRUNED,
	DB_SLOT_PROGRESS,
	DB_SLOT_OTHER, /* for connections that serve one module */
	DB_SLOTS
};
struct db_sql {
	enum db_slot slot;
	size_t n;
	const char *const *text;
};
/* What was in the slot before is let go. */
int db_prepare(struct db *, const struct db_sql *, struct err *);

/* The modules whose ops run on the journal's connection. */
extern const struct db_sql journal_doubt_sql, record_sql, record_arrival_sql,
    record_message_sql, record_text_sql, digest_sql, suppression_sql,
    event_sql, event_suppress_sql, event_unmatched_sql, settle_sql, prune_sql,
    prune_begin_sql, forget_sql;

/* The statement, reset and with nothing bound. */
sqlite3_stmt *db_stmt(struct db *, const struct db_sql *, size_t which);

/*
 * Bind by position from 1. Bytes are not copied: they must last until db_reset
 * or the next db_stmt. NULL pointers bind NULL.
 */
void db_bind_int(sqlite3_stmt *, int pos, int64_t);
void db_bind_text(sqlite3_stmt *, int pos, const char *);
void db_bind_blob(sqlite3_stmt *, int pos, const void *, size_t);

enum db_result { DB_ROW, DB_DONE, DB_BUSY, DB_FAILED };
enum db_result db_step(struct db *, sqlite3_stmt *, struct err *);

/* Let go of what a statement holds: locks, and the bytes that were bound. */
void db_reset(sqlite3_stmt *);

/* Step a statement that gives no row, and reset it: 0, or -1 and err. */
int db_run(struct db *, sqlite3_stmt *, struct err *);

/* The number in the first row's first column, and reset; without a row value_r
 * stays as it is. */
enum db_result db_step_int(struct db *, sqlite3_stmt *, int64_t *value_r,
    struct err *);

/*
 * Columns. Text and blobs last until the next step; an SQL NULL text is NULL.
 */
int64_t db_int(sqlite3_stmt *, int col);
const char *db_text(sqlite3_stmt *, int col);
const void *db_blob(sqlite3_stmt *, int col, size_t *len_r);
char *db_text_dup(sqlite3_stmt *, int col);

/* Pages in the write-ahead log after the last commit. */
int db_wal_pages(const struct db *);

/* Run SQL that needs no result (schema, pragmas). */
int db_exec(struct db *, const char *sql, struct err *);
int db_get_int(struct db *, const char *sql, int64_t *value_r, struct err *);

/*
 * What the last failure of this connection means for whoever would try again:
 * BUSY and FULL may pass by themselves; BROKEN may pass when the file is opened
 * anew (I/O error, read-only); CORRUPT does not pass.
 */
enum db_fault {
	DB_OK,
	DB_FAULT_BUSY,
	DB_FAULT_FULL,
	DB_FAULT_BROKEN,
	DB_FAULT_CORRUPT,
	DB_FAULT_SQL
};
enum db_fault db_fault(const struct db *);
void db_fault_clear(struct db *);

/*
 * Bring a store up to the schema that this program knows, step by step, each in
 * a transaction of its own. A copy of an older one is kept as PATH.vN.
 * ERR_STATE for a newer one and for a database of another kind.
 */
int db_migrate(struct db *, const char *path, struct err *);

/* For readers: ERR_STATE unless the schema is exactly the one known. */
int db_check_version(struct db *, const char *path, struct err *);

/* Open a journal for reading, version checked. */
struct db *db_open_journal(const char *path, struct err *);

#endif
