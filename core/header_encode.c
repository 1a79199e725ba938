/* SPDX-License-Identifier: BSD-2-Clause */
#include "config.h"

#include "core/header_encode.h"

#include <stdlib.h>
#include <string.h>

#include "core/base64.h"
#include "core/header_scan.h"
#include "core/utf8.h"

/* RFC 2047 section 2: an encoded word has at most 75 characters, a line that
 * holds one 76. */
#define WORD_MAX 75
#define LINE_MAX_WORDS 76

/* Rather fold than begin an encoded word in less room than this. */
#define ROOM_MIN 40

static const char hex[] = "0123456789ABCDEF";

static bool
is_alnum(unsigned char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
	    (c >= '0' && c <= '9');
}

/* RFC 2047 section 5 (3): what may stand for itself in Q everywhere. */
static bool
q_plain(unsigned char c)
{
	return is_alnum(c) || (c != '\0' && strchr("!*+-/", c) != NULL);
}

static size_t
q_length(const char *p, size_t len)
{
	size_t n = 0;

	for (size_t i = 0; i < len; i++)
		n += q_plain((unsigned char)p[i]) || p[i] == ' ' ? 1 : 3;
	return n;
}

static void
q_add(struct buf *out, const char *p, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		unsigned char c = (unsigned char)p[i];

		if (q_plain(c))
			buf_addc(out, (char)c);
		else if (c == ' ')
			buf_addc(out, '_');
		else
			buf_addf(out, "=%c%c", hex[c >> 4], hex[c & 15]);
	}
}

static void
b_add(struct buf *out, const char *p, size_t len)
{
	char *text = base64_text(p, len);

	buf_adds(out, text);
	free(text);
}

static size_t
column(const struct buf *out)
{
	const char *lf = memrchr(out->data, '\n', out->len);

	return lf == NULL ? out->len :
			    (size_t)(out->data + out->len - lf) - 1;
}

/*
 * Begin a continuation line, in place of blanks where there are some. A line of
 * blanks alone is begun anew: ended, it might be taken for an empty one.
 */
static void
fold(struct buf *out)
{
	size_t len = out->len;

	while (len > 0 &&
	    (out->data[len - 1] == ' ' || out->data[len - 1] == '\t'))
		len--;
	buf_cut(out, len);
	buf_adds(out, len > 0 && out->data[len - 1] != '\n' ? "\r\n " : " ");
}

/*
 * How much of the text fits into an encoded word with room for so many
 * characters of encoded text. Characters are not cut (RFC 2047 section 5).
 */
static size_t
fitting(const char *text, size_t len, bool utf8, bool q, size_t room)
{
	struct header_scan s = { text, text + len, utf8 };
	size_t n, used = 0;

	while (s.p < s.end) {
		n = header_scan_char(&s);
		used += q ? q_length(s.p, n) : n;
		if ((q ? used : (used + 2) / 3 * 4) > room)
			break;
		s.p += n;
	}
	if (s.p == text) /* an escape sequence longer than a word */
		return len < room / 4 ? len : room / 4;
	return (size_t)(s.p - text);
}

#define ESC '\033'

/* The length of an escape sequence of RFC 1468 at p that leads into two-byte
 * text, or 0. */
static size_t
jis_intro(const char *p, size_t len)
{
	if (len < 3 || p[0] != ESC || p[1] != '$')
		return 0;
	return p[2] != '(' ? 3 : len < 4 ? 0 : 4;
}

/*
 * ISO-2022-JP on its way into encoded words. Each of these begins and ends in
 * ASCII (RFC 1468), so text that is cut gets its escape sequences twice.
 */
struct jis {
	const char *p, *end;
	const char *intro; /* of the two-byte text that p is in; NULL: ASCII */
	size_t intro_len;
};

static const char jis_ascii[] = "\033(B";
#define JIS_ASCII_LEN 3

/* Past the escape sequences at p, which say what follows. */
static void
jis_skip_escapes(struct jis *j)
{
	size_t n, len;

	for (; j->p < j->end; j->p += n) {
		len = (size_t)(j->end - j->p);
		if ((n = jis_intro(j->p, len)) > 0) {
			j->intro = j->p;
			j->intro_len = n;
		} else if (j->intro != NULL && len >= JIS_ASCII_LEN &&
		    j->p[0] == ESC && j->p[1] == '(') {
			j->intro = NULL;
			n = JIS_ASCII_LEN;
		} else {
			return;
		}
	}
}

/* Move as much to word as it may hold, at least a character. */
static void
jis_take(struct jis *j, struct buf *word, size_t max)
{
	const char *intro = NULL; /* what word is in */
	size_t n, need;

	while (jis_skip_escapes(j), j->p < j->end) {
		n = j->intro != NULL && j->end - j->p > 1 ? 2 : 1;
		need = n + JIS_ASCII_LEN;
		if (j->intro != NULL && j->intro != intro)
			need += j->intro_len;
		if (word->len > 0 && word->len + need > max)
			break;
		if (j->intro != NULL && j->intro != intro)
			buf_add(word, j->intro, j->intro_len);
		else if (j->intro == NULL && intro != NULL)
			buf_adds(word, jis_ascii);
		intro = j->intro;
		buf_add(word, j->p, n);
		j->p += n;
	}
	if (intro != NULL)
		buf_adds(word, jis_ascii);
}

static void
encode_jis(struct buf *out, const char *text, size_t len)
{
	static const char begin[] = "=?ISO-2022-JP?B?";
	struct jis j = { .p = text, .end = text + len };
	size_t room;
	struct buf word;

	buf_init(&word, WORD_MAX);
	while (j.p < j.end) {
		if (column(out) + ROOM_MIN > LINE_MAX_WORDS)
			fold(out);
		room = LINE_MAX_WORDS - column(out);
		room = (room < WORD_MAX ? room : WORD_MAX) -
		    strlen(begin) - strlen("?=");
		buf_reset(&word);
		jis_take(&j, &word, room / 4 * 3);
		if (word.len == 0) /* escapes alone; a word shows nothing too */
			buf_adds(&word, jis_ascii);
		buf_adds(out, begin);
		b_add(out, word.data, word.len);
		buf_adds(out, "?=");
		if (j.p < j.end)
			fold(out);
	}
	buf_free(&word);
}

void
header_encode_words(struct buf *out, const char *text, size_t len, bool utf8)
{
	const char *charset = utf8 ? "UTF-8" : "unknown-8bit";
	bool q = !utf8 || q_length(text, len) <= (len + 2) / 3 * 4;
	size_t frame = strlen("=" "?" "?Q?" "?=") + strlen(charset);
	size_t room, n;

	if (utf8_is_ascii(text, len) && memmem(text, len, "\033$", 2) != NULL) {
		encode_jis(out, text, len);
		return;
	}
	while (len > 0) {
		if (column(out) + ROOM_MIN > LINE_MAX_WORDS)
			fold(out);
		room = LINE_MAX_WORDS - column(out);
		room = (room < WORD_MAX ? room : WORD_MAX) - frame;
		n = fitting(text, len, utf8, q, room);
		buf_addf(out, "=?%s?%c?", charset, q ? 'Q' : 'B');
		if (q)
			q_add(out, text, n);
		else
			b_add(out, text, n);
		buf_adds(out, "?=");
		text += n;
		len -= n;
		if (len > 0)
			fold(out);
	}
}

void
header_encode_percent(struct buf *out, const char *text, size_t len, bool all)
{
	for (size_t i = 0; i < len; i++) {
		unsigned char c = (unsigned char)text[i];
		bool plain = c < 0x80;

		if (all)
			plain = is_alnum(c) ||
			    (c != '\0' && strchr("!#$&+-.^_`{|}~", c) != NULL);
		if (plain)
			buf_addc(out, (char)c);
		else
			buf_addf(out, "%%%c%c", hex[c >> 4], hex[c & 15]);
	}
}
