/* SPDX-License-Identifier: BSD-2-Clause */
#include "config.h"

#include "store/search/term.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "core/address.h"
#include "core/mem.h"
#include "core/utf8.h"

/*
 * FNV-1a with a last stir. Two values of one term only cost a look at the
 * journal, where every hit is checked, so nothing stronger is needed.
 */
static int64_t
hash(enum term_kind kind, const char *value, size_t len)
{
	uint64_t h = 14695981039346656037u;

	h = (h ^ (unsigned)kind) * 1099511628211u;
	for (size_t i = 0; i < len; i++)
		h = (h ^ (unsigned)tolower((unsigned char)value[i])) *
		    1099511628211u;
	h = (h ^ h >> 32) * 0xd6e8feb86659fd93u;
	return (int64_t)(h ^ h >> 32);
}

char *
search_ascii(enum term_kind kind, const char *value, size_t len)
{
	char domain[ADDRESS_DOMAIN_MAX + 1];
	size_t at = len;

	if ((kind != TERM_SENDER && kind != TERM_RECIPIENT &&
		kind != TERM_DOMAIN) ||
	    utf8_is_ascii(value, len))
		return NULL;
	while (at > 0 && value[at - 1] != '@')
		at--;
	if ((at == 0 && kind != TERM_DOMAIN) ||
	    address_domain_ascii(value + at, len - at, domain) == -1)
		return NULL;
	return mem_printf("%.*s%s", (int)at, value, domain);
}

int64_t
search_term_len(enum term_kind kind, const char *value, size_t len)
{
	char *ascii = search_ascii(kind, value, len);
	int64_t term = ascii != NULL ? hash(kind, ascii, strlen(ascii))
				     : hash(kind, value, len);

	free(ascii);
	return term;
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
