/* SPDX-License-Identifier: BSD-2-Clause */
#include "config.h"

#include "core/cut.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

/*
 * An address and the name before it, as in "failed the check: John Doe
 * <john@example.org>, ...", stand between a colon or comma and the next; an
 * address alone, between blanks. 254 bytes (RFC 5321, erratum 1690), and room
 * for a name.
 */
#define PARTED_MAX 320

static bool
is_blank(char c)
{
	return strchr(" \t\r\n", c) != NULL;
}

/* "john doe"@example.org is one word. */
size_t
cut_length(const char *text, size_t len)
{
	size_t from = len > PARTED_MAX ? len - PARTED_MAX : 0;
	size_t none = len, mark = none, blank = none;
	bool quoted = false;

	for (size_t n = from; n < len; n++) {
		if (text[n] == '"')
			quoted = !quoted;
		else if (!quoted && strchr(":,;", text[n]) != NULL)
			mark = n;
		else if (!quoted && is_blank(text[n]))
			blank = n;
	}
	if (mark != none || blank != none)
		return mark != none ? mark : blank;
	while (from > 0 && !is_blank(text[from]))
		from--;
	return from;
}

void
cut_copy(char *to, size_t size, const char *text)
{
	size_t len = strnlen(text, size);

	if (len == size)
		len = cut_length(text, size - 1);
	memcpy(to, text, len);
	to[len] = '\0';
}

void
cut_printf(char *to, size_t size, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	cut_vprintf(to, size, fmt, ap);
	va_end(ap);
}

void
cut_vprintf(char *to, size_t size, const char *fmt, va_list ap)
{
	int len = vsnprintf(to, size, fmt, ap);

	if (len >= 0 && (size_t)len >= size)
		to[cut_length(to, size - 1)] = '\0';
}

const char *
cut_mark(char *to, size_t size, const char *text)
{
	static const char mark[] = "...";
	size_t len = strnlen(text, size);

	if (len < size) {
		memcpy(to, text, len + 1);
		return to;
	}
	len = cut_length(text, size - sizeof(mark));
	memcpy(to, text, len);
	memcpy(to + len, mark, sizeof(mark));
	return to;
}
