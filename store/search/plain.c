/* SPDX-License-Identifier: BSD-2-Clause */
#include "config.h"

#include "store/search/plain.h"

#include "core/mem.h"

#define BLOCK_BITS 6
#define BLOCK(id) ((int64_t)(id) >> BLOCK_BITS)
#define BIT(id) ((uint64_t)1 << ((id) & ((1 << BLOCK_BITS) - 1)))

static const char *const names[SEARCH_PLAINS] = { "sent", "delivered" };

enum { W_SET, W_CLEAR };
static const char *const write_text[] = {
	[W_SET] = "INSERT INTO plain (what, block, bits) VALUES (?1, ?2, ?4) "
		  "ON CONFLICT (what, block) DO UPDATE "
		  "SET bits = bits & ~?3 | excluded.bits",
	/* In parentheses for clang, which suspects a missing comma. */
	[W_CLEAR] = ("UPDATE plain SET bits = bits & ~?3 "
		     "WHERE what = ?1 AND block = ?2"),
};
const struct db_sql search_plain_write_sql = { DB_SLOT_PLAIN,
	sizeof(write_text) / sizeof(*write_text), write_text };

enum { R_ALL, R_BLOCK };
static const char *const read_text[] = {
	[R_ALL] = "SELECT block, bits FROM plain "
		  "WHERE what = ? AND block <= ? ORDER BY block DESC",
	[R_BLOCK] = "SELECT bits FROM plain WHERE what = ? AND block = ?",
};
const struct db_sql search_plain_sql = { DB_SLOT_PLAIN,
	sizeof(read_text) / sizeof(*read_text), read_text };

/* is: among those that are known now. */
struct search_plain_block {
	int64_t block;
	uint64_t known, is[SEARCH_PLAINS];
};

/* Neighbours mostly come together. */
static struct search_plain_block *
block_of(struct search_plain_list *p, int64_t id)
{
	if (p->n > 0 && p->list[p->n - 1].block == BLOCK(id))
		return &p->list[p->n - 1];
	if (p->n == p->cap) {
		p->cap = p->cap > 0 ? 2 * p->cap : 1024;
		p->list = mem_grow(p->list, p->cap, sizeof(*p->list));
	}
	p->list[p->n] = (struct search_plain_block){ .block = BLOCK(id) };
	return &p->list[p->n++];
}

static void
set_bit(uint64_t *bits, uint64_t bit, bool is)
{
	*bits = is ? *bits | bit : *bits & ~bit;
}

void
search_plain_note(
    struct search_plain_list *p, int64_t id, bool sent, bool delivered)
{
	struct search_plain_block *b = block_of(p, id);

	b->known |= BIT(id);
	set_bit(&b->is[SEARCH_SENT], BIT(id), sent);
	set_bit(&b->is[SEARCH_DELIVERED], BIT(id), delivered);
}

static int
write_bits(struct db *db, const struct search_plain_block *b,
    enum search_plain what, struct err *err)
{
	bool set = b->is[what] != 0;
	sqlite3_stmt *stmt =
	    db_stmt(db, &search_plain_write_sql, set ? W_SET : W_CLEAR);

	db_bind_text(stmt, 1, names[what]);
	db_bind_int(stmt, 2, b->block);
	db_bind_int(stmt, 3, (int64_t)b->known);
	if (set)
		db_bind_int(stmt, 4, (int64_t)b->is[what]);
	return db_run(db, stmt, err);
}

int
search_plain_write(struct search_plain_list *p, struct db *db, struct err *err)
{
	for (size_t i = 0; i < p->n; i++)
		if (write_bits(db, &p->list[i], SEARCH_SENT, err) == -1 ||
		    write_bits(db, &p->list[i], SEARCH_DELIVERED, err) == -1)
			return -1;
	p->n = 0;
	return 0;
}

int
search_plain_has(
    struct db *db, enum search_plain what, int64_t id, struct err *err)
{
	sqlite3_stmt *stmt = db_stmt(db, &search_plain_sql, R_BLOCK);
	enum db_result result;
	int rc = 0;

	db_bind_text(stmt, 1, names[what]);
	db_bind_int(stmt, 2, BLOCK(id));
	result = db_step(db, stmt, err);
	if (result == DB_ROW)
		rc = ((uint64_t)db_int(stmt, 0) & BIT(id)) != 0;
	db_reset(stmt);
	return result == DB_ROW || result == DB_DONE ? rc : -1;
}

void
search_plain_begin(struct search_plain_walk *w, struct db *db,
    enum search_plain what, int64_t below)
{
	*w = (struct search_plain_walk){ .db = db, .below = below };
	w->stmt = db_stmt(db, &search_plain_sql, R_ALL);
	db_bind_text(w->stmt, 1, names[what]);
	db_bind_int(w->stmt, 2, BLOCK(below));
}

static enum db_result
next_block(struct search_plain_walk *w, struct err *err)
{
	enum db_result result = db_step(w->db, w->stmt, err);

	if (result != DB_ROW)
		return result;
	w->block = db_int(w->stmt, 0);
	w->bits = (uint64_t)db_int(w->stmt, 1);
	if (w->block == BLOCK(w->below))
		w->bits &= BIT(w->below) - 1;
	return DB_ROW;
}

enum db_result
search_plain_next(struct search_plain_walk *w, int64_t *id_r, struct err *err)
{
	enum db_result result;
	int64_t id;

	while (w->bits == 0)
		if ((result = next_block(w, err)) != DB_ROW)
			return result;
	id = ((w->block + 1) << BLOCK_BITS) - 1;
	while ((w->bits & BIT(id)) == 0)
		id--;
	w->bits &= ~BIT(id);
	*id_r = id;
	return DB_ROW;
}

void
search_plain_end(struct search_plain_walk *w)
{
	db_reset(w->stmt);
}

int
search_plain_count(struct db *db, enum search_plain what, int64_t enough,
    int64_t *count_r, struct err *err)
{
	struct search_plain_walk walk;
	enum db_result result = DB_ROW;
	int64_t id;

	search_plain_begin(&walk, db, what, INT64_MAX);
	for (*count_r = 0; *count_r < enough; ++*count_r)
		if ((result = search_plain_next(&walk, &id, err)) != DB_ROW)
			break;
	search_plain_end(&walk);
	return result == DB_ROW || result == DB_DONE ? 0 : -1;
}
