/* SPDX-License-Identifier: BSD-2-Clause */
#include "config.h"

#include "core/header.h"

#include <string.h>

#include "core/header_scan.h"

/*
 * An address list (RFC 5322 sections 3.4 and 4.4):
 *
 *	address-list = *([CFWS] ",") address *("," [address / CFWS])
 *	address      = mailbox / group
 *	mailbox      = [phrase] "<" [route ":"] addr-spec ">" / addr-spec
 *	group        = phrase ":" [mailbox-list] ";"
 *
 * One pass without backing up: everything up to the next "<", ":", ",", ";" or
 * ">" is read as a sequence, whose shape says afterwards whether it was a
 * phrase or an addr-spec.
 *
 * More is taken than the grammar gives, where mail really comes so and SES has
 * its own say later: an @ or [...] in an unquoted display name, dots anywhere
 * in a local part, a local part without domain.
 */

/* Longer specs can't be addresses, whatever is quoted in them. */
#define SPEC_MAX 2048

enum shape {
	EMPTY,
	LOCAL,	/* word *("." word), which is also a phrase */
	AT,	/* LOCAL "@" */
	DOMAIN, /* LOCAL "@" and a domain so far */
	PHRASE	/* anything else that consists of words */
};

/* A sequence of words, dots and @. */
struct sequence {
	const char *start;
	const char *end; /* of its last token, comments after it excluded */
	enum shape shape;
	bool dot;    /* the last token was a dot */
	bool has_at; /* there was an @ anywhere */
};

struct parser {
	struct header_scan scan;
	struct buf spec;
	header_mailbox_fn *fn;
	void *arg;
	int count;
	bool in_group;
	bool stopped;
};

static char
peek(const struct parser *ps)
{
	return ps->scan.p < ps->scan.end ? *ps->scan.p : '\0';
}

/* What a word, a dot, an @ or a literal (named by its first byte) makes of the
 * sequence before it. */
static enum shape
shape_with(const struct sequence *q, char first, bool word)
{
	switch (q->shape) {
	case EMPTY:
		return word || first == '.' ? LOCAL : PHRASE;
	case LOCAL:
		if (first == '@')
			return AT;
		return first == '.' || (word && q->dot) ? LOCAL : PHRASE;
	case AT:
		return (word && first != '"') || first == '[' ? DOMAIN : PHRASE;
	case DOMAIN:
		if (first == '.' || (word && first != '"' && q->dot))
			return DOMAIN;
		return PHRASE;
	case PHRASE:
		return PHRASE;
	}
	return PHRASE;
}

/* Keep the token for the spec; folding may stand in quoted strings only. */
static void
spec_add(struct parser *ps, const char *p, const char *end)
{
	for (; p < end; p++)
		if (*p != '\r' && *p != '\n')
			buf_addc(&ps->spec, *p);
}

/*
 * Read a sequence; the scan stops at what can't be part of it. -1 when
 * something in it has no end.
 */
static int
sequence(struct parser *ps, struct sequence *q)
{
	struct header_scan *s = &ps->scan;
	const char *token;
	int word;

	buf_reset(&ps->spec);
	*q = (struct sequence) { .shape = EMPTY };
	for (;;) {
		if (header_scan_cfws(s) == -1)
			return -1;
		token = s->p;
		if ((word = header_scan_word(s)) == -1)
			return -1;
		if (word == 0) {
			if (peek(ps) == '[') {
				if (header_scan_literal(s) == -1)
					return -1;
			} else if (peek(ps) == '.' || peek(ps) == '@') {
				s->p++;
			} else {
				break;
			}
		}
		if (q->start == NULL)
			q->start = token;
		q->shape = shape_with(q, *token, word == 1);
		q->dot = word == 0 && *token == '.';
		q->has_at = q->has_at || (word == 0 && *token == '@');
		q->end = s->p;
		spec_add(ps, token, s->p);
	}
	if (q->start == NULL)
		q->start = q->end = s->p;
	return 0;
}

static int
found(struct parser *ps, const struct sequence *name, const char *at,
    const char *at_end)
{
	struct header_mailbox mb = { .at = at, .name = at,
		.in_group = ps->in_group };

	if (ps->spec.overflow)
		return -1;
	if (name != NULL) {
		mb.name = name->start;
		mb.name_len = (size_t)(name->end - name->start);
		mb.name_has_at = name->has_at;
	}
	mb.at_len = (size_t)(at_end - at);
	mb.spec = ps->spec.data;
	mb.spec_len = ps->spec.len;
	ps->count++;
	ps->stopped = ps->fn(ps->arg, &mb) != 0;
	return 0;
}

/* RFC 5322 section 4.4: the route is *([CFWS] ",") "@" domain *("," ["@"
 * domain]) ":", and nobody wants to know it. */
static int
skip_route(struct parser *ps)
{
	struct sequence q;

	for (;;) {
		if (sequence(ps, &q) == -1)
			return -1;
		if (peek(ps) == ':')
			break;
		if (peek(ps) != ',')
			return -1;
		ps->scan.p++;
	}
	ps->scan.p++;
	return 0;
}

/* From "<" on. */
static int
angle(struct parser *ps, const struct sequence *name)
{
	const char *at = ps->scan.p++;
	struct sequence q;

	if (header_scan_cfws(&ps->scan) == -1)
		return -1;
	if ((peek(ps) == '@' || peek(ps) == ',') && skip_route(ps) == -1)
		return -1;
	if (sequence(ps, &q) == -1 || q.shape == PHRASE || peek(ps) != '>')
		return -1;
	ps->scan.p++;
	if (found(ps, name, at, ps->scan.p) == -1)
		return -1;
	return header_scan_cfws(&ps->scan);
}

/*
 * One element of the list, up to its comma or what else ends it. The name of a
 * group goes with its first mailbox; groups don't nest.
 */
static int
element(struct parser *ps)
{
	struct sequence q;

	if (sequence(ps, &q) == -1)
		return -1;
	if (peek(ps) == '<')
		return angle(ps, &q);
	if (q.shape == EMPTY)
		return 0;
	if (peek(ps) == ':') {
		if (ps->in_group || q.has_at)
			return -1;
		ps->in_group = true;
		ps->scan.p++;
		return element(ps);
	}
	if (q.shape == PHRASE)
		return -1;
	return found(ps, NULL, q.start, q.end);
}

/* What stands between two elements. 1 to go on, 0 at the end, -1. */
static int
separator(struct parser *ps)
{
	char c = peek(ps);

	if (ps->scan.p == ps->scan.end)
		return ps->in_group ? -1 : 0;
	ps->scan.p++;
	if (c == ',')
		return 1;
	if (c != ';' || !ps->in_group)
		return -1;
	ps->in_group = false;
	if (header_scan_cfws(&ps->scan) == -1)
		return -1;
	if (ps->scan.p < ps->scan.end && *ps->scan.p != ',')
		return -1;
	return 1;
}

int
header_mailboxes(const char *value, size_t len, header_mailbox_fn *fn,
    void *arg)
{
	struct parser ps = { .fn = fn, .arg = arg };
	int more;

	header_scan_init(&ps.scan, value, len);
	buf_init(&ps.spec, SPEC_MAX);
	do {
		more = element(&ps);
		if (more == 0 && !ps.stopped)
			more = separator(&ps);
	} while (more == 1 && !ps.stopped);
	buf_free(&ps.spec);
	return more == -1 ? -1 : ps.count;
}
