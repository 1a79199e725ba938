/* SPDX-License-Identifier: BSD-2-Clause */
#include "config.h"

#include "store/record_text.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "core/mem.h"
#include "store/db.h"
#include "store/record_party.h"

enum { SQL_NAMES };
static const char *const sql_text[] = {
	[SQL_NAMES] = "SELECT n, role, value FROM party WHERE message = ? "
		      "AND n IN (0, ?) AND value IS NOT NULL",
};
const struct db_sql record_text_sql = { DB_SLOT_TEXT, 1, sql_text };

/* Those of the message itself, and one recipient's. */
#define NAMES_MAX 8

struct names {
	struct party_name name[NAMES_MAX];
	size_t n;
};

static int
load_names(struct journal_tx *tx, const struct uuid *id, unsigned n,
    struct names *names, struct err *err)
{
	struct db *db = journal_tx_db(tx);
	sqlite3_stmt *stmt = db_stmt(db, &record_text_sql, SQL_NAMES);
	enum db_result result;

	names->n = 0;
	db_bind_blob(stmt, 1, id->bytes, UUID_LEN);
	db_bind_int(stmt, 2, n);
	while ((result = db_step(db, stmt, err)) == DB_ROW &&
	    names->n < NAMES_MAX) {
		names->name[names->n].n = (unsigned)db_int(stmt, 0);
		names->name[names->n].role = db_text_dup(stmt, 1);
		names->name[names->n].value = db_text_dup(stmt, 2);
		names->n++;
	}
	db_reset(stmt);
	return result == DB_ROW || result == DB_DONE ? 0 : -1;
}

static void
free_names(struct names *names)
{
	for (size_t i = 0; i < names->n; i++) {
		free((void *)(uintptr_t)names->name[i].role);
		free((void *)(uintptr_t)names->name[i].value);
	}
}

/* The SES id stands in a column of its own; once is enough. */
static void
hide_ses_id(struct buf *text, const char *ses_id)
{
	char *at, *rest;

	if (ses_id == NULL || *ses_id == '\0' ||
	    (at = strstr(text->data, ses_id)) == NULL)
		return;
	rest = mem_strdup(at + strlen(ses_id));
	buf_cut(text, (size_t)(at - text->data));
	buf_adds(text, "{ses-id}");
	buf_adds(text, rest);
	free(rest);
}

char *
record_storable(const char *text)
{
	char *clean = party_clean(text, RECORD_TEXT_MAX_BYTES);
	struct buf out;

	if (clean == NULL)
		return NULL;
	buf_init(&out, 4 * RECORD_TEXT_MAX_BYTES);
	party_hide(clean, NULL, 0, &out);
	free(clean);
	return buf_take(&out);
}

/* in_words: the recipient's name may stand in it without the domain. */
static int
storable(struct journal_tx *tx, const struct uuid *id, unsigned n,
    const char *text, bool in_words, const char *ses_id, char **text_r,
    struct err *err)
{
	struct names names = { .n = 0 };
	struct buf out;
	char *clean;
	int rc = 0;

	*text_r = NULL;
	if (text == NULL)
		return 0;
	clean = party_clean(text, RECORD_TEXT_MAX_BYTES);
	if (in_words || strchr(clean, '@') != NULL)
		rc = load_names(tx, id, n, &names, err);
	for (size_t i = 0; i < names.n; i++)
		names.name[i].in_words = in_words && names.name[i].n > 0;
	buf_init(&out, 4 * RECORD_TEXT_MAX_BYTES);
	if (rc == 0) {
		party_hide(clean, names.name, names.n, &out);
		hide_ses_id(&out, ses_id);
		*text_r = buf_take(&out);
	}
	buf_free(&out);
	free_names(&names);
	free(clean);
	return rc;
}

int
record_storable_of(struct journal_tx *tx, const struct uuid *id, unsigned n,
    const char *text, const char *ses_id, char **text_r, struct err *err)
{
	return storable(tx, id, n, text, false, ses_id, text_r, err);
}

int
record_storable_words(struct journal_tx *tx, const struct uuid *id, unsigned n,
    const char *text, char **text_r, struct err *err)
{
	return storable(tx, id, n, text, true, NULL, text_r, err);
}
