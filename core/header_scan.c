/* SPDX-License-Identifier: BSD-2-Clause */
#include "config.h"

#include "core/header_scan.h"

#include <string.h>

#include "core/utf8.h"

/*
 * Nothing here judges: control characters and 8-bit bytes are taken as text,
 * since the callers either mend them or hand the whole to a stricter parser.
 */

#define ESC '\033'
#define RUN_MAX 998 /* text of one escape does not leave its line */

void
header_scan_init(struct header_scan *s, const char *data, size_t len)
{
	s->p = data;
	s->end = data + len;
	s->utf8 = utf8_valid(data, len);
}

/*
 * RFC 1468: two-byte text runs from ESC $ to the ESC ( that returns to ASCII.
 * Without that the escape stands for itself.
 */
static size_t
iso_2022_jp(const char *p, size_t len)
{
	const char *back;

	if (len < 2 || p[1] != '$')
		return 1;
	len = len < RUN_MAX ? len : RUN_MAX;
	back = memmem(p + 2, len - 2, "\033(", 2);
	if (back == NULL || memchr(p, '\n', (size_t)(back - p)) != NULL)
		return 1;
	return (size_t)(back - p) + 2;
}

/* JIS X 0208 in Shift_JIS: the ranges of lead and trail byte. */
static size_t
shift_jis(const unsigned char *p, size_t len)
{
	if (len < 2 || p[0] < 0x81 || p[0] > 0xfc ||
	    (p[0] > 0x9f && p[0] < 0xe0))
		return 1;
	return p[1] >= 0x40 && p[1] <= 0xfc && p[1] != 0x7f ? 2 : 1;
}

size_t
header_scan_char(const struct header_scan *s)
{
	size_t len = (size_t)(s->end - s->p), n;

	if (*s->p == ESC)
		return iso_2022_jp(s->p, len);
	if ((unsigned char)*s->p < 0x80)
		return 1;
	if (!s->utf8)
		return shift_jis((const unsigned char *)s->p, len);
	n = utf8_char(s->p, len);
	return n > 0 ? n : 1;
}

bool
header_scan_is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

void
header_scan_blanks(struct header_scan *s)
{
	while (s->p < s->end && header_scan_is_blank(*s->p))
		s->p++;
}

/* Past a backslash and what it quotes, or past one character. */
static void
step(struct header_scan *s)
{
	if (*s->p == '\\' && s->p + 1 < s->end)
		s->p++;
	s->p += header_scan_char(s);
}

int
header_scan_comment(struct header_scan *s)
{
	size_t depth = 0;

	while (s->p < s->end) {
		if (*s->p == '(')
			depth++;
		else if (*s->p == ')' && --depth == 0) {
			s->p++;
			return 0;
		}
		step(s);
	}
	return -1;
}

int
header_scan_quoted(struct header_scan *s)
{
	for (s->p++; s->p < s->end; step(s))
		if (*s->p == '"') {
			s->p++;
			return 0;
		}
	return -1;
}

/* RFC 5322 section 3.4.1: "[" *dtext "]". */
int
header_scan_literal(struct header_scan *s)
{
	while (s->p < s->end && *s->p != ']')
		s->p += header_scan_char(s);
	if (s->p == s->end)
		return -1;
	s->p++;
	return 0;
}

int
header_scan_cfws(struct header_scan *s)
{
	for (;;) {
		header_scan_blanks(s);
		if (s->p == s->end || *s->p != '(')
			return 0;
		if (header_scan_comment(s) == -1)
			return -1;
	}
}

/* "=?" charset "?" encoding "?" text "?=", each part of visible ASCII. */
bool
header_scan_encoded(struct header_scan *s)
{
	const char *p = s->p;
	unsigned marks = 0;

	if (s->end - p < 2 || p[0] != '=' || p[1] != '?')
		return false;
	for (p += 2; p < s->end && *p > ' ' && *p < 0x7f; p++) {
		if (*p != '?')
			continue;
		if (marks == 1 && p[-2] != '?')
			return false;
		if (marks++ < 2)
			continue;
		if (p + 1 == s->end || p[1] != '=')
			return false;
		s->p = p + 2;
		return true;
	}
	return false;
}

static bool
is_special(char c)
{
	return c != '\0' && strchr("()<>[]:;@\\,.\"", c) != NULL;
}

int
header_scan_word(struct header_scan *s)
{
	const char *start = s->p;

	if (s->p < s->end && *s->p == '"')
		return header_scan_quoted(s) == -1 ? -1 : 1;
	(void)header_scan_encoded(s);
	while (s->p < s->end && !is_special(*s->p) &&
	    !header_scan_is_blank(*s->p))
		s->p += header_scan_char(s);
	return s->p > start;
}

void
header_scan_unquote(struct header_scan s, bool comment, struct buf *out)
{
	bool quoted = comment;
	size_t len;

	for (; s.p < s.end; s.p += len) {
		len = 1;
		if (*s.p == '"' && !comment) {
			quoted = !quoted;
			continue;
		}
		if (*s.p == '\r' || *s.p == '\n')
			continue;
		if (*s.p == '\\' && quoted && s.p + 1 < s.end)
			s.p++;
		len = header_scan_char(&s);
		buf_add(out, s.p, len);
	}
}
