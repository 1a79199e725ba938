/* SPDX-License-Identifier: BSD-2-Clause */
#include "config.h"

#include "store/verify_compare.h"

sqlite3_stmt *
verify_stmt(struct db *db, const struct db_sql *sql, size_t which,
    const struct verify_span *span)
{
	sqlite3_stmt *stmt = db_stmt(db, sql, which);

	if (span == NULL)
		return stmt;
	if (sqlite3_bind_parameter_count(stmt) >= 1)
		db_bind_int(stmt, 1, span->bound);
	if (sqlite3_bind_parameter_count(stmt) >= 2)
		db_bind_int(stmt, 2, span->last_seq);
	if (sqlite3_bind_parameter_count(stmt) >= 3)
		db_bind_int(stmt, 3, span->archive);
	return stmt;
}

static int
compare(struct db *db, sqlite3_stmt *stmt, verify_fault *fault, void *arg,
    struct err *err)
{
	enum db_result result;
	const char *words;

	while ((result = db_step(db, stmt, err)) == DB_ROW) {
		words = db_text(stmt, 1);
		/* NULL in any of its parts makes all of it NULL. */
		fault(arg, db_int(stmt, 0),
		    words != NULL ? words : "a row without a key");
	}
	db_reset(stmt);
	return result == DB_DONE ? 0 : -1;
}

int
verify_compare(struct db *db, const struct db_sql *sql,
    const struct verify_span *span, verify_fault *fault, void *arg,
    struct err *err)
{
	if (db_prepare(db, sql, err) == -1)
		return -1;
	for (size_t i = 0; i < sql->n; i++)
		if (compare(db, verify_stmt(db, sql, i, span), fault, arg,
			err) == -1)
			return -1;
	return 0;
}
