/* SPDX-License-Identifier: BSD-2-Clause */
#include "config.h"

#include "core/base64.h"

#include <string.h>

#include "core/mem.h"

static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
			     "abcdefghijklmnopqrstuvwxyz0123456789+/";

char *
base64_text(const void *data, size_t len)
{
	const unsigned char *in = data;
	char *out = mem_array((len + 2) / 3 * 4 + 1, 1), *to = out;
	unsigned group;

	for (size_t i = 0; i < len; i += 3) {
		group = (unsigned)in[i] << 16;
		if (i + 1 < len)
			group |= (unsigned)in[i + 1] << 8;
		if (i + 2 < len)
			group |= in[i + 2];
		*to++ = digits[group >> 18];
		*to++ = digits[group >> 12 & 63];
		*to++ = i + 1 < len ? digits[group >> 6 & 63] : '=';
		*to++ = i + 2 < len ? digits[group & 63] : '=';
	}
	return out;
}

/* Four digits to as many bytes as they hold, up to three; 0 for no digits. Bits
 * that stand for nothing must be 0, so that each text has one writing. */
static size_t
decode_group(const char *s, unsigned char out[3])
{
	size_t n = s[3] != '=' ? 3 : s[2] != '=' ? 2 : 1;
	unsigned group = 0;
	const char *p;

	for (size_t i = 0; i < 4; i++) {
		p = s[i] != '\0' ? strchr(digits, s[i]) : NULL;
		if (i > n)
			p = digits;
		if (p == NULL)
			return 0;
		group = group << 6 | (unsigned)(p - digits);
	}
	out[0] = (unsigned char)(group >> 16);
	out[1] = (unsigned char)(group >> 8);
	out[2] = (unsigned char)group;
	if ((n < 3 && out[2] != 0) || (n < 2 && out[1] != 0))
		return 0;
	return n;
}

int
base64_bytes(const char *s, size_t len, unsigned char *out, size_t max,
    size_t *len_r)
{
	unsigned char group[3];
	size_t n, total = 0;

	if (len % 4 != 0)
		return -1;
	for (size_t i = 0; i < len; i += 4) {
		n = decode_group(s + i, group);
		if (n == 0 || n > max - total || (n < 3 && i + 4 < len))
			return -1;
		memcpy(out + total, group, n);
		total += n;
	}
	*len_r = total;
	return 0;
}
