/* SPDX-License-Identifier: BSD-2-Clause */
#include "config.h"

#include "store/event_suppress.h"

#include <stdlib.h>
#include <string.h>

#include "core/mem.h"
#include "store/db.h"
#include "store/reason.h"

#define REASON_MAX_BYTES 400
#define GROWTH 64

struct event_listed {
	char *address, *reason;
	int64_t seq;
};

enum { SQL_RECIPIENT };
static const char *const sql_text[] = {
	[SQL_RECIPIENT] = "SELECT value FROM party WHERE message = ? AND n = ? "
			  "AND role = 'recipient'",
};
const struct db_sql event_suppress_sql = { DB_SLOT_EVENT_SUPPRESS,
	sizeof(sql_text) / sizeof(*sql_text), sql_text };

static bool
is_wanted(const struct conf_list *words, const char *why)
{
	for (size_t i = 0; why != NULL && i < words->n; i++)
		if (strcmp(words->items[i], why) == 0)
			return true;
	return false;
}

/* NULL when it was erased, or is the simulator's, which may always be tried. */
static int
load_address(struct db *db, const struct event_place *place, char **address_r,
    struct err *err)
{
	sqlite3_stmt *stmt = db_stmt(db, &event_suppress_sql, SQL_RECIPIENT);
	enum db_result result;
	struct address a;
	struct err ignored;

	db_bind_blob(stmt, 1, place->message.bytes, UUID_LEN);
	db_bind_int(stmt, 2, place->n);
	result = db_step(db, stmt, err);
	*address_r = result == DB_ROW ? db_text_dup(stmt, 0) : NULL;
	db_reset(stmt);
	if (*address_r != NULL &&
	    (address_parse(*address_r, strlen(*address_r), &a, &ignored) !=
		    ADDRESS_OK ||
		address_is_simulator(&a))) {
		free(*address_r);
		*address_r = NULL;
	}
	return result == DB_ROW || result == DB_DONE ? 0 : -1;
}

static char *
make_reason(const struct event *e, const char *text, const char *why)
{
	char *words = reason_neutral(text);
	struct buf reason;

	buf_init(&reason, REASON_MAX_BYTES);
	buf_adds(&reason, strcmp(why, "bounce") == 0
		? "mail to it bounced for good"
		: "its owner complained of mail as spam");
	if (e->subtype != NULL)
		buf_addf(&reason, " (%s)", e->subtype);
	if (words != NULL)
		buf_addf(&reason, ": %.200s", words);
	free(words);
	return buf_take(&reason);
}

int
event_suppress(struct journal_tx *tx, const struct conf_list *words,
    const struct event *e, const struct event_place *place, const char *text,
    struct event_suppressed *s, struct err *err)
{
	const char *why = event_suppresses(e);
	char *address, *reason;
	int64_t seq;
	int rc;

	if (!is_wanted(words, why))
		return 0;
	if (load_address(journal_tx_db(tx), place, &address, err) == -1)
		return -1;
	if (address == NULL)
		return 0;
	if (s->n % GROWTH == 0)
		s->list = mem_grow(s->list, s->n + GROWTH, sizeof(*s->list));
	reason = make_reason(e, text, why);
	rc = suppression_append(tx, address, reason, "event", &place->message,
	    place->n, e->time, &seq, err);
	if (rc == 1) {
		s->list[s->n++] =
		    (struct event_listed) { address, reason, seq };
		return 1;
	}
	free(address);
	free(reason);
	return rc;
}

void
event_suppressed_note(
    const struct event_suppressed *s, struct suppressions *list)
{
	for (size_t i = 0; i < s->n; i++)
		suppression_note(list, s->list[i].address, s->list[i].reason,
		    s->list[i].seq);
}

void
event_suppressed_clear(struct event_suppressed *s)
{
	for (size_t i = 0; i < s->n; i++) {
		free(s->list[i].address);
		free(s->list[i].reason);
	}
	free(s->list);
	*s = (struct event_suppressed) { NULL, 0 };
}
