/* SPDX-License-Identifier: BSD-2-Clause */
#include "config.h"

#include "core/header.h"

#include <string.h>
#include <strings.h>

/*
 * Fields as they are on the wire. Blanks between name and colon are obsolete
 * (RFC 5322 section 4.5) and belong to neither.
 */

/* The length of the line at s with its CRLF and all lines folded to it. */
static size_t
line_and_folds(const char *s, size_t len)
{
	const char *p = s, *end = s + len, *lf;

	do {
		lf = memchr(p, '\n', (size_t)(end - p));
		if (lf == NULL)
			return len;
		p = lf + 1;
	} while (p < end && (*p == ' ' || *p == '\t'));
	return (size_t)(p - s);
}

/* The length of a field name at s (RFC 5322 section 3.6.8), 0 for none;
 * *colon_r is where its colon stands. */
static size_t
name_length(const char *s, size_t len, size_t *colon_r)
{
	size_t n, i;

	for (n = 0; n < len && s[n] > ' ' && s[n] < 0x7f && s[n] != ':'; n++)
		;
	for (i = n; i < len && (s[i] == ' ' || s[i] == '\t'); i++)
		;
	if (i == len || s[i] != ':' || i > HEADER_NAME_MAX)
		return 0;
	*colon_r = i;
	return n;
}

int
header_next(const char *data, size_t len, size_t *pos,
    struct header_field *field_r)
{
	struct header_field f = { .raw = data + *pos };
	size_t colon, end;

	if (*pos >= len)
		return 0;
	if (len - *pos >= 2 && memcmp(f.raw, "\r\n", 2) == 0) {
		*pos += 2;
		return 0;
	}
	f.raw_len = line_and_folds(f.raw, len - *pos);
	*pos += f.raw_len;
	f.name = f.value = f.raw;
	f.name_len = name_length(f.raw, f.raw_len, &colon);
	if (f.name_len > 0) {
		for (end = f.raw_len; end > colon + 1; end--)
			if (f.raw[end - 1] != '\r' && f.raw[end - 1] != '\n')
				break;
		f.value = f.raw + colon + 1;
		f.value_len = end - colon - 1;
	}
	*field_r = f;
	return f.name_len > 0 ? 1 : -1;
}

bool
header_is(const struct header_field *f, const char *name)
{
	if (f->name_len == 0 || ((f->name[0] ^ name[0]) & ~0x20) != 0)
		return false; /* nearly always, and cheap */
	return f->name_len == strlen(name) &&
	    strncasecmp(f->name, name, f->name_len) == 0;
}

void
header_unfold(const struct header_field *f, struct buf *out)
{
	const char *p = f->value, *end = p + f->value_len, *stop;

	while (p < end && strchr(" \t\r\n", *p) != NULL && *p != '\0')
		p++;
	while (p < end && strchr(" \t\r\n", end[-1]) != NULL &&
	    end[-1] != '\0')
		end--;
	for (; p < end; p = stop) {
		for (stop = p; stop < end && *stop != '\r' && *stop != '\n';)
			stop++;
		buf_add(out, p, (size_t)(stop - p));
		while (stop < end && (*stop == '\r' || *stop == '\n'))
			stop++;
	}
}

void
header_text(const struct header_field *f, struct buf *out)
{
	struct buf value;

	buf_init(&value, f->value_len);
	header_unfold(f, &value);
	buf_add_printable(out, value.data, value.len);
	buf_free(&value);
}

bool
header_same_value(const struct header_field *a, const struct header_field *b)
{
	struct buf x, y;
	bool same;

	if (a->value_len == b->value_len &&
	    memcmp(a->value, b->value, a->value_len) == 0)
		return true;
	buf_init(&x, a->value_len);
	buf_init(&y, b->value_len);
	header_unfold(a, &x);
	header_unfold(b, &y);
	same = x.len == y.len && memcmp(x.data, y.data, x.len) == 0;
	buf_free(&x);
	buf_free(&y);
	return same;
}
