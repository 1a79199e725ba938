/* SPDX-License-Identifier: BSD-2-Clause */
#include "config.h"

#include "store/settle.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "core/buf.h"
#include "core/json.h"
#include "core/mem.h"
#include "store/db.h"
#include "store/record_sql.h"

/*
 * A delivery that is sending is left alone: its own reply is on the way, and
 * if that does not say `sent`, the question is asked again.
 */
#define DETAIL_MAX_BYTES 1024

enum { SQL_PROOF, SQL_SETTLED };
static const char *const sql_text[] = {
	[SQL_PROOF] =
	    "SELECT e.seq, e.attempt, json_extract(j.detail, '$.ses_id'), "
	    "coalesce(json_extract(j.detail, '$.accepted'), "
	    "json_extract(j.detail, '$.time')) FROM delivery d "
	    "JOIN event e ON e.message = d.message AND e.n = d.n "
	    "JOIN journal j ON j.seq = e.seq "
	    "WHERE d.message = ? AND d.n = ? "
	    "AND d.state IN ('doubtful', 'deferred', 'refused') "
	    "AND e.attempt IS NOT NULL ORDER BY e.seq LIMIT 1",
	[SQL_SETTLED] = RECORD_SQL_SETTLED,
};
const struct db_sql settle_sql = { DB_SLOT_SETTLE,
	sizeof(sql_text) / sizeof(*sql_text), sql_text };

struct proof {
	int64_t seq, attempt, sent_at;
	char *ses_id;
};

/* 1 when there is one. */
static int
find_proof(struct journal_tx *tx, const struct uuid *id, unsigned n,
    struct proof *proof, struct err *err)
{
	struct db *db = journal_tx_db(tx);
	sqlite3_stmt *stmt = db_stmt(db, &settle_sql, SQL_PROOF);
	enum db_result result;

	db_bind_blob(stmt, 1, id->bytes, UUID_LEN);
	db_bind_int(stmt, 2, n);
	result = db_step(db, stmt, err);
	if (result == DB_ROW) {
		proof->seq = db_int(stmt, 0);
		proof->attempt = db_int(stmt, 1);
		proof->ses_id = db_text_dup(stmt, 2);
		proof->sent_at = db_int(stmt, 3);
	}
	db_reset(stmt);
	return result == DB_ROW ? 1 : result == DB_DONE ? 0 : -1;
}

static int
append(struct journal_tx *tx, const struct uuid *id, unsigned n,
    const struct proof *proof, struct err *err)
{
	struct buf detail;
	int rc;

	buf_init(&detail, DETAIL_MAX_BYTES);
	json_open(&detail, '{');
	json_add_int(&detail, "attempt", proof->attempt);
	json_add_string(&detail, "ses_id", proof->ses_id);
	json_add_int(&detail, "sent_at", proof->sent_at);
	json_add_int(&detail, "event", proof->seq);
	json_close(&detail, '}');
	rc = journal_append(tx, "settled", id, n, detail.data, NULL, err);
	buf_free(&detail);
	return rc;
}

static int
update(struct journal_tx *tx, const struct uuid *id, unsigned n,
    const struct proof *proof, struct err *err)
{
	struct db *db = journal_tx_db(tx);
	sqlite3_stmt *stmt = db_stmt(db, &settle_sql, SQL_SETTLED);

	db_bind_text(stmt, 1, proof->ses_id);
	db_bind_int(stmt, 2, proof->sent_at);
	db_bind_int(stmt, 3, journal_tx_at(tx));
	db_bind_blob(stmt, 4, id->bytes, UUID_LEN);
	db_bind_int(stmt, 5, n);
	return db_run(db, stmt, err);
}

int
settle_delivery(struct journal_tx *tx, const struct uuid *id, unsigned n,
    bool *settled_r, struct err *err)
{
	struct proof proof = { .ses_id = NULL };
	int rc = find_proof(tx, id, n, &proof, err);

	if (settled_r != NULL)
		*settled_r = rc == 1;
	if (rc == 1) {
		rc = append(tx, id, n, &proof, err);
		if (rc == 0)
			rc = update(tx, id, n, &proof, err);
	}
	free(proof.ses_id);
	return rc;
}
