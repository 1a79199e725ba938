/* SPDX-License-Identifier: BSD-2-Clause */
#include "config.h"

#include "cli/width.h"

#include <stdint.h>

#include "core/utf8.h"

/*
 * Ranges that are Wide or Fullwidth in Unicode's EastAsianWidth.txt (UAX #11),
 * small gaps closed, and the commonest that take no column of their own: marks
 * that combine with the character before, joiners, variation selectors.
 */
static const struct {
	uint32_t first, last;
	size_t columns;
} ranges[] = {
	{ 0x0300, 0x036f, 0 },	 /* combining diacritical marks */
	{ 0x1100, 0x115f, 2 },	 /* Hangul Jamo, leading consonants */
	{ 0x200b, 0x200f, 0 },	 /* joiners, direction marks */
	{ 0x2e80, 0x303e, 2 },	 /* CJK radicals, symbols, punctuation */
	{ 0x3041, 0x3098, 2 },	 /* Hiragana */
	{ 0x3099, 0x309a, 0 },	 /* its combining sound marks */
	{ 0x309b, 0x4dbf, 2 },	 /* Katakana to CJK extension A */
	{ 0x4e00, 0xa4cf, 2 },	 /* CJK unified ideographs, Yi */
	{ 0xa960, 0xa97f, 2 },	 /* Hangul Jamo extended A */
	{ 0xac00, 0xd7a3, 2 },	 /* Hangul syllables */
	{ 0xf900, 0xfaff, 2 },	 /* CJK compatibility ideographs */
	{ 0xfe00, 0xfe0f, 0 },	 /* variation selectors */
	{ 0xfe10, 0xfe19, 2 },	 /* vertical forms */
	{ 0xfe30, 0xfe6f, 2 },	 /* CJK compatibility and small forms */
	{ 0xff01, 0xff60, 2 },	 /* fullwidth forms */
	{ 0xffe0, 0xffe6, 2 },	 /* fullwidth signs */
	{ 0x1b000, 0x1b2ff, 2 }, /* Kana supplement and extensions, Nushu */
	{ 0x1f300, 0x1f64f, 2 }, /* pictographs, emoticons */
	{ 0x1f900, 0x1f9ff, 2 }, /* more pictographs */
	{ 0x20000, 0x3fffd, 2 }, /* CJK extensions */
};

static size_t
columns(uint32_t c)
{
	for (size_t i = 0; i < sizeof(ranges) / sizeof(ranges[0]); i++)
		if (c >= ranges[i].first && c <= ranges[i].last)
			return ranges[i].columns;
	return 1;
}

/* Of a well-formed character of n bytes (RFC 3629 section 3). */
static uint32_t
code_point(const char *s, size_t n)
{
	const unsigned char *p = (const unsigned char *)s;
	uint32_t c = n == 1 ? *p : *p & (0x7fu >> n);

	for (size_t i = 1; i < n; i++)
		c = c << 6 | (p[i] & 0x3f);
	return c;
}

size_t
width(const char *s)
{
	size_t all = 0, n;

	for (; *s != '\0'; s += n) {
		n = utf8_printable(s);
		all += n > 0 ? columns(code_point(s, n)) : 1;
		n = n > 0 ? n : 1;
	}
	return all;
}
