/* SPDX-License-Identifier: BSD-2-Clause */
#include "config.h"

#include "tests/unit/unit.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/buf.h"
#include "core/conf.h"
#include "core/conf_table.h"

/*
 * Holds postern.conf(5) against the table in the code: the same keys in the
 * same order, the same defaults; and its examples must load.
 */

static struct buf page;

static int
setup(void **state)
{
	FILE *f = fopen(MANUAL, "r");
	char *room;
	size_t n;

	(void)state;
	if (f == NULL)
		return -1;
	buf_init(&page, 1024 * 1024);
	while ((room = buf_room(&page, 4096)) != NULL &&
	       (n = fread(room, 1, 4096, f)) > 0)
		buf_filled(&page, n);
	return fclose(f);
}

static int
teardown(void **state)
{
	(void)state;
	buf_free(&page);
	return 0;
}

/* The text of a key's item: from its .It to the next macro of that rank. */
static char *
item_text(const char *section, const char *key)
{
	char head[80];
	const char *p, *end, *it;

	(void)snprintf(head, sizeof(head), "\n.Ss Section %s\n", section);
	p = strstr(page.data, head);
	if (p == NULL)
		fail_msg("no heading for section %s", section);
	end = strstr(p + strlen(head) - 1, "\n.El\n");
	assert_non_null(end);
	(void)snprintf(head, sizeof(head), "\n.It Cm %s\n", key);
	p = strstr(p, head);
	if (p == NULL || p > end)
		fail_msg("section %s says nothing of %s", section, key);
	p += strlen(head);
	it = strstr(p, "\n.It ");
	return strndup(
	    p - 1, (size_t)((it != NULL && it < end ? it : end) - p) + 2);
}

/* A default as the page has it, which names directories by custom; they are
 * replaced when it is installed. */
static void
customary(const char *dflt, char out[200])
{
	static const struct {
		const char *ours, *custom;
	} dirs[] = { { RUNSTATEDIR "/postern", "/run/postern" },
		{ LOCALSTATEDIR "/lib/postern", "/var/lib/postern" } };
	const char *at;

	(void)snprintf(out, 200, "%s", dflt);
	for (size_t i = 0; i < 2; i++)
		if ((at = strstr(dflt, dirs[i].ours)) != NULL)
			(void)snprintf(out, 200, "%.*s%s%s", (int)(at - dflt),
			    dflt, dirs[i].custom, at + strlen(dirs[i].ours));
}

static void
keys(void **state)
{
	const char *section, *key, *own, *help;
	char dflt[200], literal[240], quoted[240], words[240], *text;
	size_t i;

	(void)state;
	for (i = 0; conf_describe(i, &section, &key, &own, &help); i++) {
		customary(own, dflt);
		text = item_text(section, key);
		(void)snprintf(literal, sizeof(literal),
		    "\nThe default is\n.Ql %s .\n", dflt);
		(void)snprintf(quoted, sizeof(quoted),
		    "\nThe default is\n.Ql \"%s\" .\n", dflt);
		(void)snprintf(
		    words, sizeof(words), "\nBy default: %s.\n", dflt);
		if (strstr(text, literal) == NULL &&
		    strstr(text, quoted) == NULL && strstr(text, words) == NULL)
			fail_msg("%s.%s has the default \"%s\", and says: %s",
			    section, key, dflt, text);
		if ((strstr(text, "\n.Em Restart .\n") != NULL) !=
		    conf_keys[i].restart)
			fail_msg("%s.%s: restart or not?", section, key);
		free(text);
	}
}

static void
no_others(void **state)
{
	const char *p, *section, *key, *dflt, *help;
	size_t n = 0, i = 0;

	(void)state;
	for (p = page.data; (p = strstr(p, "\n.It Cm ")) != NULL; p++)
		n++;
	while (conf_describe(i, &section, &key, &dflt, &help))
		i++;
	assert_int_equal(n, i);
}

static void
load_example(const char *text, size_t len)
{
	char name[] = "/tmp/t_manual.XXXXXX";
	int fd = mkstemp(name);
	struct err err = { 0 };
	struct conf *c;

	assert_int_not_equal(fd, -1);
	assert_int_equal(write(fd, text, len), len);
	assert_int_equal(close(fd), 0);
	c = conf_load(
	    name, CONF_NEED_SES | CONF_NEED_LMTP | CONF_NEED_STORE, &err);
	(void)unlink(name);
	assert_string_equal(err.text, "");
	assert_non_null(c);
	conf_release(c);
}

static void
examples(void **state)
{
	static const char begin[] = "\n.Bd -literal -offset indent\n";
	const char *p = page.data, *end;
	size_t n = 0;

	(void)state;
	while ((p = strstr(p, begin)) != NULL) {
		p += strlen(begin);
		end = strstr(p, ".Ed\n");
		assert_non_null(end);
		load_example(p, (size_t)(end - p));
		n++;
	}
	assert_int_equal(n, 3);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(keys),
		cmocka_unit_test(no_others),
		cmocka_unit_test(examples),
	};

	return cmocka_run_group_tests_name("manual", tests, setup, teardown);
}
