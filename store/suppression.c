/* SPDX-License-Identifier: BSD-2-Clause */
#include "config.h"

#include "store/suppression.h"

#include <stdlib.h>
#include <string.h>

#include "core/clock.h"
#include "core/json.h"
#include "store/chain.h"
#include "store/db.h"
#include "store/hidden.h"
#include "store/reason.h"
#include "store/record_party.h"

/*
 * An entry is in force while its `until` is NULL or lies ahead. Lifting one
 * sets `until` to the time of lifting; the row stays, so that one can see later
 * why a recipient was refused at the time. `user+label` is another address than
 * `user`: only what was listed is refused.
 */
#define DETAIL_MAX_BYTES 8192

enum { SQL_LISTED, SQL_ENDED, SQL_ADD, SQL_END, SQL_ALL };

static const char *const sql_text[] = {
	[SQL_LISTED] = "SELECT seq FROM suppression WHERE address IN (?1, ?3) "
		       "AND (until IS NULL OR until > ?2) ORDER BY seq",
	[SQL_ENDED] = "SELECT seq FROM suppression WHERE address IN (?1, ?3) "
		      "AND until > ?2 LIMIT 1",
	[SQL_ADD] = "INSERT INTO suppression "
		    "(seq, address, salt, reason, since, until) "
		    "VALUES (?, ?, ?, ?, ?, ?)",
	[SQL_END] = "UPDATE suppression SET until = ?1 "
		    "WHERE address IN (?2, ?3) AND (until IS NULL OR until > ?1)",
	[SQL_ALL] = "SELECT s.seq, s.address, s.reason, "
		    "json_extract(j.detail, '$.who'), s.since, s.until "
		    "FROM suppression s LEFT JOIN journal j ON j.seq = s.seq "
		    "ORDER BY s.seq",
};

const struct db_sql suppression_sql = { DB_SLOT_SUPPRESSION,
	sizeof(sql_text) / sizeof(*sql_text), sql_text };

struct change {
	char key[SUPPRESSION_KEY_LEN];
	char hidden[HIDDEN_LEN]; /* its name once erased; "" before the op */
	char *reason; /* as it may be stored */
	const char *who;
	int64_t until_us;
	const struct uuid *message; /* what made somebody list it, or NULL */
	unsigned n;
	int64_t seq; /* of its row, after the op */
};

static void
change_init(struct change *c, const char *address, const char *reason,
    const char *who)
{
	suppressions_key(address, c->key);
	c->hidden[0] = '\0';
	c->who = who;
	c->reason = reason_storable(
	    reason, c->key, SUPPRESSION_REASON_LEN - 1);
}

/* Without a key nobody was erased yet. */
static int
hide(struct journal_tx *tx, struct change *c, struct err *err)
{
	sqlite3 *handle = db_handle(journal_tx_db(tx));
	struct hidden_key key;
	int rc;

	rc = hidden_key_load(sqlite3_db_filename(handle, "main"), &key, err);
	if (rc == 1)
		(void)hidden_name(&key, c->key, c->hidden);
	return rc == -1 ? -1 : 0;
}

static int
end_entries(struct journal_tx *tx, const struct change *c, struct err *err)
{
	struct db *db = journal_tx_db(tx);
	sqlite3_stmt *stmt = db_stmt(db, &suppression_sql, SQL_END);

	db_bind_int(stmt, 1, journal_tx_at(tx));
	db_bind_text(stmt, 2, c->key);
	db_bind_text(stmt, 3, c->hidden);
	return db_run(db, stmt, err);
}

static int
insert_entry(struct journal_tx *tx, const struct change *c,
    const unsigned char *salt, struct err *err)
{
	struct db *db = journal_tx_db(tx);
	sqlite3_stmt *stmt = db_stmt(db, &suppression_sql, SQL_ADD);

	db_bind_int(stmt, 1, c->seq);
	db_bind_text(stmt, 2, c->key);
	db_bind_blob(stmt, 3, salt, COMMITMENT_SALT_LEN);
	db_bind_text(stmt, 4, c->reason);
	db_bind_int(stmt, 5, journal_tx_at(tx));
	if (c->until_us != 0)
		db_bind_int(stmt, 6, c->until_us);
	return db_run(db, stmt, err);
}

static int
add_op(struct journal_tx *tx, void *arg, struct err *err)
{
	struct change *c = arg;
	unsigned char salt[COMMITMENT_SALT_LEN];
	struct buf detail;
	char *commitment;
	int rc;

	if (hide(tx, c, err) == -1)
		return -1;
	commitment = party_commit(c->key, salt);
	buf_init(&detail, DETAIL_MAX_BYTES);
	json_open(&detail, '{');
	json_add_string(&detail, "address", commitment);
	json_add_string(&detail, "reason", c->reason);
	if (c->until_us != 0)
		json_add_int(&detail, "until", c->until_us);
	json_add_string(&detail, "who", c->who);
	json_close(&detail, '}');
	rc = journal_append(
	    tx, "suppressed", c->message, c->n, detail.data, &c->seq, err);
	if (rc == 0)
		rc = end_entries(tx, c, err);
	if (rc == 0)
		rc = insert_entry(tx, c, salt, err);
	buf_free(&detail);
	free(commitment);
	return rc;
}

/* Whether there is an entry, by one of the questions about until. */
static int
has_entry(struct journal_tx *tx, const struct change *c, size_t which,
    int64_t until, struct err *err)
{
	struct db *db = journal_tx_db(tx);
	sqlite3_stmt *stmt = db_stmt(db, &suppression_sql, which);
	enum db_result result;

	db_bind_text(stmt, 1, c->key);
	db_bind_int(stmt, 2, until);
	db_bind_text(stmt, 3, c->hidden);
	result = db_step(db, stmt, err);
	db_reset(stmt);
	return result == DB_ROW ? 1 : result == DB_DONE ? 0 : -1;
}

int
suppression_append(struct journal_tx *tx, const char *address,
    const char *reason, const char *who, const struct uuid *message,
    unsigned n, int64_t happened_us, int64_t *seq_r, struct err *err)
{
	struct change c = { .message = message, .n = n };
	int rc;

	change_init(&c, address, reason, who);
	rc = hide(tx, &c, err);
	if (rc == 0)
		rc = has_entry(tx, &c, SQL_LISTED, journal_tx_at(tx), err);
	/* What somebody lifted stays lifted, however late the report is. */
	if (rc == 0)
		rc = has_entry(tx, &c, SQL_ENDED, happened_us, err);
	if (rc == 0)
		rc = add_op(tx, &c, err) == 0 ? 1 : -1;
	else if (rc == 1)
		rc = 0;
	*seq_r = c.seq;
	free(c.reason);
	return rc;
}

/* The seqs of what is lifted, so that the row needs no address. */
static int
add_listed(struct journal_tx *tx, const struct change *c, struct buf *detail,
    struct err *err)
{
	struct db *db = journal_tx_db(tx);
	sqlite3_stmt *stmt = db_stmt(db, &suppression_sql, SQL_LISTED);
	enum db_result result;
	unsigned n = 0;

	db_bind_text(stmt, 1, c->key);
	db_bind_int(stmt, 2, journal_tx_at(tx));
	db_bind_text(stmt, 3, c->hidden);
	json_key(detail, "suppressed");
	json_open(detail, '[');
	while ((result = db_step(db, stmt, err)) == DB_ROW) {
		json_int(detail, db_int(stmt, 0));
		n++;
	}
	json_close(detail, ']');
	db_reset(stmt);
	if (result == DB_DONE && n == 0)
		return err_set(err, ERR_STATE, "%s is not listed", c->key);
	return result == DB_DONE ? 0 : -1;
}

static int
remove_op(struct journal_tx *tx, void *arg, struct err *err)
{
	struct change *c = arg;
	struct buf detail;
	int rc;

	if (hide(tx, c, err) == -1)
		return -1;
	buf_init(&detail, DETAIL_MAX_BYTES);
	json_open(&detail, '{');
	rc = add_listed(tx, c, &detail, err);
	json_add_string(&detail, "reason", c->reason);
	json_add_string(&detail, "who", c->who);
	json_close(&detail, '}');
	if (rc == 0)
		rc = journal_append(tx, "unsuppressed", NULL, 0, detail.data,
		    &c->seq, err);
	if (rc == 0)
		rc = end_entries(tx, c, err);
	buf_free(&detail);
	return rc;
}

void
suppression_note(struct suppressions *list, const char *address,
    const char *reason, int64_t seq)
{
	struct change c = { .until_us = 0 };

	change_init(&c, address, reason, NULL);
	suppressions_add(list, c.key, c.reason, 0, seq);
	free(c.reason);
}

int
suppression_add(struct journal *j, struct suppressions *list,
    const struct address *address, const char *reason, int64_t until_us,
    const char *who, int64_t deadline_us, struct err *err)
{
	struct change c = { .until_us = until_us };
	int rc;

	change_init(&c, address->text, reason, who);
	rc = journal_do(j, add_op, &c, deadline_us, err);
	if (rc == 0 && list != NULL)
		suppressions_add(list, c.key, c.reason, until_us, c.seq);
	free(c.reason);
	return rc;
}

int
suppression_remove(struct journal *j, struct suppressions *list,
    const struct address *address, const char *reason, const char *who,
    int64_t deadline_us, struct err *err)
{
	struct change c = { .until_us = 0 };
	int rc;

	change_init(&c, address->text, reason, who);
	rc = journal_do(j, remove_op, &c, deadline_us, err);
	if (rc == 0 && list != NULL) {
		suppressions_remove(list, c.key, c.seq);
		if (c.hidden[0] != '\0')
			suppressions_remove(list, c.hidden, c.seq);
	}
	free(c.reason);
	return rc;
}

static int
list_all(struct db *db, bool all,
    int (*fn)(void *arg, const struct suppression *), void *arg,
    struct err *err)
{
	sqlite3_stmt *stmt = db_stmt(db, &suppression_sql, SQL_ALL);
	int64_t now = clock_wall_us();
	enum db_result result;
	struct suppression s;
	bool enough = false;
	char *reason;

	while (!enough && (result = db_step(db, stmt, err)) == DB_ROW) {
		s.seq = db_int(stmt, 0);
		s.address = db_text(stmt, 1);
		if (s.address != NULL &&
		    strncmp(s.address, HIDDEN_PREFIX,
			sizeof(HIDDEN_PREFIX) - 1) == 0)
			s.address = NULL;
		s.reason = reason = reason_neutral(db_text(stmt, 2));
		s.who = db_text(stmt, 3);
		s.since_us = db_int(stmt, 4);
		s.until_us = db_int(stmt, 5);
		s.in_force = s.until_us == 0 || s.until_us > now;
		enough = (all || s.in_force) && fn(arg, &s) != 0;
		free(reason);
	}
	db_reset(stmt);
	return result == DB_ROW || result == DB_DONE ? 0 : -1;
}

int
suppression_list(const char *journal_path, bool all,
    int (*fn)(void *arg, const struct suppression *), void *arg,
    struct err *err)
{
	struct db *db = db_open_journal(journal_path, err);
	int rc = -1;

	if (db != NULL && db_prepare(db, &suppression_sql, err) == 0)
		rc = list_all(db, all, fn, arg, err);
	db_close(db);
	return rc;
}
