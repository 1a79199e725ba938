/* SPDX-License-Identifier: BSD-2-Clause */
#include "config.h"

#include "core/utf8.h"

#include <string.h>

/* RFC 3629 section 4: no overlong forms, no surrogates, nothing past U+10FFFF. */
size_t
utf8_char(const char *str, size_t len)
{
	const unsigned char *s = (const unsigned char *)str;
	unsigned char low = 0x80, high = 0xbf;
	size_t n;

	if (len == 0)
		return 0;
	if (s[0] < 0x80)
		return 1;
	if (s[0] < 0xc2 || s[0] > 0xf4)
		return 0;
	n = s[0] < 0xe0 ? 2 : s[0] < 0xf0 ? 3 : 4;
	if (len < n)
		return 0;
	if (s[0] == 0xe0)
		low = 0xa0;
	else if (s[0] == 0xed)
		high = 0x9f;
	else if (s[0] == 0xf0)
		low = 0x90;
	else if (s[0] == 0xf4)
		high = 0x8f;
	if (s[1] < low || s[1] > high)
		return 0;
	for (size_t i = 2; i < n; i++)
		if (s[i] < 0x80 || s[i] > 0xbf)
			return 0;
	return n;
}

/* C1 controls (U+0080 to U+009F) can drive a terminal as well as C0 can. */
size_t
utf8_printable(const char *s)
{
	size_t n = utf8_char(s, strnlen(s, 4));

	if (n == 1 && ((unsigned char)*s < 0x20 || *s == 0x7f))
		return 0;
	if (n == 2 && (unsigned char)s[0] == 0xc2 && (unsigned char)s[1] < 0xa0)
		return 0;
	return n;
}

bool
utf8_valid(const char *s, size_t len)
{
	size_t n;

	for (; len > 0; s += n, len -= n)
		if ((n = utf8_char(s, len)) == 0)
			return false;
	return true;
}

bool
utf8_is_ascii(const char *s, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if ((unsigned char)s[i] >= 0x80)
			return false;
	return true;
}
