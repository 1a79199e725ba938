/* SPDX-License-Identifier: BSD-2-Clause */
#include "config.h"

#include "store/suppressions.h"

#include <ctype.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/clock.h"
#include "core/mem.h"
#include "store/db.h"
#include "store/hidden.h"
#include "store/numbering.h"
#include "store/reason.h"

/*
 * Readers and those who change the list meet at a lock; an entry that has run
 * out is skipped, and leaves when the list is loaded anew. Those who change it
 * come after their commits, in any order: the seqs of their rows say which was
 * last. So an address that is taken off keeps its entry.
 */

enum { SQL_IN_FORCE };
static const char *const sql_text[] = {
	[SQL_IN_FORCE] = "SELECT address, reason, until, seq FROM suppression "
			 "WHERE address IS NOT NULL "
			 "AND (until IS NULL OR until > ?) ORDER BY seq",
};
static const struct db_sql sql = { DB_SLOT_OTHER, 1, sql_text };

struct entry {
	char *reason;  /* NULL: not listed any more */
	int64_t until; /* INT64_MAX: for ever */
	int64_t seq;   /* of the last change to it */
};

struct suppressions {
	pthread_rwlock_t lock;
	struct hidden_key key; /* of erased addresses */
	bool has_key;
	struct numbering *numbers; /* address to its entry, from 1 */
	struct entry *entries;
	unsigned n, cap;
};

void
suppressions_key(const char *address, char key[SUPPRESSION_KEY_LEN])
{
	size_t i;

	for (i = 0; address[i] != '\0' && i < SUPPRESSION_KEY_LEN - 1; i++)
		key[i] = (char)tolower((unsigned char)address[i]);
	key[i] = '\0';
}

/* NULL when it was never listed. */
static struct entry *
entry_of(const struct suppressions *s, const char *key)
{
	unsigned n = numbering_find(s->numbers, key);

	return n > 0 ? &s->entries[n - 1] : NULL;
}

static struct entry *
new_entry(struct suppressions *s, const char *key)
{
	if (s->n == s->cap) {
		s->cap = s->cap > 0 ? 2 * s->cap : 64;
		s->entries = mem_grow(s->entries, s->cap, sizeof(*s->entries));
	}
	numbering_add(s->numbers, key, s->n + 1);
	s->entries[s->n] = (struct entry) { .reason = NULL };
	return &s->entries[s->n++];
}

/* reason NULL: not listed any more. */
static void
put(struct suppressions *s, const char *key, const char *reason, int64_t until,
    int64_t seq)
{
	struct entry *e = entry_of(s, key);

	if (e == NULL)
		e = new_entry(s, key);
	if (seq < e->seq)
		return;
	free(e->reason);
	e->reason = mem_strdup(reason);
	e->until = until;
	e->seq = seq;
}

static int
load(struct suppressions *s, struct db *db, struct err *err)
{
	sqlite3_stmt *stmt = db_stmt(db, &sql, SQL_IN_FORCE);
	char key[SUPPRESSION_KEY_LEN], *reason;
	enum db_result result;

	db_bind_int(stmt, 1, clock_wall_us());
	while ((result = db_step(db, stmt, err)) == DB_ROW) {
		suppressions_key(db_text(stmt, 0), key);
		reason = reason_neutral(db_text(stmt, 1));
		put(s, key, reason,
		    sqlite3_column_type(stmt, 2) == SQLITE_NULL
			? INT64_MAX
			: db_int(stmt, 2),
		    db_int(stmt, 3));
		free(reason);
	}
	db_reset(stmt);
	return result == DB_DONE ? 0 : -1;
}

static int
load_key(struct suppressions *s, const char *journal_path, struct err *err)
{
	int rc = hidden_key_load(journal_path, &s->key, err);

	s->has_key = rc == 1;
	return rc == -1 ? -1 : 0;
}

int
suppressions_open(
    const char *journal_path, struct suppressions **list_r, struct err *err)
{
	struct suppressions *s = mem_new(sizeof(*s));
	struct db *db;
	int rc = -1;

	(void)pthread_rwlock_init(&s->lock, NULL);
	s->numbers = numbering_new(0);
	db = load_key(s, journal_path, err) == 0
	    ? db_open_journal(journal_path, err)
	    : NULL;
	if (db != NULL && db_prepare(db, &sql, err) == 0)
		rc = load(s, db, err);
	db_close(db);
	if (rc == -1)
		suppressions_close(s);
	else
		*list_r = s;
	return rc;
}

void
suppressions_close(struct suppressions *s)
{
	if (s == NULL)
		return;
	for (unsigned i = 0; i < s->n; i++)
		free(s->entries[i].reason);
	free(s->entries);
	numbering_free(s->numbers);
	(void)pthread_rwlock_destroy(&s->lock);
	free(s);
}

bool
suppressions_find(struct suppressions *s, const struct address *address,
    char reason[SUPPRESSION_REASON_LEN])
{
	char key[SUPPRESSION_KEY_LEN], hidden[HIDDEN_LEN];
	const struct entry *e;
	bool found;

	suppressions_key(address->text, key);
	if (s->has_key)
		(void)hidden_name(&s->key, key, hidden);
	(void)pthread_rwlock_rdlock(&s->lock);
	e = entry_of(s, key);
	if (s->has_key && (e == NULL || e->reason == NULL))
		e = entry_of(s, hidden);
	found = e != NULL && e->reason != NULL && e->until > clock_wall_us();
	if (found)
		(void)snprintf(
		    reason, SUPPRESSION_REASON_LEN, "%s", e->reason);
	(void)pthread_rwlock_unlock(&s->lock);
	return found;
}

void
suppressions_add(struct suppressions *s, const char *key, const char *reason,
    int64_t until_us, int64_t seq)
{
	(void)pthread_rwlock_wrlock(&s->lock);
	put(s, key, reason, until_us != 0 ? until_us : INT64_MAX, seq);
	(void)pthread_rwlock_unlock(&s->lock);
}

void
suppressions_remove(struct suppressions *s, const char *key, int64_t seq)
{
	(void)pthread_rwlock_wrlock(&s->lock);
	put(s, key, NULL, 0, seq);
	(void)pthread_rwlock_unlock(&s->lock);
}

static void
drop(struct suppressions *s, const char *key, int64_t seq)
{
	const struct entry *e = entry_of(s, key);

	if (e != NULL && e->seq <= seq)
		put(s, key, NULL, 0, e->seq);
}

void
suppressions_drop(struct suppressions *s, const char *address, int64_t seq)
{
	char key[SUPPRESSION_KEY_LEN], hidden[HIDDEN_LEN];

	suppressions_key(address, key);
	(void)pthread_rwlock_wrlock(&s->lock);
	drop(s, key, seq);
	if (s->has_key)
		drop(s, hidden_name(&s->key, key, hidden), seq);
	(void)pthread_rwlock_unlock(&s->lock);
}
