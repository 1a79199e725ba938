/* SPDX-License-Identifier: BSD-2-Clause */
#include "config.h"

#include "tests/unit/unit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/buf.h"
#include "core/json_split.h"

/*
 * Pieces as words: a value as it is, (a fragment), !LINE:OFFSET for what is
 * broken, >LINE:OFFSET for what is too long, ~noise~.
 */
static int
note(void *arg, const struct json_piece *p)
{
	struct buf *out = arg;

	if (out->len > 0)
		buf_addc(out, ' ');
	switch (p->kind) {
	case JSON_PIECE_VALUE:
		buf_addf(out, p->fragment ? "(%.*s)" : "%.*s", (int)p->len,
		    p->data);
		break;
	case JSON_PIECE_BROKEN:
		assert_non_null(p->why);
		buf_addf(out, "!%d:%d", (int)p->line, (int)p->offset);
		break;
	case JSON_PIECE_LONG:
		buf_addf(out, ">%d:%d", (int)p->line, (int)p->offset);
		break;
	case JSON_PIECE_NOISE:
		buf_addf(out, "~%.*s~", (int)p->len, p->data);
		break;
	}
	return 0;
}

static void
assert_split(const char *input, size_t len, size_t step, size_t max,
    const char *expected)
{
	struct json_split *s = json_split_new(max);
	struct buf out;

	buf_init(&out, (size_t)4 * 1024 * 1024);
	for (size_t i = 0; i < len; i += step)
		assert_int_equal(json_split_feed(s, input + i,
				     step < len - i ? step : len - i, note,
				     &out),
		    0);
	assert_int_equal(json_split_end(s, note, &out), 0);
	assert_string_equal(out.data, expected);
	buf_free(&out);
	json_split_free(s);
}

#define MAX 60

static const struct {
	const char *input, *expected;
} cases[] = {
	{ "", "" },
	{ " \n\n", "" },
	{ "{}", "{}" },
	{ "{\"a\":1}\n{\"b\":[1,2,{\"c\":null}]}\n",
	    "{\"a\":1} {\"b\":[1,2,{\"c\":null}]}" },
	{ "{\"a\":1}{\"b\":2}", "{\"a\":1} {\"b\":2}" },
	{ "[{}, {}],{\"a\":-1.5e3}\x1e[]", "[{}, {}] {\"a\":-1.5e3} []" },
	{ "{\"a\":\"}{\\\"[\\\\\"}{}", "{\"a\":\"}{\\\"[\\\\\"} {}" },
	{ "{ \"a\" :\n\t true }", "{ \"a\" :\n\t true }" },
	{ "{\"a\":\"\\u00e9\"}", "{\"a\":\"\\u00e9\"}" },
	/* Lines of something else. */
	{ "hello\n{}\n", "~hello~ {}" },
	{ "data: {\"a\":1}\n[x y] warning\n{}", "~data: ~ {\"a\":1} !2:14 {}" },
	{ "{}\nthe end", "{} ~the end~" },
	/* Cut off: in a string, after a colon, a comma, a brace, a word. */
	{ "{\"a\":\"x\n{\"b\":2}\n", "!1:0 {\"b\":2}" },
	{ "{\"a\":\"x{\"b\":2}{\"c\":3}", "!1:0 ({\"b\":2}) {\"c\":3}" },
	{ "{\"a\":\"x {\"b\":2} \t{\"c\":3} {\"d\":4",
	    "!1:0 ({\"b\":2}) {\"c\":3} !1:25" },
	{ "{\"a\":{ {\"b\":2} {\"c\" {\"d\":4}",
	    "!1:0 ({\"b\":2}) !1:15 ({\"d\":4})" },
	{ "{\"a\":\n{\"b\":2}\n{\"c\":3}\n", "!1:0 {\"b\":2} {\"c\":3}" },
	{ "{\"a\":{\"b\":2}{\"c\":3}", "!1:0 ({\"b\":2}) {\"c\":3}" },
	{ "{\"a\":[1,\n{\"b\":2}\n{\"c\":3}\n", "!1:0 {\"b\":2} {\"c\":3}" },
	{ "{\"a\":1,\n{\"b\":2}\n", "!1:0 {\"b\":2}" },
	{ "{\"a\":1\n{\"b\":2}\n", "!1:0 {\"b\":2}" },
	{ "{\n{\"b\":2}\n", "!1:0 {\"b\":2}" },
	{ "{\"a\":{\"x\":0},\"y\n{\"b\":2}\n", "!1:0 ({\"x\":0}) {\"b\":2}" },
	{ "{\"b\":2}\n{\"a\":", "{\"b\":2} !2:8" },
	{ "{\"a\":\n{\"b\":2}\n", "!1:0 {\"b\":2}" },
	/* The front is missing: noise, named once. */
	{ "\"x\":1}}\n{\"b\":2}", "~\"x\":1}}~ {\"b\":2}" },
	/* What is left of a broken record is not named again. */
	{ "{\"a\":tru?,\"b\":{\"c\":1}, oops}\nmore\n{\"d\":1}",
	    "!1:0 ({\"c\":1}) {\"d\":1}" },
	{ "{\"a\":1]\n[1]", "!1:0 [1]" },
	{ "{\"a\":\"\\q\"}\n{}", "!1:0 {}" },
	{ "{\"a\":\"\\u12g4\"}\n{}", "!1:0 {}" },
	{ "{,}\n{\"a\" 1}\n{1:2}\n{\"a\":}\n{}",
	    "!1:0 !2:4 !3:12 !4:18 {}" },
	/* Too long: the one, not its neighbours. */
	{ "{\"a\":1}\n{\"b\":\"0123456789012345678901234567890123456789"
	  "01234567890123456789\",\"c\":{\"d\":1}}\n{\"e\":1}",
	    "{\"a\":1} >2:8 {\"e\":1}" },
	/* Too long, and broken at that. */
	{ "{\"b\":\"0123456789012345678901234567890123456789"
	  "01234567890123456789\n{\"e\":1}",
	    ">1:0 {\"e\":1}" },
};

static void
test_pieces(void **state)
{
	size_t len;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		len = strlen(cases[i].input);
		for (size_t step = 1; step <= len + 1; step++)
			assert_split(cases[i].input, len, step, MAX,
			    cases[i].expected);
	}
}

/* Whatever was cut off where, the records around it are taken. */
static void
test_every_cut(void **state)
{
	static const char first[] = "{\"a\":\"x\\n\",\"b\":[{\"c\":[1,2]},null]}";
	static const char *const between[] = { "", "\n" };
	char input[200];
	struct json_split *s;
	struct buf out;

	(void)state;
	for (size_t cut = 0; cut < sizeof(first) - 1; cut++) {
		for (size_t i = 0; i < 2; i++) {
			(void)snprintf(input, sizeof(input),
			    "{\"z\":0}\n%.*s%s{\"next\":{\"y\":1}}\n{}\n",
			    (int)cut, first, between[i]);
			s = json_split_new(1000);
			buf_init(&out, 1000);
			(void)json_split_feed(
			    s, input, strlen(input), note, &out);
			(void)json_split_end(s, note, &out);
			assert_contains(out.data, "{\"z\":0}");
			assert_contains(out.data, "{\"next\":{\"y\":1}}");
			assert_true(out.len > 2);
			assert_string_equal(out.data + out.len - 2, "{}");
			if (cut > 0)
				assert_contains(out.data, "!2:8");
			json_split_free(s);
			buf_free(&out);
		}
	}
}

static void
test_depth(void **state)
{
	char input[4 * JSON_SPLIT_DEPTH + 8], expected[sizeof(input) + 16];

	(void)state;
	for (size_t depth = JSON_SPLIT_DEPTH; depth <= JSON_SPLIT_DEPTH + 1;
	     depth++) {
		memset(input, '[', depth);
		memset(input + depth, ']', depth);
		(void)snprintf(input + 2 * depth, 4, "\n{}");
		(void)snprintf(expected, sizeof(expected), "%.*s {}",
		    depth > JSON_SPLIT_DEPTH ? 4 : (int)(2 * depth),
		    depth > JSON_SPLIT_DEPTH ? "!1:0" : input);
		assert_split(
		    input, strlen(input), 1, sizeof(input), expected);
	}
}

/* Much of nothing, in little memory and in no more than linear time. */
static void
test_hostile_bulk(void **state)
{
	static const char *const bricks[] = { "{", "[", "{\"", "{\"a\":",
		"{\"a\":{", "\"", "\\", "x", "{}", "}{" };
	enum { N = 1 << 20 };
	char *input = malloc(N);
	struct json_split *s;
	struct buf out;
	size_t len;

	(void)state;
	for (size_t b = 0; b < sizeof(bricks) / sizeof(bricks[0]); b++) {
		len = strlen(bricks[b]);
		for (size_t i = 0; i < N; i++)
			input[i] = bricks[b][i % len];
		buf_init(&out, (size_t)16 * N);
		s = json_split_new(N / 2);
		assert_int_equal(json_split_feed(s, input, N, note, &out), 0);
		assert_int_equal(
		    json_split_feed(s, "\n{\"b\":1}", 8, note, &out), 0);
		assert_int_equal(json_split_end(s, note, &out), 0);
		assert_false(out.overflow);
		if (strcmp(bricks[b], "{}") == 0)
			assert_contains(out.data, "{} {} {\"b\":1}");
		json_split_free(s);
		buf_free(&out);
	}
	free(input);
}

static int
stop(void *arg, const struct json_piece *p)
{
	unsigned *n = arg;

	(void)p;
	return ++*n == 2 ? 7 : 0;
}

static void
test_stop(void **state)
{
	struct json_split *s = json_split_new(100);
	unsigned n = 0;

	(void)state;
	assert_int_equal(json_split_feed(s, "{}{}{}", 6, stop, &n), 7);
	assert_int_equal(n, 2);
	json_split_free(s);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_pieces),
		cmocka_unit_test(test_every_cut),
		cmocka_unit_test(test_depth),
		cmocka_unit_test(test_hostile_bulk),
		cmocka_unit_test(test_stop),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
