/* SPDX-License-Identifier: BSD-2-Clause */
#include "config.h"

#include "store/verify_schema.h"

#include "store/schema.h"

/*
 * All steps are taken in a database of its own, as a store takes them that is
 * new; one that was brought up from an older version has the same texts, since
 * SQLite keeps them as they were written or as the same ALTER leaves them.
 * Statistics (ANALYZE) are whoever's who keeps the machine.
 */
#define KIND "type, name, tbl_name, sql"
#define OWN " WHERE name NOT LIKE 'sqlite\\_stat%' ESCAPE '\\' "

static const char *const made_text[] = { "SELECT " KIND " FROM sqlite_schema" };
static const struct db_sql made_sql = { DB_SLOT_OTHER, 1, made_text };

static const char *const note_text[] = {
	"INSERT INTO main.made VALUES (?, ?, ?, ?)"
};
static const struct db_sql note_sql = { DB_SLOT_OTHER, 1, note_text };

static const char *const compare_text[] = {
	"SELECT 0, type || ' ' || name || ' is not what this version makes' "
	"FROM (SELECT " KIND " FROM other.sqlite_schema" OWN
	"EXCEPT SELECT " KIND " FROM main.made)",

	"SELECT 0, type || ' ' || name || ' is missing' FROM ("
	"SELECT type, name FROM main.made EXCEPT "
	"SELECT type, name FROM other.sqlite_schema)",
};
static const struct db_sql compare_sql = { DB_SLOT_PRUNE,
	sizeof(compare_text) / sizeof(*compare_text), compare_text };

static int
note(struct db *db, sqlite3_stmt *row, struct err *err)
{
	sqlite3_stmt *stmt = db_stmt(db, &note_sql, 0);

	for (int i = 0; i < 4; i++)
		(void)sqlite3_bind_value(
		    stmt, i + 1, sqlite3_column_value(row, i));
	return db_run(db, stmt, err);
}

static int
note_all(struct db *db, struct db *made, struct err *err)
{
	enum db_result result = DB_DONE;
	sqlite3_stmt *row;

	for (size_t i = 0; schema_journal[i] != NULL; i++)
		if (db_exec(made, schema_journal[i], err) == -1)
			return -1;
	if (db_prepare(made, &made_sql, err) == -1 ||
	    db_prepare(db, &note_sql, err) == -1)
		return -1;
	row = db_stmt(made, &made_sql, 0);
	while ((result = db_step(made, row, err)) == DB_ROW)
		if (note(db, row, err) == -1)
			return -1;
	return result == DB_DONE ? 0 : -1;
}

int
verify_schema_begin(struct db *db, struct err *err)
{
	struct db *made;
	int rc;

	if (db_exec(db, "CREATE TABLE made (" KIND ")", err) == -1)
		return -1;
	made = db_open_scratch(err);
	if (made == NULL)
		return -1;
	rc = note_all(db, made, err);
	db_close(made);
	return rc;
}

int
verify_schema_part(
    struct db *db, verify_fault *fault, void *arg, struct err *err)
{
	return verify_compare(db, &compare_sql, NULL, fault, arg, err);
}
