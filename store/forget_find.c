/* SPDX-License-Identifier: BSD-2-Clause */
#include "config.h"

#include "store/forget.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "core/address.h"
#include "core/mem.h"
#include "store/db.h"

/*
 * Finding a person, in values and in bytes.
 *
 * Bytes are read through SQLite's own descriptors: to open and close a database
 * beside it would let go of the locks that this process has on it.
 */
enum { SQL_FIND, SQL_REST };

/* Refused at RCPT for its syntax: no other person's, if hers is in it. */
#define REFUSED                                        \
	"(role = 'recipient' AND places(value, ?1) > 0 " \
	"AND is_within(value, ?1) AND NOT is_address(value))"

static const char *const sql_text[] = {
	[SQL_FIND] =
	    "WITH hit AS MATERIALIZED (SELECT message, n, role FROM party "
	    "WHERE is_person(value, ?1) OR " REFUSED ") "
	    "SELECT message, n, role FROM hit "
	    "UNION SELECT p.message, p.n, p.role FROM hit h CROSS JOIN party p "
	    "ON p.message = h.message AND p.n = 0 "
	    "AND p.role IN ('rewritten', 'user', 'client') "
	    "AND p.value IS NOT NULL "
	    "WHERE h.role IN ('sender', 'original', 'user') "
	    "UNION SELECT id, 0, 'message_id' FROM message "
	    "WHERE places(header_message_id, ?1) > 0 "
	    "AND (is_within(header_message_id, ?1) OR id IN (SELECT message "
	    "FROM hit WHERE role IN ('sender', 'original', 'user'))) "
	    "UNION SELECT NULL, seq, 'suppression' FROM suppression "
	    "WHERE address IN (?1, ?2) ORDER BY 1, 2, 3",
	/* What is in an index is in the file twice. */
	[SQL_REST] =
	    "SELECT coalesce(sum(own), 0), coalesce(sum(NOT own), 0), "
	    "coalesce(sum(places), 0) FROM ("
	    "SELECT is_person(value, ?1) OR " REFUSED " AS own, "
	    "places(value, ?1) AS places "
	    "FROM party WHERE places(value, ?1) > 0 OR is_person(value, ?1) "
	    "UNION ALL SELECT is_within(header_message_id, ?1), "
	    "places(header_message_id, ?1) FROM message "
	    "WHERE places(header_message_id, ?1) > 0 "
	    "UNION ALL SELECT address = ?1, 2 * places(address, ?1) "
	    "FROM suppression WHERE places(address, ?1) > 0)",
};
static const struct db_sql sql = { DB_SLOT_OTHER,
	sizeof(sql_text) / sizeof(*sql_text), sql_text };

static bool
starts_with(const char *text, const char *word, size_t len)
{
	return strncasecmp(text, word, len) == 0;
}

/* A quoted string (RFC 5322, 3.2.4), or what stands by itself. */
static size_t
unit_length(const char *p)
{
	size_t n = 1;

	if (*p != '"')
		return 1;
	for (; p[n] != '\0' && p[n] != '"'; n++)
		if (p[n] == '\\' && p[n + 1] != '\0')
			n++;
	return p[n] == '"' ? n + 1 : 1;
}

/* The value, or among the addresses of a From field. */
static bool
is_among(const char *value, const char *address)
{
	static const char between[] = " ,;<>";
	size_t len = strlen(address), n;

	if (strcasecmp(value, address) == 0)
		return true;
	for (; *value != '\0'; value += n) {
		value += strspn(value, between);
		for (n = 0; value[n] != '\0' && !strchr(between, value[n]);)
			n += unit_length(value + n);
		if (n == len && starts_with(value, address, len))
			return true;
	}
	return false;
}

/* SRS0=HHH=TT=domain=local@forwarder, and SRS1 around it. */
static bool
is_srs_of(const char *value, const char *address)
{
	const char *at = strrchr(address, '@'), *p;
	size_t local, domain;

	if (at == NULL || !starts_with(value, "SRS", 3))
		return false;
	local = (size_t)(at - address);
	domain = strlen(at + 1);
	for (p = strchr(value, '='); p != NULL; p = strchr(p + 1, '='))
		if (starts_with(p + 1, at + 1, domain) &&
		    p[1 + domain] == '=' &&
		    starts_with(p + 2 + domain, address, local) &&
		    p[2 + domain + local] == '@')
			return true;
	return false;
}

static bool
is_part_of_address(char c)
{
	return c != '\0' &&
	    ((c & 0x80) != 0 || isalnum((unsigned char)c) ||
		strchr("!#$%&'*+/=?^_`{|}~.-", c) != NULL);
}

/* In a text, with nothing before or after it that makes it another address. */
static bool
is_within(const char *text, const char *address)
{
	size_t len = strlen(address);

	for (const char *p = text; *p != '\0'; p++)
		if (starts_with(p, address, len) &&
		    (p == text || !is_part_of_address(p[-1])) &&
		    !is_part_of_address(p[len]))
			return true;
	return false;
}

/*
 * By its @, in how many places that begin in the first `within` bytes. A name
 * without one is not looked for: it may be any word.
 */
static int64_t
places(const char *bytes, size_t len, size_t within, const char *address)
{
	size_t local = strcspn(address, "@"), rest = strlen(address) - local;
	const char *end = bytes + len, *p = bytes + local;
	int64_t n = 0;

	if (rest == 0 || len < local + rest)
		return 0;
	for (; (p = memchr(p, '@', (size_t)(end - p))) != NULL; p++)
		if ((size_t)(p - bytes) - local < within &&
		    (size_t)(end - p) >= rest &&
		    starts_with(p, address + local, rest) &&
		    starts_with(p - local, address, local))
			n++;
	return n;
}

static void
sql_is_within(sqlite3_context *ctx, int argc, sqlite3_value **argv)
{
	const char *text = (const char *)sqlite3_value_text(argv[0]);
	const char *address = (const char *)sqlite3_value_text(argv[1]);

	(void)argc;
	sqlite3_result_int(ctx,
	    text != NULL && address != NULL && is_within(text, address));
}

static void
sql_places(sqlite3_context *ctx, int argc, sqlite3_value **argv)
{
	const char *text = (const char *)sqlite3_value_text(argv[0]);
	const char *address = (const char *)sqlite3_value_text(argv[1]);
	size_t len = text != NULL ? strlen(text) : 0;

	(void)argc;
	sqlite3_result_int64(ctx,
	    address != NULL ? places(text, len, len, address) : 0);
}

static void
sql_is_person(sqlite3_context *ctx, int argc, sqlite3_value **argv)
{
	const char *value = (const char *)sqlite3_value_text(argv[0]);
	const char *address = (const char *)sqlite3_value_text(argv[1]);

	(void)argc;
	sqlite3_result_int(ctx,
	    value != NULL && address != NULL &&
		(is_among(value, address) || is_srs_of(value, address)));
}

static void
sql_is_address(sqlite3_context *ctx, int argc, sqlite3_value **argv)
{
	const char *value = (const char *)sqlite3_value_text(argv[0]);
	struct address address;
	struct err ignored;

	(void)argc;
	sqlite3_result_int(ctx,
	    value != NULL &&
		address_parse(value, strlen(value), &address, &ignored) ==
		    ADDRESS_OK);
}

static struct db *
open_reader(const char *path, struct err *err)
{
	static const struct {
		const char *name;
		int args;
		void (*fn)(sqlite3_context *, int, sqlite3_value **);
	} fns[] = {
		{ "is_person", 2, sql_is_person },
		{ "is_within", 2, sql_is_within },
		{ "is_address", 1, sql_is_address },
		{ "places", 2, sql_places },
	};
	struct db *db = db_open_journal(path, err);

	if (db == NULL)
		return NULL;
	for (size_t i = 0; i < sizeof(fns) / sizeof(*fns); i++)
		(void)sqlite3_create_function(db_handle(db), fns[i].name,
		    fns[i].args, SQLITE_UTF8 | SQLITE_DETERMINISTIC, NULL,
		    fns[i].fn, NULL, NULL);
	if (db_prepare(db, &sql, err) == 0)
		return db;
	db_close(db);
	return NULL;
}

/* Whether a row belongs to the item in hand; an empty one takes any. */
static bool
belongs(const struct forget_item *item, const void *id, size_t len)
{
	if (item->nparties == 0)
		return true;
	if (item->nparties == FORGET_PARTIES_MAX)
		return false;
	return item->of_message
	    ? len == UUID_LEN && memcmp(id, item->message.bytes, len) == 0
	    : len == 0;
}

static void
add_party(struct forget_item *item, sqlite3_stmt *stmt, const void *id,
    size_t len)
{
	struct forget_party *p = &item->parties[item->nparties++];

	item->of_message = len == UUID_LEN;
	if (item->of_message)
		memcpy(item->message.bytes, id, UUID_LEN);
	p->n = db_int(stmt, 1);
	(void)snprintf(p->role, sizeof(p->role), "%s", db_text(stmt, 2));
}

int
forget_find(const char *path, const char *address, const char *hidden,
    int (*fn)(void *arg, const struct forget_item *, struct err *), void *arg,
    struct err *err)
{
	struct db *db = open_reader(path, err);
	struct forget_item item = { .nparties = 0 };
	enum db_result result = DB_ROW;
	sqlite3_stmt *stmt;
	const void *id;
	size_t len;
	int rc = 0;

	if (db == NULL)
		return -1;
	stmt = db_stmt(db, &sql, SQL_FIND);
	db_bind_text(stmt, 1, address);
	db_bind_text(stmt, 2, hidden);
	while (rc == 0 && (result = db_step(db, stmt, err)) == DB_ROW) {
		id = db_blob(stmt, 0, &len);
		if (!belongs(&item, id, len)) {
			rc = fn(arg, &item, err);
			item.nparties = 0;
		}
		add_party(&item, stmt, id, len);
	}
	if (result != DB_ROW && result != DB_DONE)
		rc = -1;
	if (rc == 0 && item.nparties > 0)
		rc = fn(arg, &item, err);
	db_close(db);
	return rc;
}

static int
read_values(const char *path, const char *address, struct forget_rest *r,
    struct err *err)
{
	struct db *db = open_reader(path, err);
	sqlite3_stmt *stmt;
	int rc = -1;

	if (db == NULL)
		return -1;
	stmt = db_stmt(db, &sql, SQL_REST);
	db_bind_text(stmt, 1, address);
	if (db_step(db, stmt, err) == DB_ROW) {
		r->own = db_int(stmt, 0);
		r->others = db_int(stmt, 1);
		r->explained = db_int(stmt, 2);
		rc = 0;
	}
	db_close(db);
	return rc;
}

#define CHUNK_BYTES (1024 * 1024)

static int
search_file(sqlite3_file *file, const char *address, int64_t *places_r,
    struct err *err)
{
	int overlap = (int)strlen(address), n;
	sqlite3_int64 size = 0, at;
	char *bytes;
	int rc = 0;

	if (file == NULL || file->pMethods == NULL)
		return 0;
	if (file->pMethods->xFileSize(file, &size) != SQLITE_OK)
		return err_set(err, ERR_LOCAL, "its size can't be told");
	bytes = mem_array((size_t)(CHUNK_BYTES + overlap), 1);
	for (at = 0; rc == 0 && at < size; at += CHUNK_BYTES) {
		n = size - at < CHUNK_BYTES + overlap ? (int)(size - at)
						      : CHUNK_BYTES + overlap;
		if (file->pMethods->xRead(file, bytes, n, at) != SQLITE_OK)
			rc = err_set(err, ERR_LOCAL, "it can't be read");
		else
			*places_r +=
			    places(bytes, (size_t)n, CHUNK_BYTES, address);
	}
	free(bytes);
	return rc;
}

static int
read_bytes(const char *path, const char *address, int64_t *places_r,
    struct err *err)
{
	static const int files[] = { SQLITE_FCNTL_FILE_POINTER,
		SQLITE_FCNTL_JOURNAL_POINTER };
	struct db *db = db_open(path, DB_READ, err);
	int64_t tables;
	int rc = 0;

	if (db == NULL)
		return -1;
	/* The log is opened by the first to read. */
	if (db_get_int(db, "SELECT count(*) FROM sqlite_schema", &tables,
		err) == -1)
		rc = -1;
	for (size_t i = 0; rc == 0 && i < 2; i++) {
		sqlite3_file *file = NULL;

		(void)sqlite3_file_control(
		    db_handle(db), "main", files[i], (void *)&file);
		rc = search_file(file, address, places_r, err);
	}
	db_close(db);
	return rc;
}

int
forget_rest(const char *path, const char *address, struct forget_rest *r,
    struct err *err)
{
	memset(r, 0, sizeof(*r));
	if (read_values(path, address, r, err) == -1)
		return -1;
	return read_bytes(path, address, &r->places, err) == 0
	    ? 0
	    : err_context(err, "%s", path);
}
