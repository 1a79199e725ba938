/* SPDX-License-Identifier: BSD-2-Clause */
#include "config.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/buf.h"
#include "core/clock.h"
#include "core/json.h"
#include "core/log.h"
#include "core/mem.h"
#include "core/stream.h"
#include "sandbox/body.h"
#include "sandbox/events.h"
#include "sandbox/fields.h"
#include "sandbox/ids.h"
#include "sandbox/judge.h"
#include "sandbox/record.h"
#include "sandbox/session.h"
#include "sandbox/settings.h"
#include "sandbox/talk.h"
#include "sandbox/verbs.h"

/*
 * DATA: the content, the judgement, and what follows from it. A message is
 * recorded (and its events are written) before the client gets its reply, so
 * that whoever has seen the reply finds the record.
 */
#define ENTRY_MAX (256 * 1024)

struct delivery {
	struct body body;
	struct fields fields;
};

/* Before the reply, so that whoever has seen it finds the file. */
static void
save(struct session *s, const struct delivery *d, const char *id)
{
	const struct buf *content = &d->body.content;
	char *path;
	int fd;

	if (s->sb->save_dir == NULL)
		return;
	path = mem_printf("%s/%s.eml", s->sb->save_dir, id);
	fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
	if (fd == -1 ||
	    write(fd, content->data, content->len) != (ssize_t)content->len)
		log_error(
		    id, "save", "file", path, "reason", "could not be written");
	if (fd != -1)
		(void)close(fd);
	free(path);
}

/*
 * A fault that lies in wait for the content. It strikes once as many bytes
 * have come as it asks for, and a message that is shorter gets away.
 */
struct ambush {
	bool set;
	struct fault fault;
};

static void
lay_ambush(struct session *s, struct ambush *a)
{
	struct fault_occasion o = {
		.phase = PHASE_BODY,
		.sender = s->txn.sender,
		.recipients = s->txn.recipients,
		.nrecipients = s->txn.nrecipients,
	};

	s->phase = PHASE_BODY;
	a->set = faults_strike(s->sb->faults, &o, &a->fault);
}

/* A reply where none is due leaves nothing to go on with. */
static void
spring_ambush(struct session *s, struct ambush *a)
{
	a->set = false;
	s->fault = a->fault;
	talk_strike(s, NULL);
	if (a->fault.action == FAULT_REPLY)
		s->over = true;
}

static bool
is_due(const struct ambush *a, const struct body *b)
{
	return a->set && b->size >= a->fault.after_bytes;
}

/* Take the content in. 0, or -1 when the session is over. */
static int
receive(struct session *s, struct body *body)
{
	struct ambush ambush;
	const char *data;
	size_t len, used;
	bool ended = false;

	lay_ambush(s, &ambush);
	while (!ended) {
		if (is_due(&ambush, body))
			spring_ambush(s, &ambush);
		if (s->over || talk_peek(s, &data, &len) == -1)
			return -1;
		ended = body_feed(body, data, len, &used);
		stream_consume(s->stream, used);
	}
	s->read_us = clock_mono_us();
	return 0;
}

static void
watch_content(struct session *s, const struct delivery *d)
{
	const struct body *b = &d->body;

	if (b->bare_cr > 0)
		talk_violation(s, "bare-cr", "%u in content", b->bare_cr);
	if (b->bare_lf > 0)
		talk_violation(s, "bare-lf", "%u in content", b->bare_lf);
	if (b->nuls > 0)
		talk_violation(s, "nul", "in content");
	if (b->long_lines > 0)
		talk_violation(s, "line-too-long",
		    "%u lines of over 1000 bytes", b->long_lines);
	if (b->header_eightbit)
		talk_violation(s, "8bit-header", "bytes over 127");
	if (b->eightbit && !s->txn.body_8bit)
		talk_violation(s, "8bit-content", "without BODY=8BITMIME");
	if (d->fields.garbage > 0)
		talk_violation(s, "header-syntax",
		    "%u lines that are no header field", d->fields.garbage);
}

static void
add_field(struct buf *out, const struct fields *fields, const char *key,
    const char *name)
{
	const struct field *f = fields_find(fields, name);
	struct buf text;

	if (f == NULL)
		return;
	buf_init(&text, 4096);
	field_unfold(f, &text);
	json_key(out, key);
	json_string_len(out, text.data, text.len);
	buf_free(&text);
}

struct accepted {
	char id[IDS_LEN];
	int64_t wall_us;
};

static void
record_message(struct session *s, const struct delivery *d,
    const struct verdict *v, const struct accepted *a)
{
	struct buf entry;

	buf_init(&entry, ENTRY_MAX);
	json_open(&entry, '{');
	json_add_string(&entry, "id", a->id);
	json_add_int(&entry, "wall_us", a->wall_us);
	json_add_int(&entry, "mono_us", v->mono_us);
	json_add_int(&entry, "connection", (int64_t)s->number);
	json_add_string(&entry, "user", s->user);
	json_add_string(&entry, "sender", s->txn.sender);
	json_key(&entry, "recipients");
	json_open(&entry, '[');
	for (size_t i = 0; i < s->txn.nrecipients; i++)
		json_string(&entry, s->txn.recipients[i]);
	json_close(&entry, ']');
	add_field(&entry, &d->fields, "message_id", "Message-ID");
	add_field(&entry, &d->fields, "from", "From");
	json_add_int(&entry, "size", (int64_t)d->body.size);
	json_add_int(&entry, "crc32", d->body.crc);
	json_add_string(&entry, "configuration_set", v->set);
	json_key(&entry, "tags");
	events_tags(&d->fields, &entry);
	record_add(s->sb->record, RECORD_MESSAGES, &entry);
	record_count(
	    s->sb->record, COUNTER_RECIPIENTS, (int64_t)s->txn.nrecipients);
	record_count(s->sb->record, COUNTER_BYTES, (int64_t)d->body.size);
}

static void
publish(struct session *s, const struct delivery *d, const struct verdict *v,
    const struct accepted *a)
{
	struct events_message m = {
		.session = s,
		.fields = &d->fields,
		.id = a->id,
		.set = v->set,
		.wall_us = a->wall_us,
		.virus = d->body.virus,
	};

	if (s->sb->events != NULL && v->set[0] != '\0')
		record_count(s->sb->record, COUNTER_EVENTS,
		    events_publish(s->sb->events, &m));
}

/* After the dot. */
static void
decide(struct session *s, const struct delivery *d)
{
	struct verdict v;
	struct accepted a;

	judge(s, &d->body, &d->fields, &v);
	if (v.reason != NULL) {
		talk_refuse(s, v.reason, "%s", v.reply);
		return;
	}
	a.wall_us = clock_wall_us();
	ids_message(s->sb->region, a.wall_us, a.id);
	save(s, d, a.id);
	publish(s, d, &v, &a);
	record_message(s, d, &v, &a);
	talk_reply(s, "250 Ok %s", a.id);
}

static void
take_message(struct session *s)
{
	uint64_t limit =
	    (uint64_t)settings_get(s->sb->settings, SETTING_MESSAGE_SIZE);
	struct delivery d = { .fields = { .items = NULL } };

	body_init(&d.body, limit, s->sb->save_dir != NULL);
	if (receive(s, &d.body) == 0) {
		fields_parse(&d.fields, &d.body.header);
		s->phase = PHASE_DOT;
		watch_content(s, &d);
		if (!talk_enter(s, PHASE_DOT))
			decide(s, &d);
		s->messages++;
	}
	fields_free(&d.fields);
	body_free(&d.body);
}

void
data_serve(struct session *s, char *arg)
{
	if (*arg != '\0')
		talk_violation(s, "syntax", "DATA with an argument");
	if (!s->txn.open || s->txn.nrecipients == 0) {
		talk_violation(s, "sequence", "DATA without %s",
		    s->txn.open ? "RCPT" : "MAIL");
		talk_refuse(s, "sequence", "503 %s command",
		    s->txn.open ? "Error: need RCPT"
				: "5.5.1 Error: need MAIL");
		return;
	}
	talk_reply(s, "354 End data with <CR><LF>.<CR><LF>");
	if (!s->over)
		take_message(s);
	txn_reset(&s->txn);
}
