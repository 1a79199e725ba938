/* SPDX-License-Identifier: BSD-2-Clause */
#include "config.h"

#include "store/prune_parts.h"

#include <stdlib.h>
#include <string.h>

#include "core/mem.h"

/* What happens while messages are on their way out. */
enum { SQL_LAST, SQL_SINCE };

static const char *const sql_text[] = {
	[SQL_LAST] = "SELECT coalesce(max(seq), 0) FROM journal",
	[SQL_SINCE] = "SELECT message FROM journal WHERE seq > ?1 "
		      "AND seq <= ?2 AND message < ?3",
};
static const struct db_sql sql = { DB_SLOT_OTHER,
	sizeof(sql_text) / sizeof(*sql_text), sql_text };

struct prune_watch {
	struct db *db;
	struct uuid bound; /* ids from here on are of no interest */
	int64_t seq;	   /* read up to here */
	struct uuid *ids;  /* sorted */
	size_t n, cap;
};

struct prune_watch *
prune_watch_open(
    const char *path, const struct archive *archive, struct err *err)
{
	struct prune_watch *w = mem_new(sizeof(*w));
	int64_t at = 0;

	w->seq = archive->as_of;
	if (prune_time_of(path, archive->last_seq, &at, err) == 0)
		w->db = db_open_journal(path, err);
	if (w->db != NULL && db_prepare(w->db, &sql, err) == 0) {
		w->bound = archive_id_bound(at);
		return w;
	}
	prune_watch_close(w);
	return NULL;
}

void
prune_watch_close(struct prune_watch *w)
{
	if (w == NULL)
		return;
	db_close(w->db);
	free(w->ids);
	free(w);
}

static int
by_id(const void *a, const void *b)
{
	return memcmp(a, b, UUID_LEN);
}

static void
add_id(struct prune_watch *w, const void *id)
{
	if (w->n == w->cap) {
		w->cap = w->cap > 0 ? 2 * w->cap : 64;
		w->ids = mem_grow(w->ids, w->cap, sizeof(*w->ids));
	}
	memcpy(w->ids[w->n++].bytes, id, UUID_LEN);
}

int64_t
prune_watch_read(struct prune_watch *w, struct err *err)
{
	sqlite3_stmt *stmt = db_stmt(w->db, &sql, SQL_LAST);
	enum db_result result = db_step(w->db, stmt, err);
	size_t len, before = w->n;
	const void *id;
	int64_t last;

	last = result == DB_ROW ? db_int(stmt, 0) : -1;
	db_reset(stmt);
	if (last == -1)
		return -1;
	stmt = db_stmt(w->db, &sql, SQL_SINCE);
	db_bind_int(stmt, 1, w->seq);
	db_bind_int(stmt, 2, last);
	db_bind_blob(stmt, 3, w->bound.bytes, UUID_LEN);
	while ((result = db_step(w->db, stmt, err)) == DB_ROW)
		if ((id = db_blob(stmt, 0, &len)) != NULL && len == UUID_LEN)
			add_id(w, id);
	db_reset(stmt);
	if (result != DB_DONE)
		return -1;
	if (w->n > before)
		qsort(w->ids, w->n, sizeof(*w->ids), by_id);
	w->seq = last;
	return last;
}

bool
prune_watch_has(const struct prune_watch *w, const struct uuid *id)
{
	return w->n > 0 &&
	    bsearch(id, w->ids, w->n, sizeof(*w->ids), by_id) != NULL;
}
