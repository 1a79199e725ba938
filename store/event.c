/* SPDX-License-Identifier: BSD-2-Clause */
#include "config.h"

#include "store/event.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/crypto.h"
#include "core/json.h"
#include "core/mem.h"

void
event_free(struct event *e)
{
	free(e->type);
	free(e->kind);
	free(e->subtype);
	free(e->action);
	free(e->ses_id);
	free(e->feedback_id);
	free(e->dsn);
	free(e->text);
	memset(e, 0, sizeof(*e));
}

static bool
is(const char *text, const char *word)
{
	return text != NULL && strcmp(text, word) == 0;
}

/*
 * SES publishes bounces that are final, but its notifications may also list a
 * recipient who is only delayed.
 */
const char *
event_feedback(const struct event *e)
{
	if (is(e->type, "Complaint"))
		return is(e->kind, "not-spam") ? NULL : "complained";
	if (is(e->type, "Bounce"))
		return is(e->action, "delayed") ? "delayed" : "bounced";
	if (is(e->type, "Reject"))
		return "rejected";
	if (is(e->type, "Delivery"))
		return "delivered";
	if (is(e->type, "DeliveryDelay"))
		return "delayed";
	return NULL;
}

/*
 * Subtypes grow in number. Those that are not known here may well be choices
 * made at SES, so only the ones that tell of the mailbox count.
 */
const char *
event_suppresses(const struct event *e)
{
	const char *feedback = event_feedback(e);

	if (is(feedback, "complained") && e->subtype == NULL)
		return "complaint";
	if (is(feedback, "bounced") && is(e->kind, "Permanent") &&
	    (is(e->subtype, "General") || is(e->subtype, "NoEmail") ||
		is(e->subtype, "Suppressed")))
		return "bounce";
	return NULL;
}

int64_t
event_key(const char *type, const char *ses_id, const char *feedback_id,
    int64_t time)
{
	unsigned char digest[SHA256_LEN];
	struct sha256 *sha = sha256_new();
	uint64_t key = 0;
	char number[24];

	(void)snprintf(number, sizeof(number), "%" PRId64, time);
	if (feedback_id == NULL)
		feedback_id = number;
	sha256_add(sha, type, strlen(type) + 1);
	sha256_add(sha, ses_id, strlen(ses_id) + 1);
	sha256_add(sha, feedback_id, strlen(feedback_id));
	sha256_end(sha, digest);
	for (size_t i = 0; i < sizeof(key); i++)
		key = key << 8 | digest[i];
	return (int64_t)key;
}

void
event_tag(const struct event *e, char tag[EVENT_TAG_LEN])
{
	char id[UUID_TEXT_LEN];

	tag[0] = '\0';
	if (e->tagged)
		(void)snprintf(tag, EVENT_TAG_LEN, "%s-%u-%u",
		    uuid_text(&e->message, id), e->n, e->attempt);
}

void
event_set_tag(struct event *e, const char *value)
{
	char id[UUID_TEXT_LEN], again[EVENT_TAG_LEN];

	e->tagged = false;
	if (strlen(value) < UUID_TEXT_LEN)
		return;
	(void)snprintf(id, sizeof(id), "%.*s", UUID_TEXT_LEN - 1, value);
	if (uuid_parse(id, &e->message) == -1 ||
	    sscanf(value + UUID_TEXT_LEN - 1, "-%9u-%9u", &e->n,
		&e->attempt) != 2)
		return;
	/* sscanf is lenient; whoever made the tag was not. */
	e->tagged = true;
	event_tag(e, again);
	e->tagged = e->n > 0 && e->attempt > 0 && strcmp(again, value) == 0;
}

/* Read in one go, which members that are looked for by name can't be. */
void
event_json(const struct event *e, struct buf *out)
{
	const char *const texts[] = { e->type, e->kind, e->subtype, e->action,
		e->ses_id, e->feedback_id, e->dsn, e->text };
	char tag[EVENT_TAG_LEN];

	json_open(out, '[');
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		json_string(out, texts[i]);
	event_tag(e, tag);
	json_string(out, tag);
	json_int(out, e->time);
	json_int(out, e->accepted);
	json_close(out, ']');
}

/* A string or null, of at most max bytes. */
static int
next_text(const char **at, size_t max, char **text_r, struct err *err)
{
	enum json_type type;
	struct buf value;
	int rc;

	buf_init(&value, max);
	rc = json_next(at, &type, &value, err);
	if (rc == 0 || (rc == 1 && type != JSON_STRING && type != JSON_NULL))
		rc = err_set(err, ERR_PROTO, "not an event");
	if (rc == 1 && type == JSON_STRING)
		*text_r = buf_take(&value);
	buf_free(&value);
	return rc == 1 ? 0 : -1;
}

static int
next_time(const char **at, int64_t *time_r, struct err *err)
{
	enum json_type type;
	struct buf value;
	char *end = NULL;
	int rc;

	buf_init(&value, 24);
	rc = json_next(at, &type, &value, err);
	if (rc == 1) {
		*time_r = strtoll(value.data, &end, 10);
		rc = type == JSON_NUMBER && *end == '\0' ? 1 : 0;
	}
	buf_free(&value);
	if (rc == 0)
		return err_set(err, ERR_PROTO, "not an event");
	return rc == 1 ? 0 : -1;
}

int
event_parse(const char *json, struct event *e, struct err *err)
{
	const struct {
		char **text;
		size_t max;
	} texts[] = { { &e->type, 64 }, { &e->kind, 64 }, { &e->subtype, 64 },
		{ &e->action, 64 }, { &e->ses_id, 256 },
		{ &e->feedback_id, 256 }, { &e->dsn, 64 },
		{ &e->text, 2 * EVENT_TEXT_MAX } };
	char *tag = NULL;
	int rc = 0;

	memset(e, 0, sizeof(*e));
	for (size_t i = 0; rc == 0 && i < sizeof(texts) / sizeof(texts[0]); i++)
		rc = next_text(&json, texts[i].max, texts[i].text, err);
	if (rc == 0)
		rc = next_text(&json, EVENT_TAG_LEN, &tag, err);
	if (rc == 0 && tag != NULL)
		event_set_tag(e, tag);
	free(tag);
	if (rc == 0)
		rc = next_time(&json, &e->time, err);
	if (rc == 0)
		rc = next_time(&json, &e->accepted, err);
	if (rc == 0 && (e->type == NULL || e->ses_id == NULL))
		rc = err_set(err, ERR_PROTO, "an event without type or SES id");
	if (rc == -1)
		event_free(e);
	return rc;
}
