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

/* Of a quoted string with its quotes; 1 when it does not end. */
static size_t
quoted_len(const char *s)
{
	size_t n = 1;

	while (s[n] != '\0' && s[n] != '"')
		n += s[n] == '\\' && s[n + 1] != '\0' ? 2 : 1;
	return s[n] == '"' ? n + 1 : 1;
}

int
search_name(const char **at, const char **name_r, size_t *len_r)
{
	const char *name = *at + strspn(*at, " ,");
	size_t len = 0;

	while (name[len] != '\0' && name[len] != ' ' && name[len] != ',')
		len += name[len] == '"' ? quoted_len(name + len) : 1;
	*name_r = name;
	*len_r = len;
	*at = name + len;
	return len > 0;
}

char *
search_client_address(const char *client)
{
	const char *open = strrchr(client, '['), *close;

	if (open == NULL || (close = strchr(open, ']')) == NULL)
		return NULL;
	return mem_strndup(open + 1, (size_t)(close - open - 1));
}
