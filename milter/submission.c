/* SPDX-License-Identifier: BSD-2-Clause */
#include "config.h"

#include "milter/submission.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "core/buf.h"
#include "core/cut.h"
#include "core/header.h"
#include "core/mem.h"
#include "core/message.h"

/*
 * Of the header only the fields that count are kept, as they would stand in the
 * message, so that what reads them is what reads whole header sections at the
 * gate.
 */
struct submission {
	char *path; /* as it came; "" for the null sender */
	struct buf sender;  /* printable, without angle brackets */
	struct buf header;  /* fields that count, CRLF */
	size_t header_len;  /* of all fields */
	unsigned nfrom, nsender;
	struct header_field message_id; /* these point into header, */
	struct senders_fields fields;	/* once it is complete */
	bool complete;
};

static const char *const counts[] = { "From", "Sender", "Reply-To",
	"Message-ID" };

/* Postfix leaves out the quotes that a local part may need, Sendmail the domain
 * of its own users. */
static bool
is_address(const char *resolved)
{
	size_t len = resolved != NULL ? strlen(resolved) : 0;
	struct address a;
	struct err err;

	if (len == 0)
		return false;
	rewrite_bare(&resolved, &len);
	return address_parse(resolved, len, &a, &err) == ADDRESS_OK;
}

struct submission *
submission_new(const char *path, const char *resolved)
{
	struct submission *s = mem_new(sizeof(*s));
	const char *sender = path;
	size_t len = strlen(path);

	rewrite_bare(&sender, &len);
	if (len > 0 && is_address(resolved)) {
		path = sender = resolved;
		len = strlen(resolved);
		rewrite_bare(&sender, &len);
	}
	s->path = mem_strdup(len > 0 ? path : "");
	buf_init(&s->sender, len);
	buf_add_printable(&s->sender, sender, len);
	buf_init(&s->header, MESSAGE_HEADER_MAX);
	return s;
}

void
submission_free(struct submission *s)
{
	if (s == NULL)
		return;
	free(s->path);
	buf_free(&s->sender);
	buf_free(&s->header);
	free(s);
}

static bool
is_counted(const char *name)
{
	for (size_t i = 0; i < sizeof(counts) / sizeof(counts[0]); i++)
		if (strcasecmp(name, counts[i]) == 0)
			return true;
	return false;
}

void
submission_field(struct submission *s, const char *name, const char *value)
{
	s->header_len += strlen(name) + strlen(value) + 4;
	if (s->header_len > MESSAGE_HEADER_MAX || !is_counted(name))
		return;
	buf_adds(&s->header, name);
	buf_adds(&s->header, ": ");
	for (const char *p = value; *p != '\0'; p++) {
		if (*p == '\r')
			continue;
		if (*p != '\n')
			buf_addc(&s->header, *p);
		else if (p[1] == ' ' || p[1] == '\t')
			buf_adds(&s->header, "\r\n");
	}
	buf_adds(&s->header, "\r\n");
}

static void
read_fields(struct submission *s)
{
	struct header_field f;
	size_t pos = 0;

	if (s->complete)
		return;
	s->complete = true;
	while (header_next(s->header.data, s->header.len, &pos, &f) == 1) {
		senders_see(&s->fields, &f);
		s->nfrom += header_is(&f, "From");
		s->nsender += header_is(&f, "Sender");
		if (header_is(&f, "Message-ID") && s->message_id.name_len == 0)
			s->message_id = f;
	}
}

static void
refuse(struct submission_outcome *o, unsigned code, const char *dsn,
    const char *text)
{
	o->code = code;
	(void)snprintf(o->dsn, sizeof(o->dsn), "%s", dsn);
	(void)snprintf(o->text, sizeof(o->text), "%s", text);
}

static void
judge_sender(struct submission *s, const struct rewrite_rules *rules,
    int64_t wall_us, struct submission_outcome *o)
{
	struct rewrite_decision d;
	char text[sizeof(o->text)], shown[ADDRESS_MAX + 1];

	rewrite_sender(rules, s->path, strlen(s->path), wall_us, &d);
	switch (d.action) {
	case REWRITE_PASS:
		return;
	case REWRITE_REPLACE:
		o->new_sender = true;
		o->sender = d.to;
		(void)snprintf(o->why, sizeof(o->why), "%s", d.why);
		return;
	case REWRITE_REJECT:
	case REWRITE_DEFER:
		(void)snprintf(text, sizeof(text), "sender <%s> %s",
		    cut_mark(shown, sizeof(shown), s->sender.data), d.why);
		refuse(o, d.action == REWRITE_DEFER ? 451 : 550, d.dsn, text);
		return;
	}
}

static void
judge_fields(struct submission *s, const struct rewrite_rules *rules,
    int64_t wall_us, struct submission_outcome *o)
{
	struct senders_input in = {
		.rules = rules,
		.fields = &s->fields,
		.wall_us = wall_us,
	};

	if (senders_judge(&in, &o->fields) == -1)
		refuse(o, o->fields.code, o->fields.dsn, o->fields.text);
	o->nfrom = s->nfrom;
	o->nsender = s->nsender;
}

void
submission_judge(struct submission *s, const struct rewrite_rules *rules,
    int64_t wall_us, struct submission_outcome *o)
{
	char text[80];

	*o = (struct submission_outcome) { .code = 0 };
	if (*s->path == '\0')
		return;
	/* posternd would refuse it with the same words. */
	if (s->header_len > MESSAGE_HEADER_MAX) {
		(void)snprintf(text, sizeof(text),
		    "the header section is larger than %d KB",
		    MESSAGE_HEADER_MAX / 1024);
		refuse(o, 552, "5.3.4", text);
		return;
	}
	read_fields(s);
	judge_sender(s, rules, wall_us, o);
	if (o->code == 0)
		judge_fields(s, rules, wall_us, o);
}

void
submission_outcome_free(struct submission_outcome *o)
{
	senders_output_free(&o->fields);
}

const char *
submission_sender(const struct submission *s)
{
	return s->sender.data;
}

void
submission_from(struct submission *s, struct buf *out)
{
	read_fields(s);
	if (s->fields.from.name_len > 0)
		senders_list(&s->fields.from, out);
}

static void
mark_from(struct submission *s, const struct submission_outcome *o,
    struct origin *origin)
{
	const struct buf *new = &o->fields.from;
	struct header_field f;
	struct buf list;
	size_t pos = 0;

	buf_init(&list, MESSAGE_HEADER_MAX);
	if (new->len == 0)
		submission_from(s, &list);
	else if (header_next(new->data, new->len, &pos, &f) == 1)
		senders_list(&f, &list);
	origin_mark(origin->from, list.len > 0 ? list.data : "");
	buf_free(&list);
}

static void
mark_message_id(const struct submission *s, struct origin *origin)
{
	struct buf id;

	buf_init(&id, HEADER_LINE_MAX);
	if (s->message_id.name_len > 0)
		header_text(&s->message_id, &id);
	origin_mark(origin->message_id, id.data);
	buf_free(&id);
}

void
submission_origin(struct submission *s, const struct submission_outcome *o,
    struct origin *origin)
{
	read_fields(s);
	origin_text(origin->original, submission_sender(s));
	origin_mark(origin->sender, o->new_sender ? o->sender.text :
						    submission_sender(s));
	mark_from(s, o, origin);
	mark_message_id(s, origin);
}
