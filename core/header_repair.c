/* SPDX-License-Identifier: BSD-2-Clause */
#include "config.h"

#include "core/header.h"

#include <string.h>
#include <strings.h>

#include "core/address.h"
#include "core/header_encode.h"
#include "core/header_fold.h"
#include "core/header_scan.h"
#include "core/utf8.h"

/*
 * Makes a field fit for a server without SMTPUTF8, changing no more than that
 * takes. How 8-bit text can be written in ASCII depends on what the field is,
 * so there are five kinds:
 *
 *	TEXT	   free text: encoded words (RFC 2047 section 5 (1))
 *	PHRASES	   words and comments: encoded words (5 (2) and (3))
 *	ADDRESSES  PHRASES around addresses; in those, punycode
 *	PARAMETERS Content-Type and its like: RFC 2231
 *	TOKENS	   machine-readable: %XX, which is right in URLs and keeps
 *		   message ids apart; encoded words in comments
 *
 * A mailbox whose local part is not ASCII can't be answered through SES anyway.
 * It becomes an empty group that shows name and address to people, in the way
 * of RFC 6857 section 3.1 for clients that know no Unicode, so that the other
 * mailboxes of the field keep working; in a group, which can't hold another, a
 * comment. (The gate has refused it before in From and Sender.)
 *
 * Repairing what has been repaired changes nothing.
 */

#define ESC '\033'

enum kind { TEXT, PHRASES, ADDRESSES, PARAMETERS, TOKENS };

/* Fields that are not listed are free text, X- and unknown ones among them. */
static const struct {
	const char *name;
	enum kind kind;
} kinds[] = {
	{ "From", ADDRESSES },
	{ "Sender", ADDRESSES },
	{ "Reply-To", ADDRESSES },
	{ "To", ADDRESSES },
	{ "Cc", ADDRESSES },
	{ "Resent-From", ADDRESSES },
	{ "Resent-Sender", ADDRESSES },
	{ "Resent-To", ADDRESSES },
	{ "Resent-Cc", ADDRESSES },
	{ "Resent-Reply-To", ADDRESSES },
	{ "Disposition-Notification-To", ADDRESSES },
	{ "Return-Receipt-To", ADDRESSES },
	{ "Errors-To", ADDRESSES },
	{ "Mail-Followup-To", ADDRESSES },
	{ "Mail-Reply-To", ADDRESSES },
	{ "List-Id", PHRASES },
	{ "Keywords", PHRASES },
	{ "Content-Type", PARAMETERS },
	{ "Content-Disposition", PARAMETERS },
	{ "Received", TOKENS },
	{ "Return-Path", TOKENS },
	{ "Date", TOKENS },
	{ "Message-ID", TOKENS },
	{ "In-Reply-To", TOKENS },
	{ "References", TOKENS },
	{ "Resent-Date", TOKENS },
	{ "Resent-Message-ID", TOKENS },
	{ "MIME-Version", TOKENS },
	{ "Content-Transfer-Encoding", TOKENS },
	{ "Content-ID", TOKENS },
	{ "Content-Location", TOKENS },
	{ "Content-Base", TOKENS },
	{ "Auto-Submitted", TOKENS },
	{ "List-Archive", TOKENS },
	{ "List-Help", TOKENS },
	{ "List-Owner", TOKENS },
	{ "List-Post", TOKENS },
	{ "List-Subscribe", TOKENS },
	{ "List-Unsubscribe", TOKENS },
	{ "List-Unsubscribe-Post", TOKENS },
	{ "DKIM-Signature", TOKENS },
	{ "DomainKey-Signature", TOKENS },
	{ "ARC-Seal", TOKENS },
	{ "ARC-Message-Signature", TOKENS },
	{ "ARC-Authentication-Results", TOKENS },
	{ "Authentication-Results", TOKENS },
};

/* Bound of what one field may grow to in between: %XX triples it at worst. */
#define WORK_MAX (8 * 1024 * 1024)

static enum kind
kind_of(const struct header_field *f)
{
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
		if (header_is(f, kinds[i].name))
			return kinds[i].kind;
	return TEXT;
}

/* What has been scanned since p. */
static struct header_scan
part(const struct header_scan *s, const char *p)
{
	return (struct header_scan) { p, s->p, s->utf8 };
}

static bool
any_8bit(const char *p, const char *end)
{
	return !utf8_is_ascii(p, (size_t)(end - p));
}

/* The same for whatever can be encoded words: ISO-2022-JP should be, since its
 * bytes are ASCII, specials of address lists among them. */
static bool
is_foreign(const char *p, const char *end)
{
	return any_8bit(p, end) || memchr(p, ESC, (size_t)(end - p)) != NULL;
}

/* Whether all of it is one encoded word. */
static bool
is_encoded(const char *p, const char *end)
{
	struct header_scan s = { p, end, true };

	return header_scan_encoded(&s) && s.p == end;
}

/*
 * Words on their way to out. Those that become encoded words together are
 * gathered in text. Blanks between two encoded words are not shown (RFC 2047
 * section 6.2), so those that should be seen go inside one of them, also next
 * to an encoded word that came as such.
 */
struct words {
	struct buf *out;
	bool utf8;
	bool phrase; /* encoded words stand apart (RFC 2047 section 5 (3)) */
	struct buf text;
	const char *gap; /* blanks that are not written yet */
	size_t gap_len;
	bool after_encoded; /* the last word is an encoded one */
};

static void
words_init(struct words *w, const struct header_scan *s, struct buf *out)
{
	*w = (struct words) { .out = out, .utf8 = s->utf8 };
	buf_init(&w->text, WORK_MAX);
}

/* Append blanks without the line ends in them. */
static void
add_unfolded(struct buf *b, const char *p, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if (p[i] != '\r' && p[i] != '\n')
			buf_addc(b, p[i]);
}

static void
write_gap(struct words *w)
{
	const char *last = w->out->data + w->out->len - 1;

	if (w->gap_len > 0)
		buf_add(w->out, w->gap, w->gap_len);
	else if (w->phrase && w->out->len > 0 && !header_scan_is_blank(*last))
		buf_addc(w->out, ' ');
	w->gap_len = 0;
}

static void
words_gap(struct words *w, const char *p, const char *end)
{
	w->gap = p;
	w->gap_len = (size_t)(end - p);
}

/* A word to be encoded, without its quoting. */
static void
words_encode(struct words *w, const char *text, size_t len)
{
	if (w->text.len > 0 || w->after_encoded)
		add_unfolded(&w->text, w->gap, w->gap_len);
	if (w->text.len == 0 || w->after_encoded)
		write_gap(w);
	w->gap_len = 0;
	w->after_encoded = false;
	buf_add(&w->text, text, len);
}

/* Write what has been gathered; next_encoded: an encoded word follows. */
static void
words_flush(struct words *w, bool next_encoded)
{
	if (w->text.len == 0)
		return;
	if (next_encoded)
		add_unfolded(&w->text, w->gap, w->gap_len);
	header_encode_words(w->out, w->text.data, w->text.len, w->utf8);
	buf_reset(&w->text);
	w->after_encoded = true;
}

/* A word, or anything else, to be written as it is. */
static void
words_plain(struct words *w, const char *p, const char *end)
{
	bool encoded = is_encoded(p, end);

	words_flush(w, encoded);
	if (w->gap_len > 0 || w->after_encoded)
		write_gap(w);
	buf_add(w->out, p, (size_t)(end - p));
	w->after_encoded = encoded;
}

static void
words_end(struct words *w, bool more)
{
	words_flush(w, false);
	if (w->gap_len > 0 || (more && w->after_encoded))
		write_gap(w);
	buf_free(&w->text);
}

/* To the end of a word of free text, or in a comment. */
static void
text_word(struct header_scan *s, bool comment)
{
	do {
		if (comment && *s->p == '\\' && s->p + 1 < s->end)
			s->p++;
		s->p += header_scan_char(s);
	} while (s->p < s->end && !header_scan_is_blank(*s->p) &&
	    !(comment && (*s->p == '(' || *s->p == ')')));
}

/* Free text, or comments with their parentheses. */
static void
repair_text(struct header_scan s, bool comment, struct buf *out)
{
	struct words w;
	struct buf word;
	const char *p;

	words_init(&w, &s, out);
	buf_init(&word, WORK_MAX);
	while (s.p < s.end) {
		p = s.p;
		if (header_scan_is_blank(*p)) {
			header_scan_blanks(&s);
			words_gap(&w, p, s.p);
			continue;
		}
		if (comment && (*p == '(' || *p == ')'))
			s.p++;
		else
			text_word(&s, comment);
		if (!is_foreign(p, s.p)) {
			words_plain(&w, p, s.p);
			continue;
		}
		buf_reset(&word);
		if (comment)
			header_scan_unquote(part(&s, p), true, &word);
		else
			buf_add(&word, p, (size_t)(s.p - p));
		words_encode(&w, word.data, word.len);
	}
	words_end(&w, false);
	buf_free(&word);
}

/*
 * To the end of a phrase's word: quoted strings, atoms and dots without blanks
 * between them; or past a special. What has no end reaches to the end. An @ or
 * [...] has no business in a phrase, though people have them there, and goes
 * into the encoded word with its neighbours.
 */
static void
phrase_word(struct header_scan *s)
{
	const char *start = s->p;
	int word = 1;

	while (s->p < s->end && word == 1) {
		word = header_scan_word(s);
		if (word == 0 && *s->p == '[') {
			word = header_scan_literal(s) == -1 ? -1 : 1;
		} else if (word == 0 && (*s->p == '.' || *s->p == '@')) {
			s->p++;
			word = 1;
		}
	}
	if (word == -1)
		s->p = s->end;
	else if (s->p == start)
		s->p++;
}

static void
phrase_comment(struct words *w, struct header_scan *s)
{
	const char *p = s->p;

	if (header_scan_comment(s) == -1)
		s->p = s->end;
	if (!is_foreign(p, s->p)) {
		words_plain(w, p, s->p);
		return;
	}
	words_plain(w, p, p);
	repair_text(part(s, p), true, w->out);
}

/* Words, comments, and the specials among them. more: something follows that
 * the last word must stand apart from. */
static void
repair_phrases(struct header_scan s, bool more, struct buf *out)
{
	struct words w;
	struct buf word;
	const char *p;

	words_init(&w, &s, out);
	w.phrase = true;
	buf_init(&word, WORK_MAX);
	while (s.p < s.end) {
		p = s.p;
		if (header_scan_is_blank(*p)) {
			header_scan_blanks(&s);
			words_gap(&w, p, s.p);
			continue;
		}
		if (*p == '(') {
			phrase_comment(&w, &s);
			continue;
		}
		phrase_word(&s);
		if (!is_foreign(p, s.p)) {
			words_plain(&w, p, s.p);
			continue;
		}
		buf_reset(&word);
		header_scan_unquote(part(&s, p), false, &word);
		words_encode(&w, word.data, word.len);
	}
	words_end(&w, more);
	buf_free(&word);
}

struct addresses {
	struct header_scan rest; /* from the end of the last mailbox */
	struct buf *out;
};

/* Stand a mailbox in for that only people can read: see above. */
static void
show_mailbox(struct addresses *as, const struct header_mailbox *mb)
{
	struct header_scan name = { mb->name, mb->name + mb->name_len,
		as->rest.utf8 };
	struct buf text;

	if (!header_scan_is_blank(as->out->data[as->out->len - 1]))
		buf_addc(as->out, ' ');
	buf_init(&text, WORK_MAX);
	header_scan_unquote(name, false, &text);
	if (text.len > 0)
		buf_addc(&text, ' ');
	buf_add(&text, mb->spec, mb->spec_len);
	/* Nothing but a route: a group has to have a name. */
	if (text.len == 0)
		buf_add(&text, mb->at, mb->at_len);
	buf_adds(as->out, mb->in_group ? "(" : "");
	header_encode_words(as->out, text.data, text.len, as->rest.utf8);
	buf_adds(as->out, mb->in_group ? ")" : " :;");
	buf_free(&text);
}

static int
repair_mailbox(void *arg, const struct header_mailbox *mb)
{
	struct addresses *as = arg;
	struct header_scan before = as->rest;
	struct address addr;
	struct err err;
	bool ascii = !is_foreign(mb->at, mb->at + mb->at_len);
	bool good = ascii || address_parse(mb->spec, mb->spec_len, &addr,
				 &err) == ADDRESS_OK;

	before.end = good ? mb->at : mb->name;
	as->rest.p = mb->at + mb->at_len;
	repair_phrases(before, true, as->out);
	if (!good)
		show_mailbox(as, mb);
	else if (ascii)
		buf_add(as->out, mb->at, mb->at_len);
	else
		buf_addf(as->out, *mb->at == '<' ? "<%s>" : "%s", addr.text);
	return 0;
}

/* What is no address list is treated as text: SES will have the last word. */
static void
repair_addresses(struct header_scan s, struct buf *out)
{
	struct addresses as = { .rest = s, .out = out };
	size_t before = out->len;

	if (header_mailboxes(s.p, (size_t)(s.end - s.p), repair_mailbox, &as) ==
	    -1) {
		buf_cut(out, before);
		repair_text(s, false, out);
		return;
	}
	repair_phrases(as.rest, false, out);
}

/* Past one lexical part of a machine-readable field, written with %XX, or with
 * encoded words where it is a comment. */
static void
repair_token(struct header_scan *s, struct buf *out)
{
	const char *p = s->p, *close;

	if (*p == '(' && header_scan_comment(s) == 0) {
		repair_text(part(s, p), true, out);
		return;
	}
	s->p = p + 1;
	if (*p == '"') {
		s->p = p;
		if (header_scan_quoted(s) == -1)
			s->p = p + 1;
	} else if (*p == '<') { /* parentheses in a URL are no comment */
		close = memchr(p, '>', (size_t)(s->end - p));
		s->p = close == NULL ? s->end : close + 1;
	}
	header_encode_percent(out, p, (size_t)(s->p - p), false);
}

/*
 * attribute "=" value, of which out has "attribute=": `attribute*=UTF-8''value`
 * (RFC 2231 section 4). An attribute that has its star came encoded, and was
 * not quite.
 */
static void
extended_value(struct header_scan value, struct buf *out)
{
	struct buf text;
	size_t len = out->len - 1;

	while (len > 0 && header_scan_is_blank(out->data[len - 1]))
		len--;
	if (len > 0 && out->data[len - 1] == '*') {
		header_encode_percent(out, value.p,
		    (size_t)(value.end - value.p), false);
		return;
	}
	buf_cut(out, len);
	buf_addf(out, "*=%s''", value.utf8 ? "UTF-8" : "unknown-8bit");
	buf_init(&text, WORK_MAX);
	header_scan_unquote(value, false, &text);
	header_encode_percent(out, text.data, text.len, true);
	buf_free(&text);
}

/* The value after "=", unquoted up to the next semicolon since people forget
 * the quotes around names with blanks. */
static void
repair_value(struct header_scan *s, struct buf *out)
{
	const char *p, *end;

	header_scan_blanks(s);
	p = s->p;
	if (p == s->end || *p != '"' || header_scan_quoted(s) == -1)
		while (s->p < s->end && *s->p != ';')
			s->p += header_scan_char(s);
	for (end = s->p; end > p && header_scan_is_blank(end[-1]);)
		end--;
	if (any_8bit(p, end))
		extended_value((struct header_scan) { p, end, s->utf8 }, out);
	else
		buf_add(out, p, (size_t)(end - p));
	buf_add(out, end, (size_t)(s->p - end));
}

static void
repair_parameters(struct header_scan s, struct buf *out)
{
	while (s.p < s.end) {
		if (*s.p != '=') {
			repair_token(&s, out);
			continue;
		}
		buf_addc(out, *s.p++);
		repair_value(&s, out);
	}
}

static void
repair_value_of(const struct header_field *f, struct buf *out)
{
	struct header_scan s;

	header_scan_init(&s, f->value, f->value_len);
	switch (kind_of(f)) {
	case TEXT:
		repair_text(s, false, out);
		break;
	case PHRASES:
		repair_phrases(s, false, out);
		break;
	case ADDRESSES:
		repair_addresses(s, out);
		break;
	case PARAMETERS:
		repair_parameters(s, out);
		break;
	case TOKENS:
		while (s.p < s.end)
			repair_token(&s, out);
		break;
	}
}

static bool
needs_encoding(const struct header_field *f)
{
	return !utf8_is_ascii(f->value, f->value_len) ||
	    (memchr(f->value, ESC, f->value_len) != NULL &&
		kind_of(f) == ADDRESSES);
}

bool
header_is_plain(const struct header_field *f)
{
	return f->raw_len <= HEADER_LINE_MAX && !needs_encoding(f);
}

void
header_repair(const struct header_field *f, struct buf *out,
    bool *encoded_r, bool *folded_r)
{
	size_t name_len = (size_t)(f->value - f->raw);
	const char *field = f->raw;
	size_t len = f->raw_len;
	struct buf work;

	buf_init(&work, WORK_MAX);
	*encoded_r = needs_encoding(f);
	if (*encoded_r) {
		buf_add(&work, f->raw, name_len);
		repair_value_of(f, &work);
		buf_adds(&work, "\r\n");
		field = work.data;
		len = work.len;
	}
	*folded_r = header_fold(field, len, name_len, out);
	buf_free(&work);
}
