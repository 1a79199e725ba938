/* SPDX-License-Identifier: BSD-2-Clause */
#include "config.h"

#include "cli/postfix.h"

#include <stdlib.h>
#include <string.h>

#include "core/mem.h"

/*
 * Postfix's lists of milters: "inet:HOST:PORT, { unix:PATH, NAME=VALUE ... }"
 * (postconf(5): smtpd_milters; the MILTER_README of Postfix).
 */

/* The value of NAME=VALUE, or of that in braces with blanks anywhere, in a new
 * string; NULL where it is another name. */
static char *
setting(const char *item, const char *name)
{
	static const char between[] = " \t\r\n{}";
	size_t len = strlen(name);

	item += strspn(item, between);
	if (strncmp(item, name, len) != 0)
		return NULL;
	item += len + strspn(item + len, between);
	if (*item++ != '=')
		return NULL;
	item += strspn(item, between);
	return mem_strndup(item, strcspn(item, between));
}

/* The last that is set holds. */
static char *
own_action(const char *settings)
{
	char *action = NULL, *copy, *newer;
	const char *item;
	size_t len;

	while ((item = postfix_item(&settings, &len)) != NULL) {
		copy = mem_strndup(item, len);
		if ((newer = setting(copy, "default_action")) != NULL) {
			free(action);
			action = newer;
		}
		free(copy);
	}
	return action;
}

static bool
is_address(const char *item)
{
	return strncmp(item, "unix:", 5) == 0 || strncmp(item, "inet:", 5) == 0;
}

/* What stands in braces: a milter with its settings, or else a table or a line
 * of one. */
static void
open_braces(const char *inner, postfix_milter_fn *fn, void *arg)
{
	struct postfix_milter p;
	const char *rest = inner;
	char *action;

	p.address = postfix_item(&rest, &p.len);
	if (p.address == NULL)
		return;
	if (!is_address(p.address)) {
		postfix_milters(inner, fn, arg);
		return;
	}
	p.action = action = own_action(rest);
	fn(arg, &p);
	free(action);
}

void
postfix_milters(const char *value, postfix_milter_fn *fn, void *arg)
{
	struct postfix_milter p = { .action = NULL };
	const char *brace, *end;
	char *inner;

	while ((p.address = postfix_item(&value, &p.len)) != NULL) {
		end = p.address + p.len;
		if (is_address(p.address)) {
			fn(arg, &p);
		} else if ((brace = memchr(p.address, '{', p.len)) != NULL) {
			end -= end[-1] == '}';
			inner =
			    mem_strndup(brace + 1, (size_t)(end - (brace + 1)));
			open_braces(inner, fn, arg);
			free(inner);
		}
	}
}

bool
postfix_milter_at(const char *service, const struct postfix_milter *p,
    struct socket_spec *spec_r)
{
	char *text = postfix_socket(service, p->address, p->len);
	struct err err;
	bool is = socket_spec(text, spec_r, &err) == 0;

	free(text);
	return is;
}
