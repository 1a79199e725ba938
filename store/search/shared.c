/* SPDX-License-Identifier: BSD-2-Clause */
#include "config.h"

#include "store/search/shared.h"

#include <stdlib.h>
#include <string.h>

#include "core/mem.h"
#include "store/search/term.h"

enum { SQL_OWN, SQL_MESSAGE };
static const char *const sql_text[] = {
	[SQL_OWN] = "SELECT role, value FROM party WHERE message = ? "
		    "AND n = 0 AND value IS NOT NULL",
	[SQL_MESSAGE] = "SELECT queue_ids, header_message_id FROM message "
			"WHERE id = ?",
};
const struct db_sql search_shared_sql = { DB_SLOT_SHARED,
	sizeof(sql_text) / sizeof(*sql_text), sql_text };

static void
share_term(struct search_shared *s, int64_t term)
{
	if (s->n == s->cap) {
		s->cap = s->cap > 0 ? 2 * s->cap : 16;
		s->terms = mem_grow(s->terms, s->cap, sizeof(*s->terms));
	}
	s->terms[s->n++] = term;
}

static void
share(struct search_shared *s, enum term_kind kind, const char *value)
{
	if (value != NULL)
		share_term(s, search_term(kind, value));
}

static void
share_names(struct search_shared *s, enum term_kind kind, const char *names)
{
	const char *name;
	size_t len;

	while (names != NULL && search_name(&names, &name, &len))
		share_term(s, search_term_len(kind, name, len));
}

static void
share_client(struct search_shared *s, const char *client)
{
	char *address = search_client_address(client);

	share(s, TERM_CLIENT, client);
	share(s, TERM_CLIENT, address);
	free(address);
}

/* Whoever stands in From can be asked for as the sender. */
static void
share_own(struct search_shared *s, const char *role, const char *value)
{
	if (strcmp(role, "client") == 0)
		share_client(s, value);
	else if (strcmp(role, "from") == 0)
		share_names(s, TERM_SENDER, value);
	else
		share(s, TERM_SENDER, value);
}

static int
load_own(struct db *db, const struct uuid *id, struct search_shared *s,
    struct err *err)
{
	sqlite3_stmt *stmt = db_stmt(db, &search_shared_sql, SQL_OWN);
	enum db_result result;

	db_bind_blob(stmt, 1, id->bytes, UUID_LEN);
	while ((result = db_step(db, stmt, err)) == DB_ROW)
		share_own(s, db_text(stmt, 0), db_text(stmt, 1));
	db_reset(stmt);
	return result == DB_DONE ? 0 : -1;
}

int
search_shared_load(struct db *db, const struct uuid *id,
    struct search_shared *s, struct err *err)
{
	sqlite3_stmt *stmt = db_stmt(db, &search_shared_sql, SQL_MESSAGE);
	enum db_result result;

	s->n = 0;
	db_bind_blob(stmt, 1, id->bytes, UUID_LEN);
	result = db_step(db, stmt, err);
	if (result == DB_ROW) {
		share_names(s, TERM_QUEUE_ID, db_text(stmt, 0));
		share(s, TERM_MESSAGE_ID, db_text(stmt, 1));
	}
	db_reset(stmt);
	if (result != DB_ROW && result != DB_DONE)
		return -1;
	return load_own(db, id, s, err);
}
