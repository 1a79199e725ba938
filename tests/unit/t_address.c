/* SPDX-License-Identifier: BSD-2-Clause */
#include "config.h"

#include "tests/unit/unit.h"

#include <stdlib.h>
#include <string.h>

#include "core/address.h"

#define A8 "aaaaaaaa"
#define A64 A8 A8 A8 A8 A8 A8 A8 A8
#define LABEL_63 "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"

static const struct {
	const char *in;
	enum address_fault fault;
	const char *text;
} cases[] = {
	{ "user@example.com", ADDRESS_OK, "user@example.com" },
	{ "User@EXAMPLE.com", ADDRESS_OK, "User@EXAMPLE.com" },
	{ "a.b+c=d/e@x.example", ADDRESS_OK, "a.b+c=d/e@x.example" },
	{ "root@localhost", ADDRESS_OK, "root@localhost" },
	{ "x@r3---n.example.com", ADDRESS_OK, "x@r3---n.example.com" },
	{ "x@a.1b", ADDRESS_OK, "x@a.1b" },
	/* quoting */
	{ "\"user\"@example.com", ADDRESS_OK, "user@example.com" },
	{ "\"us\\er\"@example.com", ADDRESS_OK, "user@example.com" },
	{ "\"us er\"@example.com", ADDRESS_OK, "\"us er\"@example.com" },
	{ "\"a@b\"@example.com", ADDRESS_OK, "\"a@b\"@example.com" },
	{ "\"a\\\"\\\\b\"@example.com", ADDRESS_OK,
	    "\"a\\\"\\\\b\"@example.com" },
	{ "\"\"@example.com", ADDRESS_OK, "\"\"@example.com" },
	{ "foo..bar@docomo.ne.jp", ADDRESS_OK, "\"foo..bar\"@docomo.ne.jp" },
	{ "foo.@docomo.ne.jp", ADDRESS_OK, "\"foo.\"@docomo.ne.jp" },
	{ "\"foo.\"@docomo.ne.jp", ADDRESS_OK, "\"foo.\"@docomo.ne.jp" },
	{ ".foo@docomo.ne.jp", ADDRESS_OK, "\".foo\"@docomo.ne.jp" },
	/* international domains, as people type them */
	{ "info@日本語.jp", ADDRESS_OK, "info@xn--wgv71a119e.jp" },
	{ "info@日本語。jp", ADDRESS_OK, "info@xn--wgv71a119e.jp" },
	{ "info@BÜCHER.example", ADDRESS_OK, "info@xn--bcher-kva.example" },
	{ "info@straße.example", ADDRESS_OK, "info@xn--strae-oqa.example" },
	{ "info@ｅｘａｍｐｌｅ.com", ADDRESS_OK, "info@example.com" },
	/* faults */
	{ "", ADDRESS_SYNTAX, "" },
	{ "@example.com", ADDRESS_SYNTAX, "" },
	{ "a b@example.com", ADDRESS_SYNTAX, "" },
	{ "a,b@example.com", ADDRESS_SYNTAX, "" },
	{ "<a@example.com>", ADDRESS_SYNTAX, "" },
	{ "\"a@example.com", ADDRESS_SYNTAX, "" },
	{ "\"a\\", ADDRESS_SYNTAX, "" },
	{ "\"a\"b@example.com", ADDRESS_SYNTAX, "" },
	{ "\"a\tb\"@example.com", ADDRESS_SYNTAX, "" },
	{ "a\001@example.com", ADDRESS_SYNTAX, "" },
	{ "root", ADDRESS_NO_DOMAIN, "" },
	{ "\"root\"", ADDRESS_NO_DOMAIN, "" },
	{ "root@", ADDRESS_NO_DOMAIN, "" },
	{ "用户@example.com", ADDRESS_NON_ASCII_LOCAL, "" },
	{ "\"用户\"@example.com", ADDRESS_NON_ASCII_LOCAL, "" },
	{ "caf\xe9@example.com", ADDRESS_NON_ASCII_LOCAL, "" },
	{ "a@[192.0.2.1]", ADDRESS_BAD_DOMAIN, "" },
	{ "a@b@example.com", ADDRESS_BAD_DOMAIN, "" },
	{ "a@exa_mple.com", ADDRESS_BAD_DOMAIN, "" },
	{ "a@example.com.", ADDRESS_BAD_DOMAIN, "" },
	{ "a@.example.com", ADDRESS_BAD_DOMAIN, "" },
	{ "a@example..com", ADDRESS_BAD_DOMAIN, "" },
	{ "a@-example.com", ADDRESS_BAD_DOMAIN, "" },
	{ "a@example-.com", ADDRESS_BAD_DOMAIN, "" },
	{ "a@example.com-", ADDRESS_BAD_DOMAIN, "" },
	{ "a@exam ple.com", ADDRESS_BAD_DOMAIN, "" },
	{ "a@gmail.com.0927168644", ADDRESS_BAD_DOMAIN, "" },
	{ "a@192.0.2.1", ADDRESS_BAD_DOMAIN, "" },
	{ "a@caf\xe9.example", ADDRESS_BAD_DOMAIN, "" },
	{ "a@☃\u2028.example", ADDRESS_BAD_DOMAIN, "" },
	/* bounds */
	{ A64 "@example.com", ADDRESS_OK, A64 "@example.com" },
	{ A64 "a@example.com", ADDRESS_TOO_LONG, "" },
	{ "\"" A64 "\"@example.com", ADDRESS_OK, A64 "@example.com" },
	{ "\" " A8 A8 A8 A8 A8 A8 A8 "aaaaaaa\"@example.com",
	    ADDRESS_TOO_LONG, "" },
	{ "a@" LABEL_63 ".example", ADDRESS_OK, "a@" LABEL_63 ".example" },
	{ "a@b" LABEL_63 ".example", ADDRESS_BAD_DOMAIN, "" },
	{ "a@" LABEL_63 "." LABEL_63 "." LABEL_63 "." LABEL_63,
	    ADDRESS_TOO_LONG, "" },
};

#define N(a) (sizeof(a) / sizeof((a)[0]))

static void
parses(void **state)
{
	struct address a;
	struct err err;

	(void)state;
	for (size_t i = 0; i < N(cases); i++) {
		const char *in = cases[i].in;
		enum address_fault fault;

		memset(&err, 0, sizeof(err));
		fault = address_parse(in, strlen(in), &a, &err);
		if (fault != cases[i].fault)
			fail_msg("%s: fault %d, not %d (%s)", in, (int)fault,
			    (int)cases[i].fault, err.text);
		assert_string_equal(a.text, cases[i].text);
		assert_int_equal(fault == ADDRESS_OK, err.text[0] == '\0');
		if (fault == ADDRESS_OK)
			assert_int_equal(a.text[a.local_len], '@');
	}
}

/* A parsed address parses to itself: comparing texts is comparing mailboxes. */
static void
is_canonical(void **state)
{
	struct address a, b;
	struct err err;

	(void)state;
	for (size_t i = 0; i < N(cases); i++) {
		if (cases[i].fault != ADDRESS_OK)
			continue;
		(void)address_parse(cases[i].in, strlen(cases[i].in), &a,
		    &err);
		assert_int_equal(
		    address_parse(a.text, strlen(a.text), &b, &err),
		    ADDRESS_OK);
		assert_string_equal(a.text, b.text);
	}
}

/* In memory of its own length, so that ASan sees a byte too far. */
static void
truncated(void **state)
{
	struct address a;
	struct err err;
	size_t used;

	(void)state;
	for (size_t i = 0; i < N(cases); i++)
		for (size_t len = 0; len <= strlen(cases[i].in); len++) {
			char *s = malloc(len + 1);

			assert_non_null(s);
			s[0] = '<';
			memcpy(s + 1, cases[i].in, len);
			(void)address_parse(s + 1, len, &a, &err);
			(void)address_parse_path(s, len + 1, &a, &used, &err);
			free(s);
		}
}

static void
nul_is_no_end(void **state)
{
	struct address a;
	struct err err;

	(void)state;
	assert_int_equal(address_parse("a\0@b.c", 6, &a, &err),
	    ADDRESS_SYNTAX);
	assert_int_equal(address_parse("a@b.c\0d", 7, &a, &err),
	    ADDRESS_BAD_DOMAIN);
	assert_int_equal(address_parse("a@日.c\0d", 9, &a, &err),
	    ADDRESS_BAD_DOMAIN);
}

static void
paths(void **state)
{
	static const struct {
		const char *in;
		enum address_fault fault;
		size_t used;
		const char *text;
	} paths[] = {
		{ "<>", ADDRESS_OK, 2, "" },
		{ "<a@b.c>", ADDRESS_OK, 7, "a@b.c" },
		{ "<a@b.c> SIZE=1", ADDRESS_OK, 7, "a@b.c" },
		{ "<\"a>b\"@b.c> X", ADDRESS_OK, 11, "\"a>b\"@b.c" },
		{ "<\"a\\\">b\"@b.c>", ADDRESS_OK, 13, "\"a\\\">b\"@b.c" },
		{ "<@r.x,@s.y:a@b.c>", ADDRESS_OK, 17, "a@b.c" },
		{ "<@r.x>", ADDRESS_SYNTAX, 6, "" },
		{ "<postmaster>", ADDRESS_NO_DOMAIN, 12, "" },
		{ "< a@b.c>", ADDRESS_SYNTAX, 8, "" },
		{ "<<a@b.c>>", ADDRESS_SYNTAX, 8, "" },
		{ "a@b.c", ADDRESS_SYNTAX, 0, "" },
		{ "<a@b.c", ADDRESS_SYNTAX, 0, "" },
		{ "<\"a@b.c>", ADDRESS_SYNTAX, 0, "" },
		{ "", ADDRESS_SYNTAX, 0, "" },
	};
	struct address a;
	struct err err;
	size_t used;

	(void)state;
	for (size_t i = 0; i < N(paths); i++) {
		enum address_fault fault = address_parse_path(paths[i].in,
		    strlen(paths[i].in), &a, &used, &err);

		if (fault != paths[i].fault || used != paths[i].used)
			fail_msg("%s: fault %d, used %zu", paths[i].in,
			    (int)fault, used);
		assert_string_equal(a.text, paths[i].text);
	}
	(void)address_parse_path("<>", 2, &a, &used, &err);
	assert_string_equal(address_domain(&a), "");
}

static void
keys(void **state)
{
	struct address a, key;
	struct err err;
	char domain[ADDRESS_DOMAIN_MAX + 1];

	(void)state;
	(void)address_parse("User@EXAMPLE.Com", 16, &a, &err);
	address_key(&a, &key);
	assert_string_equal(key.text, "User@example.com");
	assert_string_equal(address_domain(&a), "EXAMPLE.Com");
	assert_int_equal(address_domain_ascii("EXAMPLE.Com", 11, domain), 0);
	assert_string_equal(domain, "example.com");
	assert_int_equal(address_domain_ascii("例え.テスト", 16, domain), 0);
	assert_string_equal(domain, "xn--r8jz45g.xn--zckzah");
	assert_int_equal(address_domain_ascii("a b", 3, domain), -1);
	assert_int_equal(address_domain_ascii("", 0, domain), -1);
}

static void
simulator(void **state)
{
	static const struct {
		const char *in;
		bool is;
	} sims[] = {
		{ "success@simulator.amazonses.com", true },
		{ "bounce+label@Simulator.AmazonSES.com", true },
		{ "suppressionlist@simulator.amazonses.com", true },
		{ "succes@simulator.amazonses.com", false },
		{ "other@simulator.amazonses.com", false },
		{ "success@x.simulator.amazonses.com", false },
		{ "success@example.com", false },
	};
	struct address a;
	struct err err;

	(void)state;
	for (size_t i = 0; i < N(sims); i++) {
		(void)address_parse(sims[i].in, strlen(sims[i].in), &a, &err);
		assert_int_equal(address_is_simulator(&a), sims[i].is);
	}
	memset(&a, 0, sizeof(a));
	assert_false(address_is_simulator(&a));
}

static void
unquoted(void **state)
{
	char local[ADDRESS_LOCAL_MAX + 1];
	struct address a, b;
	struct err err;
	size_t len;

	(void)state;
	for (size_t i = 0; i < N(cases); i++) {
		if (address_parse(cases[i].in, strlen(cases[i].in), &a, &err) !=
		    ADDRESS_OK)
			continue;
		len = address_local(&a, local);
		assert_int_equal(len, strlen(local));
		assert_int_equal(address_make(local, len, address_domain(&a),
				     &b, &err), ADDRESS_OK);
		assert_string_equal(a.text, b.text);
		assert_int_equal(a.local_len, b.local_len);
	}
	(void)address_parse("\"a\\\"\\\\b c\"@x.example", 18, &a, &err);
	(void)address_local(&a, local);
	assert_string_equal(local, "a\"\\b c");
	assert_int_equal(address_make(A64 "a", 65, "x.example", &a, &err),
	    ADDRESS_TOO_LONG);
	assert_int_equal(address_make("a", 1, "no domain", &a, &err),
	    ADDRESS_BAD_DOMAIN);
}

static void
pasteable(void **state)
{
	static const struct {
		const char *in;
		bool is;
	} pastes[] = {
		{ "me+x=y_z.1@sub-1.example", true },
		{ "`id`@x.example", false },
		{ "\"a b\"@x.example", false },
		{ "-rf@x.example", false },
	};
	struct address a;
	struct err err;

	(void)state;
	for (size_t i = 0; i < N(pastes); i++) {
		(void)address_parse(pastes[i].in, strlen(pastes[i].in), &a,
		    &err);
		assert_string_equal(address_pasteable(&a),
		    pastes[i].is ? pastes[i].in : "ADDRESS");
	}
}

static void
written_of_none(void **state)
{
	static const struct {
		const char *in, *out;
	} writings[] = {
		{ "<山田@例え.jp>", "山田@例え.jp" },
		{ "<山田@例え.jp> SIZE=5", "山田@例え.jp" },
		{ " <a b@x.example", "a b@x.example" },
		{ "a@x.example SIZE=5", "a@x.example" },
		{ " a@x.example>", "a@x.example" },
		{ "info@日本語.jp", "info@xn--wgv71a119e.jp" },
		{ "A B <a@x.example> SIZE=5", "a@x.example" },
		{ "<@r.example,@s.example:é@x.example>", "é@x.example" },
		{ "<\"a> <b\"@[x]>", "\"a> <b\"@[x]" },
		{ "somebody else", "somebody else" },
		{ "<>", "" },
		{ "<", "" },
		{ "@:", "" },
	};
	char out[ADDRESS_WRITTEN_MAX + 1], in[2 * ADDRESS_WRITTEN_MAX];

	(void)state;
	for (size_t i = 0; i < N(writings); i++) {
		address_written(writings[i].in, out);
		assert_string_equal(out, writings[i].out);
	}
	memset(in, 'a', sizeof(in));
	memcpy(in + ADDRESS_WRITTEN_MAX - 2, "山", 4);
	address_written(in, out);
	assert_int_equal(strlen(out), ADDRESS_WRITTEN_MAX - 2);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(parses),
		cmocka_unit_test(is_canonical),
		cmocka_unit_test(truncated),
		cmocka_unit_test(nul_is_no_end),
		cmocka_unit_test(paths),
		cmocka_unit_test(keys),
		cmocka_unit_test(simulator),
		cmocka_unit_test(unquoted),
		cmocka_unit_test(pasteable),
		cmocka_unit_test(written_of_none),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
