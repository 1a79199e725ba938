/* SPDX-License-Identifier: BSD-2-Clause */
#include "config.h"

#include "sandbox/path.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#define SIMULATOR "simulator.amazonses.com"

/* Up to the ">" that is not inside a quoted string; NULL when there is none. */
static const char *
closing_bracket(const char *p)
{
	bool quoted = false;

	for (; *p != '\0'; p++) {
		if (quoted && *p == '\\' && p[1] != '\0')
			p++;
		else if (*p == '"')
			quoted = !quoted;
		else if (*p == '>' && !quoted)
			return p;
	}
	return NULL;
}

enum path_result
path_parse(const char *arg, const char *keyword, struct path *path)
{
	size_t len = strlen(keyword);
	const char *end;

	if (strncasecmp(arg, keyword, len) != 0 || arg[len] != ':')
		return PATH_SYNTAX;
	arg += len + 1;
	path->blank = *arg == ' ';
	arg += strspn(arg, " ");
	if (*arg++ != '<' || (end = closing_bracket(arg)) == NULL)
		return PATH_SYNTAX;
	if (end[1] != '\0' && end[1] != ' ')
		return PATH_SYNTAX;
	len = (size_t)(end - arg);
	if (len >= sizeof(path->address))
		return PATH_LONG;
	memcpy(path->address, arg, len);
	path->address[len] = '\0';
	path->params = end + 1 + strspn(end + 1, " ");
	return PATH_OK;
}

char *
path_param(char **params)
{
	char *word = *params + strspn(*params, " ");

	if (*word == '\0')
		return NULL;
	*params = word + strcspn(word, " ");
	if (**params != '\0')
		*(*params)++ = '\0';
	return word;
}

bool
path_plausible(const char *address)
{
	const char *at = strrchr(address, '@');

	if (at == NULL || at == address || at[1] == '\0')
		return false;
	for (; *address != '\0'; address++)
		if ((unsigned char)*address >= 127 ||
		    (unsigned char)*address < ' ')
			return false;
	return true;
}

static bool
is_atext(char c)
{
	return isalnum((unsigned char)c) ||
	       (c != '\0' && strchr("!#$%&'*+-/=?^_`{|}~", c) != NULL);
}

static bool
local_is_plain(const char *address, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if (!is_atext(address[i]) && address[i] != '.')
			return false;
	return len > 0;
}

/* Letters, digits and hyphens; a top-level domain of digits is none. */
static bool
domain_is_name(const char *domain)
{
	size_t len = 0;
	bool digits = true;

	for (;; domain++) {
		if (*domain == '.' || *domain == '\0') {
			if (len == 0 || len > 63 || domain[-1] == '-')
				return false;
			if (*domain == '\0')
				return !digits;
			len = 0;
			digits = true;
			continue;
		}
		if (!isalnum((unsigned char)*domain) &&
		    (*domain != '-' || len == 0))
			return false;
		if (!isdigit((unsigned char)*domain))
			digits = false;
		len++;
	}
}

bool
path_fault(const char *address, char *words, size_t size)
{
	const char *at = strrchr(address, '@');

	if (at == NULL || at[1] == '\0') {
		(void)snprintf(words, size, "Missing final '@domain'");
		return true;
	}
	if (!local_is_plain(address, (size_t)(at - address))) {
		(void)snprintf(words, size,
		    "Address contains illegal characters in user name: "
		    "'<%s>'.",
		    address);
		return true;
	}
	if (!domain_is_name(at + 1)) {
		(void)snprintf(
		    words, size, "Invalid domain name: '%s'.", at + 1);
		return true;
	}
	return false;
}

bool
path_simulator(const char *address, char *local, size_t size)
{
	const char *at = strrchr(address, '@');

	if (at == NULL || strcasecmp(at + 1, SIMULATOR) != 0)
		return false;
	(void)snprintf(
	    local, size, "%.*s", (int)strcspn(address, "+@"), address);
	return true;
}
