/* SPDX-License-Identifier: BSD-2-Clause */
#include "config.h"

#include "store/record/parts.h"

#include <stdbool.h>
#include <stdlib.h>
#include <strings.h>

#include "core/base64.h"
#include "core/json.h"
#include "store/chain.h"
#include "store/db.h"
#include "store/record_party.h"
#include "store/record_text.h"

/* From may name many; that much of it is stored. */
#define ADDRESSES_MAX_BYTES 4000

enum { SQL_ADD_MESSAGE, SQL_ADD_PARTY };
static const char *const sql_text[] = {
	[SQL_ADD_MESSAGE] = "INSERT INTO message (id, received_at, digest, "
			    "size, queue_ids, header_message_id, salt, "
			    "repairs) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
	[SQL_ADD_PARTY] = "INSERT INTO party (message, n, role, value, salt) "
			  "VALUES (?, ?, ?, ?, ?)",
};
const struct db_sql record_message_sql = { DB_SLOT_MESSAGE,
	sizeof(sql_text) / sizeof(*sql_text), sql_text };

int
record_add_party(struct journal_tx *tx, const struct uuid *id, unsigned n,
    const char *role, const char *value, char **commitment_r, struct err *err)
{
	unsigned char salt[COMMITMENT_SALT_LEN];
	char *commitment = party_commit(value, salt);
	struct db *db = journal_tx_db(tx);
	sqlite3_stmt *stmt = db_stmt(db, &record_message_sql, SQL_ADD_PARTY);

	db_bind_blob(stmt, 1, id->bytes, UUID_LEN);
	db_bind_int(stmt, 2, n);
	db_bind_text(stmt, 3, role);
	db_bind_text(stmt, 4, value);
	db_bind_blob(stmt, 5, salt, sizeof(salt));
	if (db_run(db, stmt, err) == -1) {
		free(commitment);
		return -1;
	}
	*commitment_r = commitment;
	return 0;
}

/* One of the message's own parties, and its commitment in the detail. */
static int
add_own(struct journal_tx *tx, const struct uuid *id, const char *role,
    const char *value, struct buf *detail, struct err *err)
{
	char *clean, *commitment;
	int rc;

	if (value == NULL)
		return 0;
	clean = party_clean(value, ADDRESSES_MAX_BYTES);
	rc = record_add_party(tx, id, 0, role, clean, &commitment, err);
	free(clean);
	if (rc == -1)
		return -1;
	json_add_string(detail, role, commitment);
	free(commitment);
	return 0;
}

/* What is said of a message, as it may be stored. */
struct words {
	char *queue_ids, *message_id, *repairs;
	unsigned char salt[COMMITMENT_SALT_LEN]; /* of the message_id */
};

static int
add_message(struct journal_tx *tx, const struct record_arrival *a,
    const struct words *w, struct err *err)
{
	struct db *db = journal_tx_db(tx);
	sqlite3_stmt *stmt = db_stmt(db, &record_message_sql, SQL_ADD_MESSAGE);

	db_bind_blob(stmt, 1, a->id.bytes, UUID_LEN);
	db_bind_int(stmt, 2, journal_tx_at(tx));
	db_bind_blob(stmt, 3, a->digest, SHA256_LEN);
	db_bind_int(stmt, 4, (int64_t)a->size);
	db_bind_text(stmt, 5, w->queue_ids);
	db_bind_text(stmt, 6, w->message_id);
	db_bind_blob(stmt, 7, w->message_id != NULL ? w->salt : NULL,
	    COMMITMENT_SALT_LEN);
	db_bind_text(stmt, 8, w->repairs);
	return db_run(db, stmt, err);
}

/* Message-IDs may carry their author's address: committed to, like a party. */
static int
message_detail(struct journal_tx *tx, const struct record_arrival *a,
    struct buf *detail, struct err *err)
{
	struct words w = {
		.queue_ids = party_clean(a->queue_ids, RECORD_TEXT_MAX_BYTES),
		.message_id = party_clean(a->message_id, RECORD_TEXT_MAX_BYTES),
	};
	char *digest, *commitment = NULL;
	int rc;

	if (a->digest != NULL) {
		digest = base64_text(a->digest, SHA256_LEN);
		json_add_string(detail, "digest", digest);
		free(digest);
	}
	if (a->size > 0)
		json_add_int(detail, "size", (int64_t)a->size);
	json_add_string(detail, "queue_ids", w.queue_ids);
	if (w.message_id != NULL)
		commitment = party_commit(w.message_id, w.salt);
	json_add_string(detail, "message_id", commitment);
	rc = record_storable_of(
	    tx, &a->id, 0, a->repairs, NULL, &w.repairs, err);
	json_add_string(detail, "repairs", w.repairs);
	if (rc == 0)
		rc = add_message(tx, a, &w, err);
	free(w.repairs);
	free(commitment);
	free(w.message_id);
	free(w.queue_ids);
	return rc;
}

static bool
differs(const char *a, const char *b)
{
	return a != NULL && (b == NULL || strcasecmp(a, b) != 0);
}

int
record_add_message(struct journal_tx *tx, const struct record_arrival *a,
    struct buf *detail, struct err *err)
{
	if (add_own(tx, &a->id, "sender", a->sender, detail, err) == -1 ||
	    add_own(tx, &a->id, "rewritten", a->rewritten, detail, err) == -1)
		return -1;
	if (differs(a->original, a->sender) &&
	    add_own(tx, &a->id, "original", a->original, detail, err) == -1)
		return -1;
	if (differs(a->from, a->sender) &&
	    add_own(tx, &a->id, "from", a->from, detail, err) == -1)
		return -1;
	if (add_own(tx, &a->id, "client", a->client, detail, err) == -1 ||
	    add_own(tx, &a->id, "user", a->user, detail, err) == -1)
		return -1;
	return message_detail(tx, a, detail, err);
}
