/* SPDX-License-Identifier: BSD-2-Clause */
#include "config.h"

#include "lmtp/gate_parts.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "core/mem.h"

/*
 * What SES refuses in headers, and what is done about it. The table is SES's
 * list of headers that may come once (SES facts 3.4), with those that must not
 * reach SES at all: Return-Path, which it would check as an identity and send
 * bounces to; Bcc, which nobody promises to remove; Delivered-To, which
 * forwarded mail has many of and which says nothing to anyone beyond this site.
 *
 * X-SES-* steers SES: configuration sets, tags, other people's identities. Mail
 * users may set only what the configuration lets them, and never what it sets
 * itself.
 */

enum rule { ONCE, DROP, DKIM };

#define HEADER(name, rule) { name, sizeof(name) - 1, rule }

static const struct {
	const char *name;
	size_t len;
	enum rule rule;
} table[] = {
	HEADER("Accept-Language", ONCE),
	HEADER("acceptLanguage", ONCE),
	HEADER("Archived-At", ONCE),
	HEADER("Auto-Submitted", ONCE),
	HEADER("Bcc", DROP),
	HEADER("Bounces-to", ONCE),
	HEADER("Comments", ONCE),
	HEADER("Content-Alternative", ONCE),
	HEADER("Content-Base", ONCE),
	HEADER("Content-Class", ONCE),
	HEADER("Content-Description", ONCE),
	HEADER("Content-Disposition", ONCE),
	HEADER("Content-Duration", ONCE),
	HEADER("Content-ID", ONCE),
	HEADER("Content-Language", ONCE),
	HEADER("Content-Length", ONCE),
	HEADER("Content-Location", ONCE),
	HEADER("Content-MD5", ONCE),
	HEADER("Content-Transfer-Encoding", ONCE),
	HEADER("Content-Type", ONCE),
	HEADER("Date", ONCE),
	HEADER("Delivered-To", DROP),
	HEADER("Disposition-Notification-Options", ONCE),
	HEADER("Disposition-Notification-To", ONCE),
	HEADER("DKIM-Signature", DKIM),
	HEADER("DomainKey-Signature", ONCE),
	HEADER("Errors-To", ONCE),
	HEADER("From", ONCE),
	HEADER("Importance", ONCE),
	HEADER("In-Reply-To", ONCE),
	HEADER("Keywords", ONCE),
	HEADER("List-Archive", ONCE),
	HEADER("List-Help", ONCE),
	HEADER("List-Id", ONCE),
	HEADER("List-Owner", ONCE),
	HEADER("List-Post", ONCE),
	HEADER("List-Subscribe", ONCE),
	HEADER("List-Unsubscribe", ONCE),
	HEADER("Message-Context", ONCE),
	HEADER("Message-ID", ONCE),
	HEADER("MIME-Version", ONCE),
	HEADER("Organization", ONCE),
	HEADER("Original-From", ONCE),
	HEADER("Original-Message-ID", ONCE),
	HEADER("Original-Recipient", ONCE),
	HEADER("Original-Subject", ONCE),
	HEADER("Precedence", ONCE),
	HEADER("Priority", ONCE),
	HEADER("References", ONCE),
	HEADER("Reply-To", ONCE),
	HEADER("Resent-Bcc", DROP),
	HEADER("Return-Path", DROP),
	HEADER("Return-Receipt-To", ONCE),
	HEADER("Sender", ONCE),
	HEADER("Sensitivity", ONCE),
	HEADER("Solicitation", ONCE),
	HEADER("Subject", ONCE),
	HEADER("Thread-Index", ONCE),
	HEADER("Thread-Topic", ONCE),
	HEADER("User-Agent", ONCE),
	HEADER("VBR-Info", ONCE),
};

#define TABLE_N (sizeof(table) / sizeof(table[0]))

/* Encoding makes text up to five times as long; our own fields are short. */
#define HEAD_MAX (8 * MESSAGE_HEADER_MAX)
#define TAGS_MAX 2048


struct gate_field *
gate_field(struct gate *g, const char *name)
{
	for (size_t i = 0; i < g->n; i++)
		if (!g->fields[i].dropped && header_is(&g->fields[i].f, name))
			return &g->fields[i];
	return NULL;
}

void
gate_note(struct buf *list, const char *name, size_t len)
{
	const char *p, *comma;
	size_t n;

	for (p = list->data; *p != '\0'; p = comma + (*comma == ',')) {
		comma = p + strcspn(p, ",");
		n = (size_t)(comma - p);
		if (n == len && strncasecmp(p, name, len) == 0)
			return;
	}
	if (list->len + len + 1 > GATE_LIST_MAX)
		return;
	if (list->len > 0)
		buf_addc(list, ',');
	buf_add(list, name, len);
}

static void
drop(struct gate *g, struct gate_field *field)
{
	field->dropped = true;
	gate_note(&g->dropped, field->f.name, field->f.name_len);
}

/* mbox files have it, some programs mail it (">From " when quoted), and no MTA
 * takes it for a header. */
static bool
is_from_line(const struct header_field *f)
{
	return (f->raw_len > 5 && memcmp(f->raw, "From ", 5) == 0) ||
	    (f->raw_len > 6 && memcmp(f->raw, ">From ", 6) == 0);
}

void
gate_headers_read(struct gate *g, const char *data, size_t len)
{
	struct header_field f;
	size_t pos = 0, cap = 0;
	bool first;
	int rc;

	while (first = pos == 0, (rc = header_next(data, len, &pos, &f)) != 0) {
		if (rc == -1) {
			if (first && is_from_line(&f))
				g->from_line = true;
			else if (g->garbage == NULL)
				g->garbage = f.raw;
			continue;
		}
		if (g->n == cap) {
			cap = cap > 0 ? 2 * cap : 32;
			g->fields = mem_grow(g->fields, cap,
			    sizeof(*g->fields));
		}
		g->fields[g->n] = (struct gate_field) { .f = f };
		buf_init(&g->fields[g->n++].instead, HEAD_MAX);
	}
}

/* A field that may come once, and where the first of its name is. */
static enum gate_result
once(struct gate *g, struct gate_field *field, struct gate_field **first)
{
	if (*first == NULL) {
		*first = field;
		return GATE_PASS;
	}
	if (!header_same_value(&(*first)->f, &field->f))
		return gate_answer(g->reply, 550, "5.6.0",
		    "Amazon SES takes only one %.*s header, and this message "
		    "has two that differ", (int)field->f.name_len,
		    field->f.name);
	field->dropped = true;
	gate_note(&g->collapsed, field->f.name, field->f.name_len);
	return GATE_PASS;
}

static bool
is_listed(const struct conf_list *list, const struct header_field *f)
{
	for (size_t i = 0; i < list->n; i++)
		if (header_is(f, list->items[i]))
			return true;
	return false;
}

static bool
is_tag_char(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
	    (c >= '0' && c <= '9') || c == '_' || c == '-';
}

/*
 * NAME=VALUE of one tag (API2 MessageTag). "postern" is ours: an event that
 * carries it settles a delivery.
 */
static bool
is_tag(const char *p, size_t len)
{
	const char *eq = memchr(p, '=', len);

	if (eq == NULL || eq == p || eq + 1 == p + len)
		return false;
	if (eq - p == 7 && strncasecmp(p, "postern", 7) == 0)
		return false;
	for (size_t i = 0; i < len; i++)
		if (!is_tag_char(p[i]) && p + i != eq)
			return false;
	return true;
}

static void
take_tags(struct gate *g, const struct header_field *f)
{
	struct buf value;
	char *p;
	size_t len;

	buf_init(&value, MESSAGE_HEADER_MAX);
	header_unfold(f, &value);
	for (p = value.data; *p != '\0'; p += len) {
		p += strspn(p, ", \t");
		len = strcspn(p, ", \t");
		if (is_tag(p, len) &&
		    g->out->tags.len + len + 2 <= TAGS_MAX) {
			if (g->out->tags.len > 0)
				buf_adds(&g->out->tags, ", ");
			buf_add(&g->out->tags, p, len);
		}
	}
	buf_free(&value);
}

static void
x_ses(struct gate *g, struct gate_field *field)
{
	const struct conf *conf = g->in->rules->conf;
	bool tags = header_is(&field->f, "X-SES-MESSAGE-TAGS");

	if (!is_listed(&conf->ses.allow_headers, &field->f) ||
	    (conf->ses.configuration_set[0] != '\0' &&
		header_is(&field->f, "X-SES-CONFIGURATION-SET")) ||
	    (conf->ses.message_tags.n > 0 && tags)) {
		drop(g, field);
	} else if (tags) {
		take_tags(g, &field->f);
		field->dropped = true;
	}
}

static enum gate_result
mend_field(struct gate *g, struct gate_field *field,
    struct gate_field *first[TABLE_N])
{
	const struct conf *conf = g->in->rules->conf;
	bool keep_dkim = conf->ses.dkim_signature == CONF_DKIM_KEEP;
	const struct header_field *f = &field->f;
	size_t i;

	if (f->name_len >= 6 && strncasecmp(f->name, "X-SES-", 6) == 0) {
		x_ses(g, field);
		return GATE_PASS;
	}
	for (i = 0; i < TABLE_N; i++)
		if (table[i].len == f->name_len &&
		    strncasecmp(table[i].name, f->name, f->name_len) == 0)
			break;
	if (i == TABLE_N)
		return GATE_PASS;
	if (table[i].rule == ONCE || (table[i].rule == DKIM && keep_dkim))
		return once(g, field, &first[i]);
	drop(g, field);
	return GATE_PASS;
}

enum gate_result
gate_headers_mend(struct gate *g)
{
	struct gate_field *first[TABLE_N] = { NULL };
	enum gate_result result = GATE_PASS;

	buf_init(&g->out->tags, TAGS_MAX);
	for (size_t i = 0; i < g->n && result == GATE_PASS; i++)
		result = mend_field(g, &g->fields[i], first);
	return result;
}

/* One field, fit for SES and stuffed. */
static void
write_field(struct gate *g, const struct header_field *f)
{
	bool encoded, folded;

	if (*f->raw == '.')
		buf_addc(&g->out->head, '.'); /* RFC 5321 section 4.5.2 */
	header_repair(f, &g->out->head, &encoded, &folded);
	if (encoded)
		gate_note(&g->encoded, f->name, f->name_len);
	if (folded)
		gate_note(&g->folded, f->name, f->name_len);
}

/* Fields that we made. */
static void
write_made(struct gate *g, const struct buf *made)
{
	struct header_field f;
	size_t pos = 0;

	while (header_next(made->data, made->len, &pos, &f) == 1)
		write_field(g, &f);
}

void
gate_word(struct gate *g, const char *word)
{
	struct buf *repairs = &g->out->repairs;

	buf_addf(repairs, "%s%s", repairs->len > 0 ? " " : "", word);
}

void
gate_words(struct gate *g, const char *key, const struct buf *list)
{
	struct buf word;

	if (list->len == 0)
		return;
	buf_init(&word, 2 * GATE_LIST_MAX);
	buf_addf(&word, "%s=%s", key, list->data);
	gate_word(g, word.data);
	buf_free(&word);
}

static void
gate_count(struct gate *g, const char *key, unsigned n)
{
	char word[32];

	if (n == 0)
		return;
	(void)snprintf(word, sizeof(word), "%s=%u", key, n);
	gate_word(g, word);
}

static void
write_repairs(struct gate *g)
{
	if (g->from_line)
		gate_word(g, "from-line");
	gate_words(g, "quoted", &g->quoted);
	gate_words(g, "dropped", &g->dropped);
	gate_words(g, "collapsed", &g->collapsed);
	gate_words(g, "encoded", &g->encoded);
	gate_words(g, "folded", &g->folded);
	gate_count(g, "bare", message_bare(g->in->message));
	gate_count(g, "nul", message_nuls(g->in->message));
}

enum gate_result
gate_headers_write(struct gate *g)
{
	struct buf *head = &g->out->head;

	buf_init(head, HEAD_MAX);
	for (size_t i = 0; i < g->n; i++) {
		if (g->fields[i].instead.len > 0)
			write_made(g, &g->fields[i].instead);
		else if (!g->fields[i].dropped)
			write_field(g, &g->fields[i].f);
	}
	write_made(g, &g->extra);
	buf_adds(head, "\r\n");
	g->out->body_off = message_body_off(g->in->message);
	write_repairs(g);
	if (!head->overflow)
		return GATE_PASS;
	return gate_answer(g->reply, 552, "5.3.4",
	    "the header section is too large once it is encoded for SES");
}
