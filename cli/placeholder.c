/* SPDX-License-Identifier: BSD-2-Clause */
#include "config.h"

#include "cli/placeholder.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/mem.h"
#include "store/reason.h"

/*
 * Where the reason begins in the refusal of a suppressed recipient as older
 * versions wrote it, with the placeholders of the message that bounced.
 */
static const char *
foreign_reason(const char *text)
{
	static const char recipient[] = "{recipient:";
	static const char suppressed[] = "} is suppressed (";
	const char *close;

	if (strncmp(text, recipient, sizeof(recipient) - 1) != 0 ||
	    (close = strchr(text, '}')) == NULL ||
	    strncmp(close, suppressed, sizeof(suppressed) - 1) != 0)
		return NULL;
	return close + sizeof(suppressed) - 1;
}

static void
fill(const char *text, placeholder_fn *fn, const void *arg, struct buf *out)
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

void
placeholder_fill(
    const char *text, placeholder_fn *fn, const void *arg, struct buf *out)
{
	const char *foreign = foreign_reason(text);
	char *own, *reason;

	if (foreign == NULL) {
		fill(text, fn, arg, out);
		return;
	}
	own = mem_strndup(text, (size_t)(foreign - text));
	reason = reason_neutral(foreign);
	fill(own, fn, arg, out);
	buf_adds(out, reason);
	free(own);
	free(reason);
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
