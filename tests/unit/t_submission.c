/* SPDX-License-Identifier: BSD-2-Clause */
#include "config.h"

#include "tests/unit/unit.h"

#include <string.h>

#include "milter/submission.h"

/* What becomes of whole messages is in test_milter.py. */

struct marks {
	const char *sender, *from, *message_id;
};

/* With no identities known nothing is changed. */
static void
is_marked(struct submission *s, const char *original,
    const struct marks *expected)
{
	struct submission_outcome o = { .code = 0 };
	struct origin origin = { .wall_us = 0 };
	unsigned char mark[ORIGIN_MARK_LEN];

	submission_origin(s, &o, &origin);
	assert_string_equal(origin.original, original);
	origin_mark(mark, expected->sender);
	assert_memory_equal(origin.sender, mark, sizeof(mark));
	origin_mark(mark, expected->from);
	assert_memory_equal(origin.from, mark, sizeof(mark));
	origin_mark(mark, expected->message_id);
	assert_memory_equal(origin.message_id, mark, sizeof(mark));
	submission_free(s);
}

static void
marks_what_the_gate_will_see(void **state)
{
	const struct marks all = { "a@b.example", "x@y.example,z@y.example",
		"<1@x>" }, none = { "", "", "" };
	struct submission *s;

	(void)state;
	s = submission_new("<@relay.example:a@b.example>", NULL);
	submission_field(s, "From", "X <x@y.example>,\n z@y.example");
	submission_field(s, "Message-ID", "\n <1@x>");
	submission_field(s, "message-id", "<2@x>");
	is_marked(s, "a@b.example", &all);
	is_marked(submission_new("<>", "mailer-daemon@b.example"), "", &none);
}

static void
goes_by_what_the_mta_makes_of_it(void **state)
{
	static const struct {
		const char *path, *resolved, *sender;
	} t[] = {
		{ "<a@web1>", "a@web1.example", "a@web1.example" },
		{ "<a@web1>", "<a@web1.example>", "a@web1.example" },
		{ "root", "root@x.example", "root@x.example" },
		{ "<a@web1>", "a", "a@web1" },
		{ "<a@web1>", "", "a@web1" },
		{ "<a@web1>", NULL, "a@web1" },
		{ "<\"a b\"@x.example>", "a b@x.example",
		    "\"a b\"@x.example" },
		{ "<@r.example,@s.example:a@x.example>", NULL, "a@x.example" },
		{ "<@r.example:root>", NULL, "root" },
		{ "<>", "postmaster@x.example", "" },
		{ "", NULL, "" },
	};
	struct submission *s;

	(void)state;
	for (size_t i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		s = submission_new(t[i].path, t[i].resolved);
		assert_string_equal(submission_sender(s), t[i].sender);
		submission_free(s);
	}
}

#define A60 "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"

/* A sender is named whole or not at all. */
static void
names_whom_it_refuses(void **state)
{
	static const char *const t[][2] = {
		{ A60 A60 A60 "@x.example",
		    "sender <" A60 A60 A60 "@x.example> is no address" },
		{ A60 A60 A60 A60 A60 "@x.example",
		    "sender <...> is no address" },
	};
	struct rewrite_rules rules = { .conf = NULL };
	struct submission_outcome o;
	struct submission *s;
	struct err err;

	(void)state;
	rules.verified = verified_load("", &err);
	for (size_t i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		s = submission_new(t[i][0], NULL);
		submission_judge(s, &rules, 0, &o);
		assert_int_equal(o.code, 550);
		assert_contains(o.text, t[i][1]);
		submission_outcome_free(&o);
		submission_free(s);
	}
	verified_release(rules.verified);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(marks_what_the_gate_will_see),
		cmocka_unit_test(goes_by_what_the_mta_makes_of_it),
		cmocka_unit_test(names_whom_it_refuses),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
