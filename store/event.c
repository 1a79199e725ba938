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

void
event_json(const struct event *e, struct buf *out)
{
	char tag[EVENT_TAG_LEN];

	event_tag(e, tag);
	json_open(out, '{');
	json_add_string(out, "type", e->type);
	json_add_string(out, "kind", e->kind);
	json_add_string(out, "subtype", e->subtype);
	json_add_string(out, "action", e->action);
	json_add_string(out, "ses_id", e->ses_id);
	json_add_string(out, "feedback_id", e->feedback_id);
	json_add_string(out, "dsn", e->dsn);
	json_add_string(out, "text", e->text);
	json_add_int(out, "time", e->time);
	json_add_int(out, "accepted", e->accepted);
	json_add_string(out, "tag", e->tagged ? tag : NULL);
	json_close(out, '}');
}

static int
get_text(const char *json, const char *key, size_t max, char **text_r,
    struct err *err)
{
	struct buf value;
	int rc;

	buf_init(&value, max);
	rc = json_get_string(json, key, &value, err);
	if (rc == 1)
		*text_r = buf_take(&value);
	buf_free(&value);
	return rc;
}

int
event_parse(const char *json, struct event *e, struct err *err)
{
	const struct {
		const char *key;
		size_t max;
		char **text;
	} texts[] = {
		{ "type", 64, &e->type },
		{ "kind", 64, &e->kind },
		{ "subtype", 64, &e->subtype },
		{ "action", 64, &e->action },
		{ "ses_id", 256, &e->ses_id },
		{ "feedback_id", 256, &e->feedback_id },
		{ "dsn", 64, &e->dsn },
		{ "text", 2 * EVENT_TEXT_MAX, &e->text },
	};
	char *tag = NULL;
	int rc = 0;

	memset(e, 0, sizeof(*e));
	for (size_t i = 0; rc != -1 && i < sizeof(texts) / sizeof(texts[0]); i++)
		rc = get_text(
		    json, texts[i].key, texts[i].max, texts[i].text, err);
	if (rc != -1)
		rc = json_get_int(json, "time", &e->time, err);
	if (rc != -1)
		rc = json_get_int(json, "accepted", &e->accepted, err);
	if (rc != -1)
		rc = get_text(json, "tag", EVENT_TAG_LEN, &tag, err);
	if (rc == 1)
		event_set_tag(e, tag);
	free(tag);
	if (rc != -1 && (e->type == NULL || e->ses_id == NULL))
		rc = err_set(err, ERR_PROTO, "an event without type or ses_id");
	if (rc == -1)
		event_free(e);
	return rc == -1 ? -1 : 0;
}
