/* SPDX-License-Identifier: BSD-2-Clause */
#include "config.h"

#include "tests/unit/unit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "identity/verified.h"

#define N(a) (sizeof(a) / sizeof((a)[0]))

static char file[] = "/tmp/t_verified-XXXXXX";

static void
write_file(const char *text)
{
	FILE *fp = fopen(file, "w");

	assert_non_null(fp);
	assert_true(fputs(text, fp) >= 0);
	assert_int_equal(fclose(fp), 0);
}

static struct verified *
load(const char *text)
{
	struct verified *v;
	struct err err;

	write_file(text);
	v = verified_load(file, &err);
	if (v == NULL)
		fail_msg("%s", err.text);
	return v;
}

static const char *
by(const struct verified *v, const char *text)
{
	struct address a;
	struct err err;

	if (address_parse(text, strlen(text), &a, &err) != ADDRESS_OK)
		fail_msg("%s: %s", text, err.text);
	return verified_by(v, &a);
}

static const char identities[] = "# identities of the account\r\n"
				 "\n"
				 "Example.COM\r\n"
				 "  me@other.example\t# the boss\n"
				 "sub.example.com #\n"
				 "you@OTHER.example\n"
				 "a#b@other.example\n"
				 "tag+me@other.example\n"
				 "inside@example.com\n"
				 "日本語.jp\n"
				 "me@other.example\n"
				 "\"q u\"@other.example";

static void
covers(void **state)
{
	static const struct {
		const char *address, *by;
	} cases[] = {
		/* domains, in any case, and what is below */
		{ "x@example.com", "example.com" },
		{ "x@EXAMPLE.com", "example.com" },
		{ "x@a.b.Example.com", "example.com" },
		{ "x@sub.example.com", "sub.example.com" },
		{ "x@a.sub.example.com", "sub.example.com" },
		{ "x@日本語.jp", "xn--wgv71a119e.jp" },
		{ "x@badexample.com", NULL },
		{ "x@com", NULL },
		{ "x@example.com.evil.example", NULL },
		/* addresses, by case */
		{ "me@other.example", "me@other.example" },
		{ "\"me\"@other.example", "me@other.example" },
		{ "a#b@other.example", "a#b@other.example" },
		{ "\"q u\"@other.example", "\"q u\"@other.example" },
		{ "you@OTHER.example", "you@OTHER.example" },
		{ "Me@other.example", NULL },
		{ "me@Other.example", NULL },
		{ "you@other.example", NULL },
		{ "me@sub.other.example", NULL },
		/* labels */
		{ "me+label@other.example", "me@other.example" },
		{ "me+a+b@other.example", "me@other.example" },
		{ "me+@other.example", "me@other.example" },
		{ "tag+me+x@other.example", "tag+me@other.example" },
		{ "tag+you@other.example", NULL },
		{ "+me@other.example", NULL },
		{ "\"me+ \"@other.example", NULL },
		/* the most specific one */
		{ "inside@example.com", "inside@example.com" },
		{ "inside+x@example.com", "inside@example.com" },
		{ "Inside@example.com", "example.com" },
	};
	struct verified *v = load(identities);
	struct address null = { .local_len = 0 };

	(void)state;
	assert_false(verified_none(v));
	for (size_t i = 0; i < N(cases); i++) {
		const char *item = by(v, cases[i].address);

		if (item == NULL ? cases[i].by != NULL :
		    cases[i].by == NULL || strcmp(item, cases[i].by) != 0)
			fail_msg("%s: %s", cases[i].address,
			    item == NULL ? "nothing" : item);
	}
	assert_null(verified_by(v, &null));
	assert_string_equal(verified_item(v, 0), "example.com");
	assert_string_equal(verified_item(v, 1), "me@other.example");
	assert_string_equal(verified_item(v, 9), "\"q u\"@other.example");
	assert_null(verified_item(v, 10));
	verified_release(v);
}

static void
many(void **state)
{
	struct verified *v;
	FILE *fp = fopen(file, "w");
	struct err err;
	char text[64];

	(void)state;
	assert_non_null(fp);
	for (int i = 0; i < 10000; i++)
		(void)fprintf(fp, i % 2 ? "d%d.example\n" : "u%d@x.test\n", i);
	assert_int_equal(fclose(fp), 0);
	v = verified_load(file, &err);
	assert_non_null(v);
	for (int i = 0; i < 10000; i++) {
		(void)snprintf(text, sizeof(text),
		    i % 2 ? "u@d%d.example" : "u%d@x.test", i);
		assert_non_null(by(v, text));
		(void)snprintf(text, sizeof(text),
		    i % 2 ? "u%d@x.test" : "u@d%d.example", i);
		assert_null(by(v, text));
	}
	verified_release(v);
}

static void
names_bad_lines(void **state)
{
	static const struct {
		const char *text, *line, *words;
	} cases[] = {
		{ "a.example\nno domain\n", ":2: ", "\"no domain\"" },
		{ "@example.com\n", ":1: ", "nothing before the @" },
		{ "a@\n", ":1: ", "no domain" },
		{ "*.example.com\n", ":1: ", "neither a domain nor" },
		{ "\n\n用户@example.com\n", ":3: ", "not ASCII" },
		{ "a@b@c.example\n", ":1: ", "no domain name" },
	};
	struct err err;

	(void)state;
	for (size_t i = 0; i < N(cases); i++) {
		write_file(cases[i].text);
		assert_null(verified_load(file, &err));
		assert_int_equal(err.class, ERR_CONFIG);
		assert_contains(err.text, file);
		assert_contains(err.text, cases[i].line);
		assert_contains(err.text, cases[i].words);
	}
	assert_null(verified_load("/nowhere/identities", &err));
	assert_int_equal(err.class, ERR_LOCAL);
	assert_contains(err.text, "/nowhere/identities");
	assert_null(verified_load("/", &err));
	assert_int_equal(err.class, ERR_LOCAL);
}

static void
stands_in_for_null(void **state)
{
	static const struct {
		const char *text, *sender;
	} cases[] = {
		{ "me@a.example\nb.example\nc.example\n",
		    "mailer-daemon@b.example" },
		{ "me@a.example\nyou@a.example\n", "me@a.example" },
		{ "# nothing\n", NULL },
	};
	struct address sender;
	struct verified *v;

	(void)state;
	for (size_t i = 0; i < N(cases); i++) {
		v = load(cases[i].text);
		assert_int_equal(verified_null_sender(v, &sender),
		    cases[i].sender == NULL ? -1 : 0);
		if (cases[i].sender != NULL)
			assert_string_equal(sender.text, cases[i].sender);
		else
			assert_true(verified_none(v));
		verified_release(v);
	}
}

static int
make_file(void **state)
{
	int fd = mkstemp(file);

	(void)state;
	return fd == -1 ? -1 : close(fd);
}

static int
remove_file(void **state)
{
	(void)state;
	return unlink(file);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(covers),
		cmocka_unit_test(many),
		cmocka_unit_test(names_bad_lines),
		cmocka_unit_test(stands_in_for_null),
	};

	return cmocka_run_group_tests(tests, make_file, remove_file);
}
