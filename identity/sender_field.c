/* SPDX-License-Identifier: BSD-2-Clause */
#include "config.h"

#include "identity/sender_field.h"

#include <stdlib.h>
#include <string.h>

#include "core/header_scan.h"
#include "core/mem.h"
#include "core/message.h"
#include "core/utf8.h"

/* More than anyone writes; a bound for memory. */
#define MAILBOXES_MAX 100

static int
add_mailbox(void *arg, const struct header_mailbox *mb)
{
	struct sender_field *sf = arg;
	struct sender_mailbox *box;
	struct err err;

	if (sf->n == MAILBOXES_MAX) {
		sf->wrong = "has too many addresses";
		return 1;
	}
	sf->box = mem_grow(sf->box, sf->n + 1, sizeof(*sf->box));
	box = &sf->box[sf->n++];
	*box = (struct sender_mailbox) { .mb = *mb };
	box->spec = mem_new(mb->spec_len + 1); /* it may have NULs */
	memcpy(box->spec, mb->spec, mb->spec_len);
	box->mb.spec = box->spec;
	box->fault = address_parse(mb->spec, mb->spec_len, &box->addr, &err);
	return 0;
}

void
sender_field_init(struct sender_field *sf, const char *name,
    const struct header_field *f)
{
	int n;

	*sf = (struct sender_field) { .name = name, .f = *f };
	n = header_mailboxes(f->value, f->value_len, add_mailbox, sf);
	if (n == -1)
		sf->wrong = "is no list of addresses (RFC 5322 section 3.4)";
	else if (n == 0)
		sf->wrong = "has no address";
}

void
sender_field_free(struct sender_field *sf)
{
	for (size_t i = 0; i < sf->n; i++)
		free(sf->box[i].spec);
	free(sf->box);
}

bool
sender_field_has_at(const struct sender_field *sf)
{
	for (size_t i = 0; i < sf->n; i++)
		if (sf->box[i].mb.name_has_at)
			return true;
	return false;
}

/*
 * The parts of a field are scanned as all of it was: whether it is UTF-8, or
 * perhaps Shift_JIS, shows only in the whole.
 */

/*
 * One blank-separated piece of a display name, to the next blank or comment.
 * Whether it has an @ outside quotes.
 */
static bool
name_piece(struct header_scan *s)
{
	bool at = false;

	while (s->p < s->end && *s->p != '(' &&
	    !header_scan_is_blank(*s->p)) {
		if (header_scan_word(s) != 0)
			continue;
		at = at || *s->p == '@';
		s->p++;
	}
	return at;
}

static void
add_quoted(struct buf *out, struct header_scan piece)
{
	struct buf text;
	size_t len;

	buf_init(&text, MESSAGE_HEADER_MAX);
	header_scan_unquote(piece, false, &text);
	piece.p = text.data;
	piece.end = text.data + text.len;
	buf_addc(out, '"');
	for (; piece.p < piece.end; piece.p += len) {
		len = header_scan_char(&piece);
		if (*piece.p == '"' || *piece.p == '\\')
			buf_addc(out, '\\');
		buf_add(out, piece.p, len);
	}
	buf_addc(out, '"');
	buf_free(&text);
}

/* Encoded words have no @ and stay. */
static void
add_name(struct buf *out, const struct header_mailbox *mb, bool utf8)
{
	struct header_scan s = { mb->name, mb->name + mb->name_len, utf8 };
	const char *p;
	bool at;

	while (s.p < s.end) {
		p = s.p;
		(void)header_scan_cfws(&s);
		buf_add(out, p, (size_t)(s.p - p));
		p = s.p;
		at = name_piece(&s);
		if (at)
			add_quoted(out,
			    (struct header_scan) { p, s.p, s.utf8 });
		else
			buf_add(out, p, (size_t)(s.p - p));
	}
}

/* Whether a reader sees nothing of a display name: there is none, or "". */
static bool
is_nameless(const struct header_mailbox *mb, bool utf8)
{
	const char *end = mb->name + mb->name_len;
	struct buf text;
	bool empty;

	buf_init(&text, mb->name_len);
	header_scan_unquote((struct header_scan) { mb->name, end, utf8 }, false,
	    &text);
	empty = text.len == 0;
	buf_free(&text);
	return empty;
}

static void
add_replaced(struct buf *out, const struct sender_mailbox *box, bool utf8)
{
	const struct header_mailbox *mb = &box->mb;
	const char *end = mb->spec + mb->spec_len;
	bool name = box->show && is_nameless(mb, utf8);

	if (name) {
		add_quoted(out, (struct header_scan) { mb->spec, end, utf8 });
		buf_addc(out, ' ');
	}
	buf_addf(out, name || *mb->at == '<' ? "<%s>" : "%s", box->to.text);
}

void
sender_field_write(const struct sender_field *sf, struct buf *out)
{
	const struct header_field *f = &sf->f;
	bool utf8 = utf8_valid(f->value, f->value_len);
	const char *p = f->raw;

	for (size_t i = 0; i < sf->n; i++) {
		const struct sender_mailbox *box = &sf->box[i];
		const struct header_mailbox *mb = &box->mb;

		if (mb->name_has_at) {
			buf_add(out, p, (size_t)(mb->name - p));
			add_name(out, mb, utf8);
			p = mb->name + mb->name_len;
		}
		buf_add(out, p, (size_t)(mb->at - p));
		p = mb->at + mb->at_len;
		if (box->replace)
			add_replaced(out, box, utf8);
		else
			buf_add(out, mb->at, mb->at_len);
	}
	buf_add(out, p, (size_t)(f->raw + f->raw_len - p));
}
