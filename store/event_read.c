/* SPDX-License-Identifier: BSD-2-Clause */
#include "config.h"

#include "store/event_read.h"

#include <stdlib.h>
#include <string.h>

#include "core/base64.h"
#include "core/mem.h"
#include "core/utf8.h"
#include "store/db.h"
#include "store/event_record.h"

/*
 * A wrapping is known by what is in it. Whatever is unwrapped is looked at
 * again, as it may be wrapped once more, up to WRAPS_MAX times; so an unknown
 * order of known wrappings is no problem.
 */
#define WRAPS_MAX 6
#define NO_EVENT "it is no event of SES's"
#define BLOB_MAX_BYTES ((size_t)1024 * 1024)

#define TEXT_OF(path) "json_extract(?1, '" path "')"

enum { SQL_WRAPPING, SQL_ELEMENTS };

enum wrapping_column {
	W_EVENT,
	W_NOTIFICATION,
	W_SNS_TYPE,
	W_SNS_MESSAGE,
	W_DETAIL,
	W_SQS_BODY,
	W_LAMBDA_BODY,
	W_LAMBDA_SNS,
	W_FIREHOSE,
	W_KINESIS,
	W_LIST
};

static const char *const sql_text[] = {
	[SQL_WRAPPING] =
	    "SELECT " TEXT_OF("$.eventType") ", "
	    TEXT_OF("$.notificationType") ", " TEXT_OF("$.Type") ", "
	    TEXT_OF("$.Message") ", "
	    TEXT_OF("$.detail") ", " TEXT_OF("$.Body") ", "
	    TEXT_OF("$.body") ", " TEXT_OF("$.Sns") ", "
	    TEXT_OF("$.data") ", " TEXT_OF("$.kinesis.data") ", "
	    "CASE WHEN json_type(?1) = 'array' THEN '$' "
	    "WHEN json_type(?1, '$.Messages') = 'array' THEN '$.Messages' "
	    "WHEN json_type(?1, '$.Records') = 'array' THEN '$.Records' "
	    "WHEN json_type(?1, '$.records') = 'array' THEN '$.records' END",
	[SQL_ELEMENTS] = "SELECT value FROM json_each(?1, ?2)",
};
static const struct db_sql sql = { DB_SLOT_OTHER,
	sizeof(sql_text) / sizeof(*sql_text), sql_text };

struct event_reader {
	struct db *db;
};

struct reading {
	struct db *db;
	event_read_fn *fn;
	void *arg;
	unsigned element;
};

struct event_reader *
event_reader_new(struct err *err)
{
	struct event_reader *r = mem_new(sizeof(*r));

	r->db = db_open_scratch(err);
	if (r->db != NULL && db_prepare(r->db, &sql, err) == 0 &&
	    db_prepare(r->db, &event_record_sql, err) == 0)
		return r;
	event_reader_free(r);
	return NULL;
}

void
event_reader_free(struct event_reader *r)
{
	if (r == NULL)
		return;
	db_close(r->db);
	free(r);
}

bool
event_read_harmless(const char *text, size_t len)
{
	static const char words[] =
	    "Successfully validated SNS topic for Amazon SES event publishing.";

	return len >= sizeof(words) - 1 &&
	    memcmp(text, words, sizeof(words) - 1) == 0;
}

static int
say(struct reading *r, const char *why)
{
	return r->fn(r->arg, r->element, NULL, why);
}

/* Takes type over. */
static int
read_record(struct reading *r, const char *record, char *type)
{
	const char *why = "its type is none of SES's";
	struct event e;

	if (type != NULL && strcmp(type, "AmazonSnsSubscriptionSucceeded") == 0) {
		free(type);
		return say(r, NULL);
	}
	if (type != NULL)
		why = event_record(r->db, record, type, &e);
	return why == NULL ? r->fn(r->arg, r->element, &e, NULL)
			   : say(r, why);
}

/* The next layer: a text of its own, as what it comes from is let go of. */
struct wrapped {
	char *text;	 /* to be looked at again, */
	char *list;	 /* or the path of a list in the same text, */
	char *type;	 /* or the type of the record that it is, */
	bool record;
	const char *why; /* or why it is nothing */
	bool harmless;
};

static char *
decode(const char *base64)
{
	size_t len, max = strlen(base64);
	unsigned char *bytes;

	if (max > BLOB_MAX_BYTES)
		return NULL;
	bytes = mem_new(max + 1);
	if (base64_bytes(base64, max, bytes, max, &len) == 0 &&
	    memchr(bytes, '\0', len) == NULL &&
	    utf8_valid((const char *)bytes, len))
		return (char *)bytes;
	free(bytes);
	return NULL;
}

static void
unwrap_sns(sqlite3_stmt *stmt, struct wrapped *w)
{
	const char *type = event_text_at(stmt, W_SNS_TYPE);
	const char *message = event_text_at(stmt, W_SNS_MESSAGE);

	if (type != NULL && strcmp(type, "SubscriptionConfirmation") == 0)
		w->why = "a subscription to an SNS topic waits for somebody "
			 "to visit its SubscribeURL";
	else if (type != NULL && strcmp(type, "UnsubscribeConfirmation") == 0)
		w->why = "a subscription to an SNS topic has ended";
	else if (event_read_harmless(message, strlen(message)))
		w->harmless = true;
	else
		w->text = mem_strdup(message);
}

static void
unwrap(sqlite3_stmt *stmt, struct wrapped *w)
{
	static const int texts[] = { W_DETAIL, W_SQS_BODY, W_LAMBDA_BODY,
		W_LAMBDA_SNS };
	static const int blobs[] = { W_FIREHOSE, W_KINESIS };

	w->record = sqlite3_column_type(stmt, W_EVENT) != SQLITE_NULL ||
	    sqlite3_column_type(stmt, W_NOTIFICATION) != SQLITE_NULL;
	if (w->record) {
		w->type = event_name_at(stmt, W_EVENT);
		if (w->type == NULL)
			w->type = event_name_at(stmt, W_NOTIFICATION);
		return;
	}
	w->list = mem_strdup(event_text_at(stmt, W_LIST));
	if (w->list != NULL)
		return;
	if (event_text_at(stmt, W_SNS_MESSAGE) != NULL) {
		unwrap_sns(stmt, w);
		return;
	}
	for (size_t i = 0; i < 4 && w->text == NULL; i++)
		w->text = mem_strdup(event_text_at(stmt, texts[i]));
	for (size_t i = 0; i < 2 && w->text == NULL; i++)
		if (event_text_at(stmt, blobs[i]) != NULL)
			w->text = decode(event_text_at(stmt, blobs[i]));
	if (w->text == NULL)
		w->why = NO_EVENT;
}

static int read_any(struct reading *, const char *text, unsigned wraps);

/* Copied first: statements can't be used within themselves. */
static int
read_list(struct reading *r, const char *text, const char *path,
    unsigned wraps)
{
	sqlite3_stmt *stmt = db_stmt(r->db, &sql, SQL_ELEMENTS);
	char **items = NULL;
	struct err ignored;
	size_t n = 0;
	int rc = 0;

	db_bind_text(stmt, 1, text);
	db_bind_text(stmt, 2, path);
	while (db_step(r->db, stmt, &ignored) == DB_ROW) {
		if (n % 64 == 0)
			items = mem_grow(items, n + 64, sizeof(*items));
		items[n++] = mem_strdup(event_text_at(stmt, 0));
	}
	db_reset(stmt);
	for (size_t i = 0; i < n; i++) {
		if (rc == 0) {
			r->element++;
			rc = items[i] != NULL
			    ? read_any(r, items[i], wraps + 1)
			    : say(r, NO_EVENT);
		}
		free(items[i]);
	}
	free(items);
	return rc;
}

static int
read_wrapped(struct reading *r, const char *text, struct wrapped *w,
    unsigned wraps)
{
	if (w->record)
		return read_record(r, text, w->type);
	if (w->list != NULL)
		return read_list(r, text, w->list, wraps);
	if (w->text != NULL)
		return read_any(r, w->text, wraps + 1);
	return say(r, w->harmless ? NULL : w->why);
}

static int
read_any(struct reading *r, const char *text, unsigned wraps)
{
	sqlite3_stmt *stmt = db_stmt(r->db, &sql, SQL_WRAPPING);
	struct wrapped w = { .why = "it is no JSON" };
	struct err ignored;
	int rc;

	if (wraps > WRAPS_MAX)
		return say(r, "it is wrapped too often");
	if (event_read_harmless(text, strlen(text)))
		return say(r, NULL);
	db_bind_text(stmt, 1, text);
	if (db_step(r->db, stmt, &ignored) == DB_ROW)
		unwrap(stmt, &w);
	db_reset(stmt);
	rc = read_wrapped(r, text, &w, wraps);
	free(w.text);
	free(w.list);
	return rc;
}

int
event_read(struct event_reader *reader, const char *text, size_t len,
    event_read_fn *fn, void *arg)
{
	struct reading r = { reader->db, fn, arg, 0 };
	char *copy;
	int rc;

	if (memchr(text, '\0', len) != NULL)
		return say(&r, "there is a NUL in it");
	if (!utf8_valid(text, len))
		return say(&r, "it is no UTF-8");
	copy = mem_strndup(text, len);
	rc = read_any(&r, copy, 0);
	free(copy);
	return rc;
}
