/* SPDX-License-Identifier: BSD-2-Clause */
#include "config.h"

#include "store/event_find.h"

#include <string.h>

#include "store/db.h"
#include "store/search.h"

/*
 * Whoever can hand in events could name any delivery in a tag. So it is held
 * against the SES id where that attempt's is known: delivery.ses_id is of the
 * last attempt, unless an event settled it that bears the tag of an earlier one.
 */
enum { SQL_ATTEMPT };
static const char *const sql_text[] = {
	[SQL_ATTEMPT] =
	    "SELECT 1 FROM delivery d WHERE message = ?1 AND n = ?2 "
	    "AND attempts >= ?3 AND (attempts > ?3 OR ses_id IS NULL "
	    "OR ses_id = ?4 OR EXISTS (SELECT 1 FROM event e "
	    "JOIN journal j ON j.seq = e.seq WHERE e.message = d.message "
	    "AND e.n = d.n AND e.attempt < ?3 "
	    "AND json_extract(j.detail, '$.ses_id') = d.ses_id))",
};
static const struct db_sql sql = { DB_SLOT_OTHER,
	sizeof(sql_text) / sizeof(*sql_text), sql_text };

static int
find_attempt(struct db *db, const struct event *e, struct event_place *place,
    struct err *err)
{
	sqlite3_stmt *stmt = db_stmt(db, &sql, SQL_ATTEMPT);
	enum db_result result;

	db_bind_blob(stmt, 1, e->message.bytes, UUID_LEN);
	db_bind_int(stmt, 2, e->n);
	db_bind_int(stmt, 3, e->attempt);
	db_bind_text(stmt, 4, e->ses_id);
	result = db_step(db, stmt, err);
	db_reset(stmt);
	if (result == DB_ROW) {
		place->found = place->tagged = true;
		place->message = e->message;
		place->n = e->n;
	}
	return result == DB_ROW || result == DB_DONE ? 0 : -1;
}

static int
find_tagged(const char *path, const struct event *e, size_t n,
    struct event_place *places, struct err *err)
{
	struct db *db = db_open_journal(path, err);
	int rc = db != NULL ? db_prepare(db, &sql, err) : -1;

	for (size_t i = 0; i < n && rc == 0; i++)
		if (e[i].tagged)
			rc = find_attempt(db, &e[i], &places[i], err);
	db_close(db);
	return rc;
}

/*
 * What bears a tag tells of what comes after it without one. What comes before
 * it is taken when the tag is: it may be the same report, which is to be had
 * with its tag.
 */
static size_t
find_by_tagged(const struct event *e, size_t n, struct event_place *places)
{
	size_t missing = 0;

	for (size_t i = 0; i < n; i++) {
		for (size_t k = 0; k < i && !places[i].found; k++)
			if (places[k].tagged &&
			    strcmp(e[k].ses_id, e[i].ses_id) == 0) {
				places[i] = places[k];
				places[i].tagged = false;
			}
		missing += !places[i].found;
	}
	return missing;
}

static int
take_hit(void *arg, const struct search_hit *hit)
{
	struct event_place *place = arg;

	place->found = true;
	place->message = hit->message;
	place->n = hit->n;
	return 1;
}

/* How many are still not found, or -1. */
static int64_t
find_by_id(struct search *s, const struct event *e, size_t n,
    struct event_place *places, struct err *err)
{
	struct search_filter filter = { .ses_id = NULL };
	int64_t cursor, missing = 0;

	for (size_t i = 0; i < n; i++) {
		if (places[i].found)
			continue;
		filter.ses_id = e[i].ses_id;
		cursor = 0;
		if (search_run(s, &filter, &cursor, 1, take_hit, &places[i],
			err) == -1)
			return -1;
		missing += !places[i].found;
	}
	return missing;
}

static int64_t
search_once(const char *path, const struct event *e, size_t n,
    struct event_place *places, struct err *err)
{
	struct search *s = search_open(path, err);
	int64_t missing = s != NULL ? find_by_id(s, e, n, places, err) : -1;

	search_close(s);
	return missing;
}

int
event_find(const char *path, const struct event *e, size_t n,
    struct event_place *places, struct err *err)
{
	struct err ignored;
	size_t missing;
	uint64_t rows;

	memset(places, 0, n * sizeof(*places));
	if (find_tagged(path, e, n, places, err) == -1)
		return -1;
	missing = find_by_tagged(e, n, places);
	/* There may be no search database yet. */
	if (missing == 0 || search_once(path, e, n, places, &ignored) == 0)
		return 0;
	if (search_catch_up(path, &rows, err) == -1 ||
	    search_once(path, e, n, places, err) == -1)
		return -1;
	return 0;
}
