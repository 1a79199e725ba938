/* SPDX-License-Identifier: BSD-2-Clause */
#include "config.h"

#include "store/search/term.h"

#include <ctype.h>
#include <string.h>

#include "core/mem.h"

/*
 * FNV-1a with a last stir. Two values of one term only cost a look at the
 * journal, where every hit is checked, so nothing stronger is needed.
 */
int64_t
search_term_len(enum term_kind kind, const char *value, size_t len)
{
	uint64_t h = 14695981039346656037u;

	h = (h ^ (unsigned)kind) * 1099511628211u;
	for (size_t i = 0; i < len; i++)
		h = (h ^ (unsigned)tolower((unsigned char)value[i])) *
		    1099511628211u;
	h = (h ^ h >> 32) * 0xd6e8feb86659fd93u;
	return (int64_t)(h ^ h >> 32);
}

int64_t
search_term(enum term_kind kind, const char *value)
{
	return search_term_len(kind, value, strlen(value));
}

char *
search_client_address(const char *client)
{
	const char *open = strrchr(client, '['), *close;

	if (open == NULL || (close = strchr(open, ']')) == NULL)
		return NULL;
	return mem_strndup(open + 1, (size_t)(close - open - 1));
}
