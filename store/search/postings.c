/* SPDX-License-Identifier: BSD-2-Clause */
#include "config.h"

#include "store/search/postings.h"

#include <stdlib.h>

#include "core/mem.h"

enum { SQL_ADD };
static const char *const sql_text[] = {
	[SQL_ADD] = "INSERT INTO posting (part, term, id) VALUES (?, ?, ?) "
		    "ON CONFLICT DO NOTHING",
};
const struct db_sql search_postings_sql = { DB_SLOT_POSTINGS, 1, sql_text };

struct search_posting {
	int64_t term, id;
};

void
search_postings_add(struct search_postings *p, int64_t term, int64_t id)
{
	if (p->n == p->cap) {
		p->cap = p->cap > 0 ? 2 * p->cap : 4096;
		p->list = mem_grow(p->list, p->cap, sizeof(*p->list));
	}
	p->list[p->n++] = (struct search_posting) { term, id };
}

static int
by_place(const void *a, const void *b)
{
	const struct search_posting *p = a, *q = b;

	if (SEARCH_PART(p->id) != SEARCH_PART(q->id))
		return p->id < q->id ? -1 : 1;
	if (p->term != q->term)
		return p->term < q->term ? -1 : 1;
	return p->id < q->id ? -1 : p->id > q->id;
}

int
search_postings_write(
    struct search_postings *p, struct db *db, struct err *err)
{
	sqlite3_stmt *stmt;

	if (p->n > 1)
		qsort(p->list, p->n, sizeof(*p->list), by_place);
	for (size_t i = 0; i < p->n; i++) {
		stmt = db_stmt(db, &search_postings_sql, SQL_ADD);
		db_bind_int(stmt, 1, SEARCH_PART(p->list[i].id));
		db_bind_int(stmt, 2, p->list[i].term);
		db_bind_int(stmt, 3, p->list[i].id);
		if (db_run(db, stmt, err) == -1)
			return -1;
	}
	p->n = 0;
	return 0;
}
