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
share(struct search_shared *s, enum term_kind kind, const char *value)
{
	if (value != NULL && s->n < SEARCH_SHARED_MAX)
		s->terms[s->n++] = search_term(kind, value);
}

static void
share_words(struct search_shared *s, enum term_kind kind, const char *words)
{
	char *copy = mem_strdup(words), *rest = copy, *word;

	while (rest != NULL && (word = strsep(&rest, " ,")) != NULL)
		if (*word != '\0')
			share(s, kind, word);
	free(copy);
}

/* From may hold several; the null sender can be asked for, too. */
static void
share_sender(struct search_shared *s, const char *value)
{
	if (*value == '\0')
		share(s, TERM_SENDER, value);
	else
		share_words(s, TERM_SENDER, value);
}

static int
load_own(struct db *db, const struct uuid *id, struct search_shared *s,
    struct err *err)
{
	sqlite3_stmt *stmt = db_stmt(db, &search_shared_sql, SQL_OWN);
	enum db_result result;
	char *address;

	db_bind_blob(stmt, 1, id->bytes, UUID_LEN);
	while ((result = db_step(db, stmt, err)) == DB_ROW) {
		if (strcmp(db_text(stmt, 0), "user") == 0) {
			share(s, TERM_SENDER, db_text(stmt, 1));
			continue;
		}
		if (strcmp(db_text(stmt, 0), "client") != 0) {
			share_sender(s, db_text(stmt, 1));
			continue;
		}
		share(s, TERM_CLIENT, db_text(stmt, 1));
		address = search_client_address(db_text(stmt, 1));
		share(s, TERM_CLIENT, address);
		free(address);
	}
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
		share_words(s, TERM_QUEUE_ID, db_text(stmt, 0));
		share(s, TERM_MESSAGE_ID, db_text(stmt, 1));
	}
	db_reset(stmt);
	if (result != DB_ROW && result != DB_DONE)
		return -1;
	return load_own(db, id, s, err);
}
