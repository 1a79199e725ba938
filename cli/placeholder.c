/* SPDX-License-Identifier: BSD-2-Clause */
#include "config.h"

#include "cli/placeholder.h"

#include <stdio.h>
#include <string.h>

void
placeholder_fill(
    const char *text, placeholder_fn *fn, const void *arg, struct buf *out)
{
	const char *open, *close, *value;

	while ((open = strchr(text, '{')) != NULL &&
	    (close = strchr(open, '}')) != NULL) {
		value = fn(arg, open + 1, (size_t)(close - open - 1));
		buf_add(out, text, (size_t)(open - text));
		if (value != NULL)
			buf_adds(out, value);
		else
			buf_add(out, open, (size_t)(close - open + 1));
		text = close + 1;
	}
	buf_adds(out, text);
}

bool
placeholder_is(const char *mark, size_t len, const char *role, unsigned n)
{
	char text[48];

	if (n == 0)
		(void)snprintf(text, sizeof(text), "%s", role);
	else
		(void)snprintf(text, sizeof(text), "%s:%u", role, n);
	return strlen(text) == len && memcmp(mark, text, len) == 0;
}
