/* SPDX-License-Identifier: BSD-2-Clause */
#include "config.h"

#include "store/event_record.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "core/mem.h"
#include "store/record_party.h"

/*
 * Nothing is believed: what is taken is a string where a string is wanted, and
 * of the shape that it has at SES. What is not costs the record, where it says
 * whom or what it is about, or else is left out. Keys, types and subtypes that
 * are not known here are no fault, since SES adds to them.
 */
#define NAME_MAX_BYTES 60
#define ID_MAX_BYTES 120

#define TEXT_OF(path) "json_extract(?1, '" path "')"

/* As microseconds; NULL for what is no time in the form that SES writes. */
#define TIME_OF(value)                                                     \
	"CASE WHEN " value " GLOB '[12][0-9][0-9][0-9]-[0-9][0-9]-"        \
	"[0-9][0-9]T[0-9]*' THEN CAST(round((julianday(" value ") - "      \
	"2440587.5) * 86400000) AS INTEGER) * 1000 END"

enum { SQL_MAIL, SQL_REPORT, SQL_RECIPIENT };
static const char *const sql_text[] = {
	[SQL_MAIL] = "SELECT " TEXT_OF("$.mail.messageId") ", "
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
const struct db_sql event_record_sql = { DB_SLOT_EVENT,
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

const char *
event_text_at(sqlite3_stmt *stmt, int column)
{
	const char *text;

	if (sqlite3_column_type(stmt, column) != SQLITE_TEXT)
		return NULL;
	text = (const char *)sqlite3_column_text(stmt, column);
	return strlen(text) == (size_t)sqlite3_column_bytes(stmt, column)
	    ? text
	    : NULL;
}

/* Letters, digits and what else is allowed; NULL for all else. */
static char *
plain_at(sqlite3_stmt *stmt, int column, const char *others, size_t max)
{
	const char *text = event_text_at(stmt, column);
	size_t len = text != NULL ? strlen(text) : 0;

	if (len == 0 || len > max)
		return NULL;
	for (size_t i = 0; i < len; i++)
		if (!isalnum((unsigned char)text[i]) &&
		    strchr(others, text[i]) == NULL)
			return NULL;
	return mem_strdup(text);
}

char *
event_name_at(sqlite3_stmt *stmt, int column)
{
	return plain_at(stmt, column, " _.-", NAME_MAX_BYTES);
}

static char *
id_at(sqlite3_stmt *stmt, int column)
{
	return plain_at(stmt, column, "-_.=+/", ID_MAX_BYTES);
}

/* Trailing line ends are no words. */
static char *
words_at(sqlite3_stmt *stmt, int column)
{
	const char *text = event_text_at(stmt, column);
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
	const char *text = event_text_at(stmt, column);

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
read_recipient(struct db *db, const char *record, const char *list,
    struct event *e)
{
	sqlite3_stmt *stmt = db_stmt(db, &event_record_sql, SQL_RECIPIENT);
	struct err ignored;

	db_bind_text(stmt, 1, record);
	db_bind_text(stmt, 2, list);
	if (db_step(db, stmt, &ignored) == DB_ROW) {
		e->action = event_name_at(stmt, 0);
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
read_report(struct db *db, const char *record, struct event *e)
{
	const struct report *report = report_of(e->type);
	sqlite3_stmt *stmt = db_stmt(db, &event_record_sql, SQL_REPORT);
	struct err ignored;

	db_bind_text(stmt, 1, record);
	db_bind_text(stmt, 2, report->object);
	db_bind_text(stmt, 3, report->kind);
	db_bind_text(stmt, 4, report->subtype);
	db_bind_text(stmt, 5, report->text);
	if (db_step(db, stmt, &ignored) == DB_ROW) {
		e->time = db_int(stmt, 0);
		e->feedback_id = id_at(stmt, 1);
		e->kind = event_name_at(stmt, 2);
		e->subtype = event_name_at(stmt, 3);
		e->text = words_at(stmt, 4);
	}
	db_reset(stmt);
	if (report->recipients != NULL)
		read_recipient(db, record, report->recipients, e);
	if (e->time == 0)
		e->time = e->accepted;
}

static const char *
read_mail(struct db *db, const char *record, struct event *e)
{
	sqlite3_stmt *stmt = db_stmt(db, &event_record_sql, SQL_MAIL);
	struct err ignored;
	const char *tag;

	db_bind_text(stmt, 1, record);
	if (db_step(db, stmt, &ignored) == DB_ROW) {
		e->ses_id = id_at(stmt, 0);
		e->accepted = db_int(stmt, 1);
		tag = event_text_at(stmt, 2);
		if (tag != NULL)
			event_set_tag(e, tag);
	}
	db_reset(stmt);
	return e->ses_id != NULL ? NULL : "mail.messageId is no id of SES's";
}

const char *
event_record(struct db *db, const char *record, char *type, struct event *e)
{
	const char *why;

	memset(e, 0, sizeof(*e));
	e->type = type;
	why = read_mail(db, record, e);
	if (why == NULL) {
		read_report(db, record, e);
		if (e->time == 0)
			why = "it has no time";
	}
	if (why != NULL)
		event_free(e);
	return why;
}
