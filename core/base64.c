/* SPDX-License-Identifier: BSD-2-Clause */
#include "config.h"

#include "core/base64.h"

#include "core/mem.h"

char *
base64_text(const void *data, size_t len)
{
	static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
				     "abcdefghijklmnopqrstuvwxyz0123456789+/";
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
