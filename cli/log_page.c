/* SPDX-License-Identifier: BSD-2-Clause */
#include "config.h"

#include "cli/log_page.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/placeholder.h"
#include "cli/when.h"
#include "core/clock.h"
#include "core/json.h"
#include "core/mem.h"

#define LINE_MAX_BYTES ((size_t)64 * 1024)
#define COLUMNS 8

struct log_page {
	const struct output *out;
	struct column columns[COLUMNS + 1]; /* what the table points to */
	struct table *table;		    /* NULL for CSV and JSON */
	bool wide;
	size_t rewritten; /* rows with the mark */
	int64_t next;
};

static enum color
state_color(const struct search_hit *h)
{
	const char *feedback = h->feedback != NULL ? h->feedback : "";

	if (strcmp(feedback, "bounced") == 0 ||
	    strcmp(feedback, "complained") == 0 ||
	    strcmp(feedback, "rejected") == 0)
		return COLOR_RED;
	if (strcmp(h->state, "sent") == 0)
		return COLOR_GREEN;
	if (strcmp(h->state, "refused") == 0 ||
	    strcmp(h->state, "doubtful") == 0)
		return COLOR_RED;
	return COLOR_YELLOW;
}

/* For programs only the SES id: the other names are columns of their own. */
static const char *
meaning(const void *arg, const char *mark, size_t len)
{
	const struct search_hit *h = arg;

	return placeholder_is(mark, len, "ses-id", 0) ? h->ses_id : NULL;
}

static const char *
meaning_for_people(const void *arg, const char *mark, size_t len)
{
	const struct search_hit *h = arg;

	if (placeholder_is(mark, len, "recipient", h->n))
		return h->recipient;
	if (placeholder_is(mark, len, "sender", 0))
		return h->sender;
	return meaning(arg, mark, len);
}

/* The reply as the MTA got it. */
static void
reply_text(const struct search_hit *h, bool people, struct buf *out)
{
	if (h->code != 0)
		buf_addf(out, "%u %s ", h->code, h->dsn != NULL ? h->dsn : "");
	if (h->reply != NULL)
		placeholder_fill(h->reply,
		    people ? meaning_for_people : meaning, h, out);
}

/* With --json and --csv: every column of the view `audit`, and the cursor. */
static const char *const keys[] = { "message", "n", "queue_ids", "received",
	"sender", "original_sender", "recipient", "client", "user",
	"message_id", "size", "state", "attempts", "ses_id", "reply",
	"feedback", "updated", "cursor" };
#define NKEYS (sizeof(keys) / sizeof(keys[0]))

struct values {
	char message[UUID_TEXT_LEN];
	char received[CLOCK_RFC3339_LEN], updated[CLOCK_RFC3339_LEN];
	char n[24], size[24], attempts[24], cursor[24];
	struct buf reply;
	const char *text[NKEYS];
	bool number[NKEYS];
};

static const char *
number(char text[24], int64_t v)
{
	(void)snprintf(text, 24, "%" PRId64, v);
	return text;
}

static const char *
or_erased(const char *who)
{
	return who != NULL ? who : "(erased)";
}

/* JSON has null for who was erased, what else there is has none. */
static void
values_init(
    struct values *v, const struct search_hit *h, bool people, bool json)
{
	buf_init(&v->reply, LINE_MAX_BYTES);
	reply_text(h, people, &v->reply);
	const char *const texts[NKEYS] = { uuid_text(&h->message, v->message),
		number(v->n, h->n), h->queue_ids,
		clock_rfc3339(h->received_at, v->received),
		json ? h->sender : or_erased(h->sender),
		json ? h->original_sender : or_erased(h->original_sender),
		json ? h->recipient : or_erased(h->recipient), h->client,
		h->user,
		h->message_id,
		number(v->size, h->size), h->state,
		number(v->attempts, h->attempts), h->ses_id,
		v->reply.len > 0 ? v->reply.data : NULL, h->feedback,
		clock_rfc3339(h->updated_at, v->updated),
		number(v->cursor, h->cursor) };

	memcpy(v->text, texts, sizeof(texts));
	for (size_t i = 0; i < NKEYS; i++)
		v->number[i] = v->text[i] == v->n || v->text[i] == v->size ||
		    v->text[i] == v->attempts || v->text[i] == v->cursor;
}

static void
put_json(const struct output *out, const struct values *v)
{
	struct buf line;

	buf_init(&line, LINE_MAX_BYTES);
	json_open(&line, '{');
	for (size_t i = 0; i < NKEYS; i++) {
		json_key(&line, keys[i]);
		if (v->number[i])
			json_raw(&line, v->text[i]);
		else
			json_string(&line, v->text[i]);
	}
	json_close(&line, '}');
	output_json(out, &line);
	buf_free(&line);
}

static const char *
sender_text(const char *sender)
{
	return sender != NULL && *sender == '\0' ? "<>" : or_erased(sender);
}

static bool
is_rewritten(const struct search_hit *h)
{
	return h->sender != NULL && h->original_sender != NULL &&
	       strcmp(h->sender, h->original_sender) != 0;
}

/* Whom people know as the sender, not what was made of him for SES. */
static void
put_sender(struct log_page *page, const struct search_hit *h)
{
	char *marked;

	if (page->wide || !is_rewritten(h)) {
		table_text(page->table, sender_text(h->original_sender));
		return;
	}
	marked = mem_printf("%s *", sender_text(h->original_sender));
	table_text(page->table, marked);
	free(marked);
	page->rewritten++;
}

/* What SES accepted may have bounced since: "sent" alone would mislead. */
static void
put_state(struct table *t, const struct search_hit *h)
{
	char *both;

	if (h->feedback == NULL) {
		table_text(t, h->state);
	} else {
		both = mem_printf("%s, %s", h->state, h->feedback);
		table_text(t, both);
		free(both);
	}
	table_color(t, state_color(h));
}

static void
put_row(struct log_page *page, const struct search_hit *h,
    const struct values *v)
{
	struct table *t = page->table;
	char when[WHEN_LEN];

	table_text(t, when_short(h->received_at, when));
	put_state(t, h);
	put_sender(page, h);
	table_text(t, or_erased(h->recipient));
	table_text(t, h->queue_ids);
	table_text(t, v->message);
	if (page->wide)
		table_text(t, sender_text(h->sender));
	table_text(t, v->reply.len > 0 ? v->reply.data : NULL);
}

struct log_page *
log_page_new(const struct output *out, bool csv, bool wide)
{
	/* A reply is long, so what --wide adds stands before it. */
	const struct column reply = { "REPLY", "reply", false };
	const struct column columns[COLUMNS + 1] = {
		{ "RECEIVED (UTC)", "received", false },
		{ "STATE", "state", false }, { "SENDER", "sender", false },
		{ "RECIPIENT", "recipient", false },
		{ "QUEUE IDS", "queue_ids", false },
		{ "MESSAGE", "message", false },
		wide ? (struct column) { "SENT AS", "sent_as", false } : reply,
		wide ? reply : (struct column) { 0 }, { 0 }
	};
	struct log_page *page = mem_new(sizeof(*page));

	page->out = out;
	page->wide = wide;
	memcpy(page->columns, columns, sizeof(columns));
	if (!out->json && !csv)
		page->table = table_new(page->columns);
	else if (csv)
		output_csv(out, keys, NKEYS);
	return page;
}

void
log_page_free(struct log_page *page)
{
	if (page->table != NULL)
		table_free(page->table);
	free(page);
}

int
log_page_hit(void *arg, const struct search_hit *h)
{
	struct log_page *page = arg;
	struct values v;

	values_init(&v, h, page->table != NULL, page->out->json);
	page->next = h->cursor;
	if (page->table != NULL)
		put_row(page, h, &v);
	else if (page->out->json)
		put_json(page->out, &v);
	else
		output_csv(page->out, v.text, NKEYS);
	buf_free(&v.reply);
	return 0;
}

void
log_page_print(const struct log_page *page)
{
	if (page->table != NULL)
		table_print(page->table, page->out);
	if (page->rewritten > 0)
		(void)fprintf(stderr,
		    "postern log: * was rewritten; --wide shows as whom it was "
		    "sent\n");
}

int64_t
log_page_next(const struct log_page *page)
{
	return page->next;
}
