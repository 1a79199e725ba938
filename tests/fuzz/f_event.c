/* SPDX-License-Identifier: BSD-2-Clause */
#include "config.h"

#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "core/json_split.h"
#include "core/utf8.h"
#include "store/event_read.h"

/*
 * Whatever stands in a file of events: it is an event or there is a reason why
 * not, and what an event has is bounded, printable, and the same behind
 * posternd's control socket.
 */
#define MAX 8192

int LLVMFuzzerTestOneInput(const uint8_t *, size_t);

static void
check_text(const char *text, size_t max)
{
	size_t n;

	if (text == NULL)
		return;
	assert(strlen(text) <= max);
	for (; *text != '\0'; text += n) {
		n = utf8_printable(text);
		assert(n > 0);
	}
}

static void
check_wire(const struct event *e)
{
	struct buf first, second;
	struct event again;
	struct err err;

	buf_init(&first, 65536);
	buf_init(&second, 65536);
	event_json(e, &first);
	assert(event_parse(first.data, &again, &err) == 0);
	event_json(&again, &second);
	assert(strcmp(first.data, second.data) == 0);
	assert(event_key(e->type, e->ses_id, e->feedback_id, e->time) ==
	    event_key(again.type, again.ses_id, again.feedback_id,
		again.time));
	event_free(&again);
	buf_free(&first);
	buf_free(&second);
}

static int
take(void *arg, unsigned element, struct event *e, const char *why)
{
	(void)arg;
	(void)element;
	if (e == NULL)
		return 0;
	assert(why == NULL);
	assert(e->type != NULL && e->ses_id != NULL && e->time != 0);
	check_text(e->type, 64);
	check_text(e->kind, 64);
	check_text(e->subtype, 64);
	check_text(e->action, 64);
	check_text(e->ses_id, 128);
	check_text(e->feedback_id, 128);
	check_text(e->dsn, 16);
	check_text(e->text, EVENT_TEXT_MAX);
	(void)event_feedback(e);
	(void)event_suppresses(e);
	check_wire(e);
	event_free(e);
	return 0;
}

static int
piece(void *arg, const struct json_piece *p)
{
	if (p->kind == JSON_PIECE_VALUE)
		(void)event_read(arg, p->data, p->len, take, NULL);
	return 0;
}

int
LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
	static struct event_reader *reader;
	struct json_split *split = json_split_new(MAX);
	struct err err;

	if (reader == NULL)
		reader = event_reader_new(&err);
	assert(reader != NULL);
	(void)json_split_feed(split, bytes, len, piece, reader);
	(void)json_split_end(split, piece, reader);
	json_split_free(split);
	/* What no splitter would let through, too. */
	(void)event_read(reader, (const char *)bytes, len, take, NULL);
	return 0;
}
