/* SPDX-License-Identifier: BSD-2-Clause */
#include "config.h"

#include "store/forget.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/clock.h"
#include "core/json.h"
#include "core/mem.h"
#include "store/chain.h"
#include "store/db.h"
#include "store/hidden.h"
#include "store/record_party.h"
#include "store/wipe.h"

/*
 * Erasing, in the journal and in archives. An archive's chain has ended, so
 * what is erased there is told by a row of the journal; both files have the
 * seq of that row in `erased`.
 */
#define DETAIL_MAX_BYTES 8192

enum {
	SQL_PARTY,
	SQL_MESSAGE_ID,
	SQL_SUPPRESSION,
	SQL_IN_FORCE,
	SQL_HIDDEN,
	SQL_ERASED
};

static const char *const sql_text[] = {
	[SQL_PARTY] = "UPDATE party SET value = NULL, salt = NULL "
		      "WHERE message = ? AND n = ? AND role = ?",
	[SQL_MESSAGE_ID] = "UPDATE message SET header_message_id = NULL, "
			   "salt = NULL WHERE id = ?",
	[SQL_SUPPRESSION] = "UPDATE suppression SET address = ?2, salt = ?3 "
			    "WHERE seq = ?1",
	[SQL_IN_FORCE] = "SELECT 1 FROM suppression WHERE seq = ? "
			 "AND (until IS NULL OR until > ?)",
	[SQL_HIDDEN] = "SELECT seq FROM suppression WHERE address = ?",
	[SQL_ERASED] = "INSERT OR IGNORE INTO erased (message, n, role, seq) "
		       "VALUES (?, ?, ?, ?)",
};

const struct db_sql forget_sql = { DB_SLOT_FORGET,
	sizeof(sql_text) / sizeof(*sql_text), sql_text };

/*
 * A suppression that stays in force, and the commitment to its hidden name: as
 * with other values only that is in the chain, and nothing of it can be known
 * when it is erased later.
 */
struct kept {
	char *commitment; /* NULL: it does not stay */
	unsigned char salt[COMMITMENT_SALT_LEN];
};

/* What is done where. kept, for each of the item's parties, may be NULL. */
struct erasing {
	struct db *db;
	const struct forget_item *item;
	int64_t seq;
	const char *hidden;
	const struct kept *kept;
};

static sqlite3_stmt *
suppression_stmt(const struct erasing *e, size_t which)
{
	sqlite3_stmt *stmt = db_stmt(e->db, &forget_sql, SQL_SUPPRESSION);

	db_bind_int(stmt, 1, e->item->parties[which].n);
	if (e->kept != NULL && e->kept[which].commitment != NULL) {
		db_bind_text(stmt, 2, e->hidden);
		db_bind_blob(
		    stmt, 3, e->kept[which].salt, COMMITMENT_SALT_LEN);
	}
	return stmt;
}

static sqlite3_stmt *
stmt_for(const struct erasing *e, size_t which)
{
	const struct forget_party *p = &e->item->parties[which];
	const struct uuid *message = &e->item->message;
	sqlite3_stmt *stmt;

	if (!e->item->of_message) {
		stmt = suppression_stmt(e, which);
	} else if (strcmp(p->role, "message_id") == 0) {
		stmt = db_stmt(e->db, &forget_sql, SQL_MESSAGE_ID);
		db_bind_blob(stmt, 1, message->bytes, UUID_LEN);
	} else {
		stmt = db_stmt(e->db, &forget_sql, SQL_PARTY);
		db_bind_blob(stmt, 1, message->bytes, UUID_LEN);
		db_bind_int(stmt, 2, p->n);
		db_bind_text(stmt, 3, p->role);
	}
	return stmt;
}

/* Where it lies in another file, this one has nothing to say. */
static int
erase_party(const struct erasing *e, size_t which, struct err *err)
{
	const struct forget_party *p = &e->item->parties[which];
	sqlite3_stmt *stmt = stmt_for(e, which);

	if (db_run(e->db, stmt, err) == -1)
		return -1;
	if (sqlite3_changes(db_handle(e->db)) == 0)
		return 0;
	stmt = db_stmt(e->db, &forget_sql, SQL_ERASED);
	db_bind_blob(stmt, 1, e->item->message.bytes,
	    e->item->of_message ? UUID_LEN : 0);
	db_bind_int(stmt, 2, p->n);
	db_bind_text(stmt, 3, p->role);
	db_bind_int(stmt, 4, e->seq);
	return db_run(e->db, stmt, err);
}

static int
erase(const struct erasing *e, struct err *err)
{
	for (size_t i = 0; i < e->item->nparties; i++)
		if (erase_party(e, i, err) == -1)
			return -1;
	return 0;
}

struct op {
	const struct forget_ask *ask;
	const struct forget_item *items;
	size_t n;
	char hidden[HIDDEN_LEN]; /* "" when nobody is, or none of it is meant */
	bool more;		 /* under the hidden name, than one row tells */
	struct forget_done done;
	struct kept kept[FORGET_PARTIES_MAX];
};

/* Those that an earlier erasure has left under the hidden name. */
static int
add_hidden(struct journal_tx *tx, struct op *op, struct forget_item *item,
    struct err *err)
{
	struct db *db = journal_tx_db(tx);
	sqlite3_stmt *stmt = db_stmt(db, &forget_sql, SQL_HIDDEN);
	enum db_result result;
	struct forget_party *p;

	db_bind_text(stmt, 1, op->hidden);
	while ((result = db_step(db, stmt, err)) == DB_ROW) {
		op->more = item->nparties == FORGET_PARTIES_MAX;
		if (op->more)
			break;
		p = &item->parties[item->nparties++];
		p->n = db_int(stmt, 0);
		(void)snprintf(p->role, sizeof(p->role), "suppression");
	}
	db_reset(stmt);
	return result == DB_ROW || result == DB_DONE ? 0 : -1;
}

/* An op may run again: what the time before has made is let go. */
static void
keep_none(struct op *op)
{
	for (size_t i = 0; i < FORGET_PARTIES_MAX; i++) {
		free(op->kept[i].commitment);
		op->kept[i].commitment = NULL;
	}
}

static int
keep_those_in_force(struct journal_tx *tx, struct op *op,
    const struct forget_item *item, struct err *err)
{
	struct db *db = journal_tx_db(tx);
	enum db_result result;
	sqlite3_stmt *stmt;

	for (size_t i = 0; i < item->nparties; i++) {
		stmt = db_stmt(db, &forget_sql, SQL_IN_FORCE);
		db_bind_int(stmt, 1, item->parties[i].n);
		db_bind_int(stmt, 2, journal_tx_at(tx));
		result = db_step(db, stmt, err);
		db_reset(stmt);
		if (result == DB_ROW)
			op->kept[i].commitment =
			    party_commit(op->hidden, op->kept[i].salt);
		else if (result != DB_DONE)
			return -1;
	}
	return 0;
}

static int
append(struct journal_tx *tx, const struct op *op,
    const struct forget_item *item, int64_t *seq_r, struct err *err)
{
	struct buf detail;
	int rc;

	buf_init(&detail, DETAIL_MAX_BYTES);
	json_open(&detail, '{');
	json_key(&detail, "parties");
	json_open(&detail, '[');
	for (size_t i = 0; i < item->nparties; i++) {
		json_open(&detail, '{');
		json_add_int(&detail, "n", item->parties[i].n);
		json_add_string(&detail, "role", item->parties[i].role);
		if (op->kept[i].commitment != NULL)
			json_add_string(
			    &detail, "hidden", op->kept[i].commitment);
		json_close(&detail, '}');
	}
	json_close(&detail, ']');
	json_add_string(&detail, "who", op->ask->who);
	json_close(&detail, '}');
	rc = journal_append(tx, "erased",
	    item->of_message ? &item->message : NULL, 0, detail.data, seq_r,
	    err);
	buf_free(&detail);
	return rc;
}

static int64_t
last_party(const struct forget_item *item)
{
	int64_t last = 0;

	for (size_t i = 0; i < item->nparties; i++)
		if (item->parties[i].n > last)
			last = item->parties[i].n;
	return last;
}

static int
erase_item(struct journal_tx *tx, struct op *op, size_t which, struct err *err)
{
	struct forget_item item = op->items[which];
	struct erasing e = { .db = journal_tx_db(tx),
		.item = &item,
		.hidden = op->hidden,
		.kept = op->kept };
	int rc = 0;

	if (!item.of_message)
		rc = op->ask->suppression_too
		    ? add_hidden(tx, op, &item, err)
		    : keep_those_in_force(tx, op, &item, err);
	if (rc == -1)
		return -1;
	if (item.nparties == 0)
		return 0;
	if (!item.of_message && op->ask->suppression_too)
		op->done.suppression = last_party(&item);
	if (append(tx, op, &item, &e.seq, err) == -1)
		return -1;
	op->done.seqs[which] = e.seq;
	return erase(&e, err);
}

static int
erase_op(struct journal_tx *tx, void *arg, struct err *err)
{
	int64_t began = clock_mono_us();
	struct op *op = arg;

	memset(&op->done, 0, sizeof(op->done));
	op->more = false;
	keep_none(op);
	for (size_t i = 0; i < op->n; i++)
		if (erase_item(tx, op, i, err) == -1)
			return -1;
	op->done.busy_us = clock_mono_us() - began;
	return 0;
}

/* What the first row can't tell, of the hidden ones, others do. */
static int
erase_all(struct journal *j, struct op *op, int64_t deadline_us,
    struct forget_done *done, struct err *err)
{
	static const struct forget_item none = { .of_message = false };
	int rc;

	do {
		rc = journal_try(j, erase_op, op, deadline_us, err);
		keep_none(op);
		if (rc == -1)
			return -1;
		if (done->suppression < op->done.suppression)
			done->suppression = op->done.suppression;
		done->busy_us += op->done.busy_us;
		if (op->items != &none)
			memcpy(done->seqs, op->done.seqs, sizeof(done->seqs));
		op->items = &none;
	} while (op->more);
	return 0;
}

int
forget_erase(struct journal *j, const struct forget_ask *ask,
    int64_t deadline_us, struct forget_done *done, struct err *err)
{
	struct op op = { .ask = ask, .items = ask->items, .n = ask->n };
	bool of_message = ask->items[0].of_message;
	struct hidden_key key;
	int rc = 0;

	memset(done, 0, sizeof(*done));
	if (!of_message)
		rc = ask->suppression_too
		    ? hidden_key_load(journal_path(j), &key, err)
		    : hidden_key_make(journal_path(j), &key, err);
	if (rc == -1)
		return -1;
	if (!of_message && (rc == 1 || !ask->suppression_too))
		(void)hidden_name(&key, ask->address, op.hidden);
	return erase_all(j, &op, deadline_us, done, err);
}

/* How long to wait for readers to go, and how often to look. */
#define READERS_US (5 * US_PER_SEC)
#define AGAIN_US (50 * US_PER_MS)

/* No more than this at a time is left to mail: somebody waits for an answer. */
#define LEAVE_US_MAX (2 * US_PER_SEC)

/* *busy_r is the last try's time only: who waits for readers is in no way. */
static int
wipe_once(
    struct journal *j, uint32_t *page_r, int64_t *busy_r, struct err *err)
{
	int64_t until = clock_mono_us() + READERS_US, began, now;
	int rc;

	for (;;) {
		began = clock_mono_us();
		rc = journal_scrub(j, page_r, err);
		now = clock_mono_us();
		if (rc == 0 || err->class != ERR_STATE || now >= until)
			break;
		clock_sleep_until(now + AGAIN_US);
	}
	*busy_r = now - began;
	return rc;
}

static void
leave_to_mail(int64_t busy_us)
{
	int64_t us = 9 * busy_us;

	clock_sleep_until(
	    clock_mono_us() + (us < LEAVE_US_MAX ? us : LEAVE_US_MAX));
}

int
forget_wipe(struct journal *j, uint32_t *page_r, bool beside_mail,
    int64_t until_us, struct err *err)
{
	int64_t busy;

	for (;;) {
		if (wipe_once(j, page_r, &busy, err) == -1)
			return -1;
		if (*page_r == 0 || clock_mono_us() >= until_us)
			return 0;
		if (beside_mail)
			leave_to_mail(busy);
	}
}

struct forget_archive {
	struct db *db;
	char *file;
};

struct forget_archive *
forget_archive_open(const char *file, struct err *err)
{
	struct forget_archive *a = mem_new(sizeof(*a));

	a->file = mem_strdup(file);
	a->db = db_open(file, DB_COPY, err);
	if (a->db != NULL && db_check_version(a->db, file, err) == 0 &&
	    db_exec(a->db, "PRAGMA secure_delete = ON; BEGIN IMMEDIATE", err) ==
		0 &&
	    db_prepare(a->db, &forget_sql, err) == 0)
		return a;
	(void)err_context(err, "%s", file);
	db_close(a->db);
	free(a->file);
	free(a);
	return NULL;
}

int
forget_archive_erase(struct forget_archive *a, const struct forget_item *item,
    int64_t seq, struct err *err)
{
	const struct erasing e = { .db = a->db, .item = item, .seq = seq };

	return erase(&e, err);
}

int
forget_archive_close(struct forget_archive *a, bool commit, struct err *err)
{
	uint32_t page = 1;
	int rc = 0;

	if (commit)
		rc = db_exec(a->db, "COMMIT", err);
	while (commit && rc == 0 && page != 0)
		rc = wipe_pages(a->db, &page, err);
	if (rc == -1)
		(void)err_context(err, "%s", a->file);
	db_close(a->db);
	free(a->file);
	free(a);
	return rc;
}
