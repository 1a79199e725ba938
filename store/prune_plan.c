/* SPDX-License-Identifier: BSD-2-Clause */
#include "config.h"

#include "store/prune_parts.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "core/clock.h"
#include "store/ledger.h"
#include "store/seek.h"

/* What is read: how far a prune may go, and has gone. */

enum {
	SQL_STATE,
	SQL_GONE,
	SQL_FIRST,
	SQL_BEFORE,
	SQL_AT,
	SQL_CHAIN,
	SQL_DELIVERIES,
	SQL_RECEIVED
};

static const char *const sql_text[] = {
	[SQL_STATE] = "SELECT last_seq, last_chain, archive, "
		      "EXISTS (SELECT 1 FROM mark WHERE name = 'prune' "
		      "AND value = CAST(last_seq AS BLOB)), "
		      "(SELECT json_extract(detail, '$.remains') FROM journal j "
		      "WHERE j.seq = p.seq) FROM pruned p "
		      "ORDER BY seq DESC LIMIT 1",
	[SQL_GONE] = "SELECT (SELECT coalesce(max(last_seq), 0) FROM pruned "
		     "WHERE last_seq < ?1), (SELECT count(DISTINCT message) "
		     "FROM journal j WHERE seq <= ?1 AND message IS NOT NULL "
		     "AND event <> 'erased' AND NOT EXISTS "
		     "(SELECT 1 FROM message m WHERE m.id = j.message))",
	[SQL_FIRST] = "SELECT coalesce(min(seq), 1) FROM journal",
	[SQL_BEFORE] = SEEK_HALF "SELECT min(lo), max(lo), max(gap) FROM half",
	[SQL_AT] = "SELECT at FROM journal WHERE seq = ?",
	[SQL_CHAIN] = "SELECT chain FROM journal WHERE seq = ?",
	/* Only ids of that time are looked at: deliveries lie in their order. */
	[SQL_DELIVERIES] =
	    "SELECT message, n, state, state IN ('waiting', 'sending', "
	    "'doubtful') FROM delivery WHERE message >= ?1 AND message < ?2 "
	    "ORDER BY message, n",
	/* In parentheses for clang, which suspects a missing comma. */
	[SQL_RECEIVED] = ("SELECT received_at FROM message "
			  "WHERE id = ?1 AND received_at < ?2"),
};
static const struct db_sql sql = { DB_SLOT_OTHER,
	sizeof(sql_text) / sizeof(*sql_text), sql_text };

int64_t
prune_keep_us(const struct conf *conf)
{
	int64_t day = conf->quota.daily_window + conf->ses.data_timeout +
	    LEDGER_DOT_LAG_US;

	return conf->store.repeat_window > day ? conf->store.repeat_window
					       : day;
}

static struct db *
open_reader(const char *path, struct err *err)
{
	struct db *db = db_open_journal(path, err);

	if (db != NULL && db_prepare(db, &sql, err) == -1) {
		db_close(db);
		return NULL;
	}
	return db;
}

static int
read_first(struct db *db, int64_t *first_r, struct err *err)
{
	sqlite3_stmt *stmt = db_stmt(db, &sql, SQL_FIRST);

	return db_step_int(db, stmt, first_r, err) == DB_ROW ? 0 : -1;
}

static int
read_state(struct db *db, struct prune_state *s, struct err *err)
{
	sqlite3_stmt *stmt = db_stmt(db, &sql, SQL_STATE);
	enum db_result result = db_step(db, stmt, err);
	const void *chain;
	size_t len;

	memset(s, 0, sizeof(*s));
	if (result == DB_ROW) {
		s->last_seq = db_int(stmt, 0);
		chain = db_blob(stmt, 1, &len);
		if (len == CHAIN_LEN)
			memcpy(s->last_chain, chain, CHAIN_LEN);
		s->archive = db_text_dup(stmt, 2);
		s->messages_gone = db_int(stmt, 3) != 0;
		s->remains = db_int(stmt, 4) != 0;
	}
	db_reset(stmt);
	if ((result != DB_ROW && result != DB_DONE) ||
	    read_first(db, &s->first_seq, err) == -1) {
		free(s->archive);
		return -1;
	}
	s->unfinished = s->first_seq <= s->last_seq;
	return 0;
}

int
prune_state(const char *path, struct prune_state *state_r, struct err *err)
{
	struct db *db = open_reader(path, err);
	int rc;

	if (db == NULL)
		return -1;
	rc = read_state(db, state_r, err);
	db_close(db);
	return rc;
}

int
prune_gone(const char *path, const struct prune_state *s,
    struct prune_gone *gone, struct err *err)
{
	struct db *db = open_reader(path, err);
	enum db_result result;
	sqlite3_stmt *stmt;

	memset(gone, 0, sizeof(*gone));
	if (db == NULL)
		return -1;
	stmt = db_stmt(db, &sql, SQL_GONE);
	db_bind_int(stmt, 1, s->last_seq);
	result = db_step(db, stmt, err);
	if (result == DB_ROW && s->first_seq > db_int(stmt, 0) + 1) {
		gone->first_seq = db_int(stmt, 0) + 1;
		gone->last_seq = s->first_seq - 1;
	}
	if (result == DB_ROW)
		gone->messages = db_int(stmt, 1);
	db_close(db);
	return result == DB_ROW ? 0 : -1;
}

static int
missing(int64_t seq, struct err *err)
{
	return err_set(err, ERR_STATE,
	    "row %" PRId64 " is missing: see postern verify", seq);
}

static int
at_of(struct db *db, int64_t seq, int64_t *at_r, struct err *err)
{
	sqlite3_stmt *stmt = db_stmt(db, &sql, SQL_AT);
	enum db_result result;

	db_bind_int(stmt, 1, seq);
	result = db_step_int(db, stmt, at_r, err);
	if (result == DB_DONE)
		return missing(seq, err);
	return result == DB_ROW ? 0 : -1;
}

/* The last row before a time; 0 when there is none. */
static int
last_before(struct db *db, int64_t at, int64_t *seq_r, struct err *err)
{
	sqlite3_stmt *stmt = db_stmt(db, &sql, SQL_BEFORE);
	int64_t first = 0, low = 0, gap = 0;
	enum db_result result;

	db_bind_int(stmt, 1, at);
	result = db_step(db, stmt, err);
	if (result == DB_ROW) {
		first = db_int(stmt, 0);
		low = db_int(stmt, 1);
		gap = db_int(stmt, 2);
	}
	db_reset(stmt);
	if (result != DB_ROW)
		return -1;
	if (gap != 0)
		return missing(gap, err);
	*seq_r = low > first ? low - 1 : 0;
	return 0;
}

/* A delivery of that time is in the way; one of another is not. */
static int
is_in_the_way(struct db *db, const struct uuid *id, int64_t n,
    const char *state, int64_t before_us, struct err *err)
{
	sqlite3_stmt *stmt = db_stmt(db, &sql, SQL_RECEIVED);
	char text[UUID_TEXT_LEN], when[CLOCK_RFC3339_LEN];
	enum db_result result;

	db_bind_blob(stmt, 1, id->bytes, UUID_LEN);
	db_bind_int(stmt, 2, before_us);
	result = db_step(db, stmt, err);
	if (result == DB_ROW)
		(void)clock_rfc3339(db_int(stmt, 0), when);
	db_reset(stmt);
	if (result == DB_ROW)
		return err_set(err, ERR_POLICY,
		    "recipient %" PRId64 " of %s, of %.10s, is %s: ingest what "
		    "SES reported about it, prune --before %.10s, or archive "
		    "it as it is with --unsettled",
		    n, uuid_text(id, text), when, state, when);
	return result == DB_DONE ? 0 : -1;
}

/* The time is asked for so seldom that it costs nothing. */
#define LOOK_DELIVERIES 1000

static int
look_on(struct db *db, int64_t before_us, struct prune_look *look,
    int64_t until_us, struct err *err)
{
	struct uuid bound = archive_id_bound(before_us), from = look->next, id;
	sqlite3_stmt *stmt = db_stmt(db, &sql, SQL_DELIVERIES);
	enum db_result result;
	uint64_t seen = 0;
	const void *p;
	size_t len;
	int rc = 0;

	db_bind_blob(stmt, 1, from.bytes, UUID_LEN);
	db_bind_blob(stmt, 2, bound.bytes, UUID_LEN);
	while ((result = db_step(db, stmt, err)) == DB_ROW) {
		p = db_blob(stmt, 0, &len);
		if (len != UUID_LEN)
			continue;
		memcpy(id.bytes, p, UUID_LEN);
		if (db_int(stmt, 3) != 0)
			rc = is_in_the_way(db, &id, db_int(stmt, 1),
			    db_text(stmt, 2), before_us, err);
		look->next = id;
		if (rc == -1 ||
		    (++seen % LOOK_DELIVERIES == 0 &&
			memcmp(&id, &from, sizeof(id)) != 0 &&
			clock_mono_us() >= until_us))
			break;
	}
	db_reset(stmt);
	look->done = result == DB_DONE;
	return result == DB_ROW || result == DB_DONE ? rc : -1;
}

int
prune_plan(const char *path, int64_t before_us, int64_t keep_us,
    bool may_be_unsettled, int64_t *last_seq_r, struct err *err)
{
	int64_t latest = clock_wall_us() - keep_us;
	struct prune_look look = { .last_seq = 0 };
	char when[CLOCK_RFC3339_LEN];
	struct db *db;
	int rc = -1;

	if (before_us > latest)
		return err_set(err, ERR_POLICY,
		    "what is younger than store.repeat-window and "
		    "quota.daily-window stays: --before %.10s at the latest",
		    clock_rfc3339(latest, when));
	db = open_reader(path, err);
	if (db == NULL)
		return -1;
	if ((may_be_unsettled ||
		look_on(db, before_us, &look, INT64_MAX, err) == 0) &&
	    last_before(db, before_us, last_seq_r, err) == 0)
		rc = 0;
	db_close(db);
	return rc;
}

int
prune_time_of(const char *path, int64_t seq, int64_t *at_r, struct err *err)
{
	struct db *db = open_reader(path, err);
	int rc;

	if (db == NULL)
		return -1;
	rc = at_of(db, seq, at_r, err);
	db_close(db);
	return rc;
}

/* Rows of one transaction have one time. */
int
prune_check(
    const char *path, int64_t last_seq, int64_t keep_us, struct err *err)
{
	int64_t at = 0, last = 0;

	if (prune_time_of(path, last_seq, &at, err) == -1 ||
	    prune_plan(path, at + 1, keep_us, true, &last, err) == -1)
		return -1;
	if (last != last_seq)
		return err_set(err, ERR_STATE,
		    "row %" PRId64 " is not the last of its time", last_seq);
	return 0;
}

int
prune_look(const char *path, int64_t last_seq, struct prune_look *look,
    int64_t until_us, struct err *err)
{
	struct db *db;
	int64_t at = 0;
	int rc = -1;

	if (look->last_seq != last_seq)
		*look = (struct prune_look){ .last_seq = last_seq };
	if (look->done)
		return 0;
	db = open_reader(path, err);
	if (db != NULL && at_of(db, last_seq, &at, err) == 0)
		rc = look_on(db, at + 1, look, until_us, err);
	db_close(db);
	return rc;
}

int
prune_chain(const char *path, int64_t seq, unsigned char chain_r[CHAIN_LEN],
    struct err *err)
{
	struct db *db = open_reader(path, err);
	enum db_result result;
	sqlite3_stmt *stmt;
	const void *chain;
	size_t len = 0;

	if (db == NULL)
		return -1;
	stmt = db_stmt(db, &sql, SQL_CHAIN);
	db_bind_int(stmt, 1, seq);
	result = db_step(db, stmt, err);
	chain = result == DB_ROW ? db_blob(stmt, 0, &len) : NULL;
	if (chain != NULL && len == CHAIN_LEN)
		memcpy(chain_r, chain, CHAIN_LEN);
	else if (result == DB_ROW || result == DB_DONE)
		(void)err_set(err, ERR_STATE,
		    "row %" PRId64 " is not in the journal", seq);
	db_reset(stmt);
	db_close(db);
	return chain != NULL && len == CHAIN_LEN ? 0 : -1;
}
