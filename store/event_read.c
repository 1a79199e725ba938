/* SPDX-License-Identifier: BSD-2-Clause */
#include "config.h"

#include "store/event_read.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "core/base64.h"
#include "core/mem.h"
#include "core/utf8.h"
#include "store/db.h"
#include "store/record_party.h"

/*
 * A wrapping is known by what is in it. Whatever is unwrapped is looked at
 * again, as it may be wrapped once more, up to WRAPS_MAX times; so an unknown
 * order of known wrappings is no problem.
 *
 * Nothing is believed: what is taken is a string where a string is wanted, and
 * of the shape that it has at SES. What is not costs the record, where it says
 * whom or what it is about, or else is left out. Keys, types and subtypes that
 * are not known here are no fault, since SES adds to them.
 */
#define WRAPS_MAX 6

/* Of one list; SQS gives 10, Lambda and Firehose some thousands at most. */
#define ELEMENTS_MAX 20000

#define NAME_MAX_BYTES 60
#define ID_MAX_BYTES 120
#define BLOB_MAX_BYTES ((size_t)1024 * 1024)

#define TEXT_OF(path) "json_extract(?1, '" path "')"

/* As microseconds; NULL for what is no time in the form that SES writes. */
#define TIME_OF(value)                                                     \
	"CASE WHEN " value " GLOB '[12][0-9][0-9][0-9]-[0-9][0-9]-"        \
	"[0-9][0-9]T[0-9]*' THEN CAST(round((julianday(" value ") - "      \
	"2440587.5) * 86400000) AS INTEGER) * 1000 END"

enum { SQL_WRAPPING, SQL_ELEMENTS, SQL_RECORD, SQL_REPORT, SQL_RECIPIENT };

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
	[SQL_ELEMENTS] = "SELECT value FROM json_each(?1, ?2) "
			 "WHERE type IN ('object', 'array', 'text') "
			 "LIMIT ?3",
	[SQL_RECORD] = "SELECT " TEXT_OF("$.mail.messageId") ", "
		       TIME_OF(TEXT_OF("$.mail.timestamp")) ", "
		       TEXT_OF("$.mail.tags.postern[0]"),
	[SQL_REPORT] = "SELECT " TIME_OF("json_extract(?1, ?2 || '.timestamp')")
		       ", json_extract(?1, ?2 || '.feedbackId'), "
		       "json_extract(?1, ?2 || ?3), "
		       "json_extract(?1, ?2 || ?4), "
		       "json_extract(?1, ?2 || ?5)",
	/* The gravest of a bounce's. */
	[SQL_RECIPIENT] = "SELECT json_extract(value, '$.action'), "
			  "json_extract(value, '$.status'), "
			  "json_extract(value, '$.diagnosticCode') "
			  "FROM json_each(?1, ?2) WHERE type = 'object' "
			  "ORDER BY json_extract(value, '$.action') "
			  "IS 'delayed' LIMIT 1",
};
static const struct db_sql sql = { DB_SLOT_OTHER,
	sizeof(sql_text) / sizeof(*sql_text), sql_text };

/* Where the report of a type stands, and what is in it. */
static const struct report {
	const char *type, *object, *kind, *subtype, *text, *recipients;
} reports[] = {
	{ "Bounce", "$.bounce", ".bounceType", ".bounceSubType", NULL,
	    "$.bounce.bouncedRecipients" },
	{ "Complaint", "$.complaint", ".complaintFeedbackType",
	    ".complaintSubType", NULL, NULL },
	{ "Delivery", "$.delivery", NULL, NULL, ".smtpResponse", NULL },
	{ "DeliveryDelay", "$.deliveryDelay", ".delayType", NULL, NULL,
	    "$.deliveryDelay.delayedRecipients" },
	{ "Reject", "$.reject", NULL, NULL, ".reason", NULL },
	{ "Rendering Failure", "$.failure", NULL, NULL, ".errorMessage", NULL },
	{ "Open", "$.open", NULL, NULL, NULL, NULL },
	{ "Click", "$.click", NULL, NULL, NULL, NULL },
	{ "Subscription", "$.subscription", NULL, NULL, NULL, NULL },
	{ NULL, "$.send", NULL, NULL, NULL, NULL },
};

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

	r->db = db_open(":memory:", DB_COPY, err);
	if (r->db != NULL && db_prepare(r->db, &sql, err) == 0)
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

/* A string without NUL, or NULL. */
static const char *
text_at(sqlite3_stmt *stmt, int column)
{
	const char *text;

	if (sqlite3_column_type(stmt, column) != SQLITE_TEXT)
		return NULL;
	text = (const char *)sqlite3_column_text(stmt, column);
	return strlen(text) == (size_t)sqlite3_column_bytes(stmt, column)
	    ? text
	    : NULL;
}

/* A word of SES's own, or NULL. */
static char *
name_at(sqlite3_stmt *stmt, int column)
{
	const char *text = text_at(stmt, column);
	size_t len = text != NULL ? strlen(text) : 0;

	if (len == 0 || len > NAME_MAX_BYTES)
		return NULL;
	for (size_t i = 0; i < len; i++)
		if (!isalnum((unsigned char)text[i]) &&
		    strchr(" _.-", text[i]) == NULL)
			return NULL;
	return mem_strdup(text);
}

static char *
id_at(sqlite3_stmt *stmt, int column)
{
	const char *text = text_at(stmt, column);
	size_t len = text != NULL ? strlen(text) : 0;

	if (len == 0 || len > ID_MAX_BYTES)
		return NULL;
	for (size_t i = 0; i < len; i++)
		if (!isalnum((unsigned char)text[i]) &&
		    strchr("-_.=+/", text[i]) == NULL)
			return NULL;
	return mem_strdup(text);
}

/* Trailing line ends are no words. */
static char *
words_at(sqlite3_stmt *stmt, int column)
{
	const char *text = text_at(stmt, column);
	char *trimmed, *clean;
	size_t len;

	if (text == NULL)
		return NULL;
	for (len = strlen(text); len > 0 && isspace((unsigned char)text[len - 1]);)
		len--;
	trimmed = mem_strndup(text, len);
	clean = party_clean(trimmed, EVENT_TEXT_MAX);
	free(trimmed);
	return clean;
}

/* RFC 3463 section 2. */
static char *
status_at(sqlite3_stmt *stmt, int column)
{
	const char *text = text_at(stmt, column);

	if (text == NULL || strlen(text) > 11 || strchr("245", *text) == NULL ||
	    text[strspn(text, "0123456789.")] != '\0')
		return NULL;
	return mem_strdup(text);
}

static const struct report *
report_of(const char *type)
{
	const struct report *report = reports;

	while (report->type != NULL && strcmp(report->type, type) != 0)
		report++;
	return report;
}

static void
read_recipient(struct reading *r, const char *record, const char *list,
    struct event *e)
{
	sqlite3_stmt *stmt = db_stmt(r->db, &sql, SQL_RECIPIENT);
	struct err ignored;

	db_bind_text(stmt, 1, record);
	db_bind_text(stmt, 2, list);
	if (db_step(r->db, stmt, &ignored) == DB_ROW) {
		e->action = name_at(stmt, 0);
		if (e->action != NULL && strcmp(e->action, "failed") == 0) {
			free(e->action);
			e->action = NULL;
		}
		e->dsn = status_at(stmt, 1);
		e->text = words_at(stmt, 2);
	}
	db_reset(stmt);
}

/* What there is of it: Send has nothing to say, and Reject no time. */
static void
read_report(struct reading *r, const char *record, struct event *e)
{
	const struct report *report = report_of(e->type);
	sqlite3_stmt *stmt = db_stmt(r->db, &sql, SQL_REPORT);
	struct err ignored;

	db_bind_text(stmt, 1, record);
	db_bind_text(stmt, 2, report->object);
	db_bind_text(stmt, 3, report->kind);
	db_bind_text(stmt, 4, report->subtype);
	db_bind_text(stmt, 5, report->text);
	if (db_step(r->db, stmt, &ignored) == DB_ROW) {
		e->time = db_int(stmt, 0);
		e->feedback_id = id_at(stmt, 1);
		e->kind = name_at(stmt, 2);
		e->subtype = name_at(stmt, 3);
		e->text = words_at(stmt, 4);
	}
	db_reset(stmt);
	if (report->recipients != NULL)
		read_recipient(r, record, report->recipients, e);
	if (e->time == 0)
		e->time = e->accepted;
}

static const char *
read_mail(struct reading *r, const char *record, struct event *e)
{
	sqlite3_stmt *stmt = db_stmt(r->db, &sql, SQL_RECORD);
	struct err ignored;
	const char *tag;

	db_bind_text(stmt, 1, record);
	if (db_step(r->db, stmt, &ignored) == DB_ROW) {
		e->ses_id = id_at(stmt, 0);
		e->accepted = db_int(stmt, 1);
		tag = text_at(stmt, 2);
		if (tag != NULL)
			event_set_tag(e, tag);
	}
	db_reset(stmt);
	return e->ses_id != NULL ? NULL : "mail.messageId is no id of SES's";
}

/* Takes type over. */
static int
read_record(struct reading *r, const char *record, char *type)
{
	struct event e = { .type = type };
	const char *why;

	if (type == NULL)
		return say(r, "its type is none of SES's");
	if (strcmp(type, "AmazonSnsSubscriptionSucceeded") == 0) {
		event_free(&e);
		return say(r, NULL);
	}
	why = read_mail(r, record, &e);
	if (why == NULL) {
		read_report(r, record, &e);
		if (e.time == 0)
			why = "it has no time";
	}
	if (why == NULL)
		return r->fn(r->arg, r->element, &e, NULL);
	event_free(&e);
	return say(r, why);
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
	const char *type = text_at(stmt, W_SNS_TYPE);
	const char *message = text_at(stmt, W_SNS_MESSAGE);

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
		w->type = name_at(stmt, W_EVENT);
		if (w->type == NULL)
			w->type = name_at(stmt, W_NOTIFICATION);
		return;
	}
	w->list = mem_strdup(text_at(stmt, W_LIST));
	if (w->list != NULL)
		return;
	if (text_at(stmt, W_SNS_MESSAGE) != NULL) {
		unwrap_sns(stmt, w);
		return;
	}
	for (size_t i = 0; i < 4 && w->text == NULL; i++)
		w->text = mem_strdup(text_at(stmt, texts[i]));
	for (size_t i = 0; i < 2 && w->text == NULL; i++)
		if (text_at(stmt, blobs[i]) != NULL)
			w->text = decode(text_at(stmt, blobs[i]));
	if (w->text == NULL)
		w->why = "it is no event of SES's";
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
	db_bind_int(stmt, 3, ELEMENTS_MAX);
	while (db_step(r->db, stmt, &ignored) == DB_ROW) {
		if (n % 64 == 0)
			items = mem_grow(items, n + 64, sizeof(*items));
		items[n++] = mem_strdup(text_at(stmt, 0));
	}
	db_reset(stmt);
	for (size_t i = 0; i < n; i++) {
		if (rc == 0) {
			r->element++;
			rc = items[i] != NULL
			    ? read_any(r, items[i], wraps + 1)
			    : say(r, "there is a NUL in it");
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
