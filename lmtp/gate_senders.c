/* SPDX-License-Identifier: BSD-2-Clause */
#include "config.h"

#include "lmtp/gate_parts.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/header_scan.h"
#include "core/mem.h"
#include "core/utf8.h"

/*
 * Who may send.
 *
 * SES checks the envelope sender, each address in From, and Sender (SES facts
 * 2.4). What it would refuse is refused here, before quota is spent and in
 * words that say what to do. In mail with a null sender From and Sender are
 * replaced instead: bounces and notices come from inside the MTA, under names
 * that nobody thought of verifying.
 */

/* More than anyone writes; a bound for memory. */
#define MAILBOXES_MAX 100

static int
add_mailbox(void *arg, const struct header_mailbox *mb)
{
	struct gate_sender *sf = arg;
	struct gate_mailbox *box;
	struct err err;

	if (sf->n == MAILBOXES_MAX) {
		sf->wrong = "has too many addresses";
		return 1;
	}
	sf->box = mem_grow(sf->box, sf->n + 1, sizeof(*sf->box));
	box = &sf->box[sf->n++];
	box->mb = *mb;
	box->mb.spec = NULL;
	box->spec = mem_strndup(mb->spec, mb->spec_len);
	box->fault = address_parse(mb->spec, mb->spec_len, &box->addr, &err);
	if (box->fault != ADDRESS_OK)
		(void)snprintf(box->why, sizeof(box->why), "%.*s",
		    (int)sizeof(box->why) - 1, err.text);
	return 0;
}

static void
take_apart(struct gate_sender *sf, const struct header_field *f)
{
	int n = header_mailboxes(f->value, f->value_len, add_mailbox, sf);

	if (n == -1)
		sf->wrong = "is no list of addresses (RFC 5322 section 3.4)";
	else if (n == 0)
		sf->wrong = "has no address";
}

void
gate_sender_init(struct gate_sender *sf, struct gate *g, const char *name)
{
	*sf = (struct gate_sender) { .name = name };
	sf->field = gate_field(g, name);
	if (sf->field != NULL)
		take_apart(sf, &sf->field->f);
}

void
gate_sender_free(struct gate_sender *sf)
{
	for (size_t i = 0; i < sf->n; i++)
		free(sf->box[i].spec);
	free(sf->box);
}

bool
gate_covered(const struct gate *g, const struct address *addr)
{
	return verified_none(g->in->verified) ||
	    verified_by(g->in->verified, addr) != NULL;
}

enum gate_result
gate_unverified(struct gate *g, const char *what, const struct address *addr)
{
	const struct conf *conf = g->in->conf;
	bool defer = conf->rewrite.dflt == CONF_DEFAULT_DEFER;

	return gate_answer(g->reply, defer ? 451 : 550,
	    defer ? "4.7.1" : "5.7.1",
	    "%s <%s> is not a verified identity of this SES account; verify "
	    "it and add it to %s (see: postern identities %s)", what,
	    addr->text, conf->identities.file, address_pasteable(addr));
}

static enum gate_result
check_sender_field(struct gate *g, const struct gate_sender *sf)
{
	if (sf->wrong != NULL)
		return gate_answer(g->reply, 550, "5.6.0",
		    "the %s header %s", sf->name, sf->wrong);
	for (size_t i = 0; i < sf->n; i++) {
		const struct gate_mailbox *box = &sf->box[i];

		if (box->fault != ADDRESS_OK)
			return gate_answer(g->reply, 550, "5.6.0",
			    "the %s header has <%.100s>: %s", sf->name,
			    box->spec, box->why);
		if (!gate_covered(g, &box->addr))
			return gate_unverified(g, sf->name, &box->addr);
	}
	return GATE_PASS;
}

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

/*
 * A display name in which each piece with a bare @ is quoted: SES would read it
 * as one more address and check that (SES facts 2.4). Encoded words have no @
 * and stay.
 */
static void
add_name(struct buf *out, const struct header_mailbox *mb)
{
	struct header_scan s;
	const char *p;
	bool at;

	header_scan_init(&s, mb->name, mb->name_len);
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

/*
 * The field once more, with some names quoted and the address `instead`, unless
 * NULL, in place of those that SES would refuse. Everything between stays.
 */
static void
rewrite_field(struct gate *g, struct gate_sender *sf,
    const struct address *instead)
{
	const struct header_field *f = &sf->field->f;
	struct buf *out = &sf->field->instead;
	const char *p = f->raw;

	for (size_t i = 0; i < sf->n; i++) {
		const struct gate_mailbox *box = &sf->box[i];
		const struct header_mailbox *mb = &box->mb;

		if (mb->name_has_at) {
			buf_add(out, p, (size_t)(mb->name - p));
			add_name(out, mb);
			p = mb->name + mb->name_len;
			gate_note(&g->quoted, sf->name, strlen(sf->name));
		}
		buf_add(out, p, (size_t)(mb->at - p));
		p = mb->at + mb->at_len;
		if (instead != NULL && (box->fault != ADDRESS_OK ||
					   !gate_covered(g, &box->addr)))
			buf_addf(out, *mb->at == '<' ? "<%s>" : "%s",
			    instead->text);
		else
			buf_add(out, mb->at, mb->at_len);
	}
	buf_add(out, p, (size_t)(f->raw + f->raw_len - p));
}

static bool
any_name_with_at(const struct gate_sender *sf)
{
	for (size_t i = 0; i < sf->n; i++)
		if (sf->box[i].mb.name_has_at)
			return true;
	return false;
}

/* Mail with a null sender: the field, or the addresses in it that SES would
 * refuse, become the null sender. */
static void
replace(struct gate *g, struct gate_sender *sf, bool whole)
{
	buf_reset(&sf->field->instead);
	if (whole)
		buf_addf(&sf->field->instead, "%s: <%s>\r\n", sf->name,
		    g->out->sender.text);
	else
		rewrite_field(g, sf, &g->out->sender);
}

/* So that the reader sees who wrote, and an answer goes where it would have. */
static void
keep_original(struct gate *g, const struct gate_sender *from)
{
	struct buf value;
	bool usable = from->wrong == NULL;

	for (size_t i = 0; i < from->n; i++)
		usable = usable && from->box[i].fault == ADDRESS_OK;
	buf_init(&value, MESSAGE_HEADER_MAX);
	header_unfold(&from->field->f, &value);
	buf_adds(&g->extra, "X-Original-From: ");
	buf_add(&g->extra, value.data, value.len);
	buf_adds(&g->extra, "\r\n");
	if (usable && gate_field(g, "Reply-To") == NULL) {
		buf_adds(&g->extra, "Reply-To: ");
		buf_add(&g->extra, value.data, value.len);
		buf_adds(&g->extra, "\r\n");
	}
	buf_free(&value);
}

/*
 * Whether what SES will read is what was judged: rewriting and encoding can
 * change how odd input reads, above all where its charset had to be guessed.
 */
static bool
reads_the_same(struct gate *g, const struct gate_sender *sf)
{
	const struct buf *instead = &sf->field->instead;
	struct gate_sender again = { .name = sf->name };
	struct header_field f = sf->field->f;
	struct buf out;
	bool encoded, folded, same;
	size_t pos = 0;

	if (instead->len > 0)
		(void)header_next(instead->data, instead->len, &pos, &f);
	else if (f.raw_len <= HEADER_LINE_MAX &&
	    utf8_is_ascii(f.value, f.value_len))
		return true;
	buf_init(&out, 8 * MESSAGE_HEADER_MAX);
	header_repair(&f, &out, &encoded, &folded);
	pos = 0;
	(void)header_next(out.data, out.len, &pos, &f);
	take_apart(&again, &f);
	same = check_sender_field(g, &again) == GATE_PASS &&
	    !any_name_with_at(&again);
	gate_sender_free(&again);
	buf_free(&out);
	return same;
}

enum gate_result
gate_sender_judge(struct gate *g, struct gate_sender *sf)
{
	bool null = g->in->sender->text[0] == '\0';
	enum gate_result result = check_sender_field(g, sf);

	if (result == GATE_PASS && any_name_with_at(sf))
		rewrite_field(g, sf, NULL);
	if (result == GATE_PASS && reads_the_same(g, sf))
		return GATE_PASS;
	if (!null && result != GATE_PASS)
		return result;
	if (!null)
		return gate_answer(g->reply, 550, "5.6.0",
		    "the %s header can't be written in ASCII so that it reads "
		    "the same", sf->name);
	replace(g, sf, sf->wrong != NULL);
	if (!reads_the_same(g, sf))
		replace(g, sf, true);
	gate_word(g, strcmp(sf->name, "From") == 0 ? "from=replaced" :
						     "sender=replaced");
	if (strcmp(sf->name, "From") == 0)
		keep_original(g, sf);
	return GATE_PASS;
}

void
gate_sender_list(const struct gate_sender *from, struct buf *out)
{
	for (size_t i = 0; i < from->n; i++) {
		const struct gate_mailbox *box = &from->box[i];
		const char *text = box->fault == ADDRESS_OK ? box->addr.text :
							      box->spec;

		if (out->len + strlen(text) + 1 > out->max)
			break;
		if (out->len > 0)
			buf_addc(out, ',');
		buf_add_printable(out, text, strlen(text));
	}
}
