/* SPDX-License-Identifier: BSD-2-Clause */
#include "config.h"

#include "store/archive_parts.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "core/clock.h"
#include "core/mem.h"
#include "store/db.h"
#include "store/place.h"
#include "store/verify.h"

/*
 * Written beside its name and put there when it is complete and synced, so that
 * an archive that exists is whole. It is made by the journal's own schema
 * steps, without asking their triggers: a chain that begins in the middle is
 * what they refuse.
 *
 * `mark` says that it is an archive, and as of which row of the journal it was
 * decided which messages go.
 */
enum { AS_LAST, AS_MARK, AS_STAYING, AS_GOING, AS_TABLES };

/* Bound: ?1 last_seq, ?2 the id bound. */
static const char *const fill_text[] = {
	[AS_LAST] = "SELECT at FROM other.journal WHERE seq = ?1",
	[AS_MARK] = "INSERT INTO main.mark (name, value) SELECT 'archive', "
		    "CAST(max(seq) AS BLOB) FROM other.journal",
	[AS_STAYING] = "INSERT OR IGNORE INTO temp.staying "
		       "SELECT message FROM other.journal "
		       "WHERE seq > ?1 AND message < ?2",
	[AS_GOING] = "INSERT INTO temp.going SELECT id FROM other.message "
		     "WHERE id < ?2 AND received_at <= "
		     "(SELECT at FROM other.journal WHERE seq = ?1) "
		     "AND id NOT IN (SELECT id FROM temp.staying)",
	[AS_TABLES] = "INSERT INTO main.journal SELECT * FROM other.journal "
		      "WHERE seq <= ?1 AND seq > (SELECT "
		      "coalesce(max(last_seq), 0) FROM other.pruned "
		      "WHERE last_seq < ?1) ORDER BY seq",
	"INSERT INTO main.pruned SELECT * FROM other.pruned "
	"WHERE last_seq < ?1",
	"INSERT INTO main.suppression SELECT * FROM other.suppression "
	"WHERE seq <= ?1",
	"INSERT INTO main.erased SELECT * FROM other.erased "
	"WHERE role = 'suppression' AND n <= ?1",
	"INSERT INTO main.message SELECT t.* FROM temp.going g "
	"CROSS JOIN other.message t ON t.id = g.id",
	"INSERT INTO main.party SELECT t.* FROM temp.going g "
	"CROSS JOIN other.party t ON t.message = g.id",
	"INSERT INTO main.delivery SELECT t.* FROM temp.going g "
	"CROSS JOIN other.delivery t ON t.message = g.id",
	"INSERT INTO main.erased SELECT t.* FROM temp.going g "
	"CROSS JOIN other.erased t ON t.message = g.id",
};
#define NFILL (sizeof(fill_text) / sizeof(*fill_text))
static const struct db_sql fill_sql = { DB_SLOT_JOURNAL, NFILL, fill_text };

static const char temp_tables[] =
    "CREATE TEMP TABLE staying (id BLOB PRIMARY KEY) WITHOUT ROWID;"
    "CREATE TEMP TABLE going (id BLOB PRIMARY KEY) WITHOUT ROWID";

struct uuid
archive_id_bound(int64_t wall_us)
{
	return uuid_at_us(wall_us + 86400 * US_PER_SEC);
}

static int
row_time(struct db *db, int64_t seq, int64_t *at_r, struct err *err)
{
	sqlite3_stmt *stmt = db_stmt(db, &fill_sql, AS_LAST);
	enum db_result result;

	db_bind_int(stmt, 1, seq);
	result = db_step_int(db, stmt, at_r, err);
	if (result == DB_DONE)
		return err_set(err, ERR_STATE,
		    "row %" PRId64 " is not in the journal", seq);
	return result == DB_ROW ? 0 : -1;
}

static int
fill(struct db *db, int64_t last_seq, struct err *err)
{
	struct uuid bound;
	sqlite3_stmt *stmt;
	int64_t at = 0;

	if (row_time(db, last_seq, &at, err) == -1)
		return -1;
	bound = archive_id_bound(at);
	for (size_t i = AS_MARK; i < NFILL; i++) {
		stmt = db_stmt(db, &fill_sql, i);
		if (sqlite3_bind_parameter_count(stmt) >= 1)
			db_bind_int(stmt, 1, last_seq);
		if (sqlite3_bind_parameter_count(stmt) >= 2)
			db_bind_blob(stmt, 2, bound.bytes, UUID_LEN);
		if (db_run(db, stmt, err) == -1)
			return -1;
	}
	return 0;
}

/* In one transaction, so all that is read is of one moment. */
static int
fill_from(struct db *db, const char *path, int64_t last_seq, struct err *err)
{
	int rc = -1;

	(void)sqlite3_db_config(db_handle(db), SQLITE_DBCONFIG_ENABLE_TRIGGER,
	    0, (int *)NULL);
	if (db_attach(db, path, err) == -1)
		return -1;
	if (db_exec(db, temp_tables, err) == 0 &&
	    db_prepare(db, &fill_sql, err) == 0 &&
	    db_exec(db, "BEGIN IMMEDIATE", err) == 0 &&
	    fill(db, last_seq, err) == 0)
		rc = db_exec(db, "COMMIT", err);
	return rc;
}

static int
make(const char *path, const char *part, int64_t last_seq, struct err *err)
{
	struct db *db;
	int rc = -1;

	if (unlink(part) == -1 && errno != ENOENT)
		return err_sys(err, ERR_LOCAL, errno, "remove");
	if (place_create(part, err) == -1)
		return -1;
	place_adopt(part, path);
	db = db_open(part, DB_COPY, err);
	if (db != NULL && db_migrate(db, part, err) == 0)
		rc = fill_from(db, path, last_seq, err);
	db_close(db);
	return rc;
}

struct first_fault {
	char words[256];
	struct verify_result result;
	bool remains;
};

/* What stood before the first row of what remains is lost. */
static void
keep_first(void *arg, int64_t seq, const char *words)
{
	struct first_fault *f = arg;

	if (f->remains && seq == f->result.first_seq)
		return;
	if (f->words[0] == '\0')
		(void)snprintf(f->words, sizeof(f->words), "%s", words);
}

/* Nothing leaves the journal for what would not verify. */
static int
check(const char *part, bool remains, struct err *err)
{
	const struct verify_ask ask = { .projections = !remains };
	struct first_fault fault = { .words = "", .remains = remains };

	if (verify_journal(&part, 1, &ask, keep_first, &fault, &fault.result,
		err) == -1)
		return -1;
	if (fault.words[0] != '\0')
		return err_set(err, ERR_STATE,
		    "what it would hold does not verify: %s; see postern "
		    "verify --projections",
		    fault.words);
	return 0;
}

int
archive_check(const char *file, bool remains, struct err *err)
{
	if (archive_look_before(file, err) == 0 &&
	    check(file, remains, err) == 0 && place_sync(file, err) == 0)
		return 0;
	return err_context(err, "%s", file);
}

/* Never over what is there: it may have rows that the journal has no more. */
static int
publish(const char *part, const char *file, struct err *err)
{
	if (link(part, file) == -1)
		return errno == EEXIST
		    ? err_set(err, ERR_STATE, "%s exists already", file)
		    : err_sys(err, ERR_LOCAL, errno, "link to %s", file);
	if (unlink(part) == -1)
		return err_sys(err, ERR_LOCAL, errno, "remove");
	return place_sync(file, err);
}

/* What is published is read, so that it is what anything is pruned for. */
int
archive_build(const char *path, const char *file, int64_t last_seq,
    bool remains, struct archive *archive_r, struct err *err)
{
	char *part = mem_printf("%s.part", file);
	int rc = -1;

	if (make(path, part, last_seq, err) == 0 &&
	    check(part, remains, err) == 0 && publish(part, file, err) == 0)
		rc = archive_read(file, archive_r, err);
	if (rc == -1) {
		(void)err_context(err, "%s", part);
		(void)unlink(part);
	}
	free(part);
	return rc;
}
