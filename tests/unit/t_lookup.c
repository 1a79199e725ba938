/* SPDX-License-Identifier: BSD-2-Clause */
#include "config.h"

#include "tests/unit/secrettest.h"
#include "tests/unit/unit.h"

#include <stdlib.h>
#include <string.h>

#include "core/clock.h"
#include "core/mem.h"
#include "identity/srs.h"
#include "milter/lookup.h"

#define NOW (INT64_C(20000) * 86400 * US_PER_SEC)

static void
parses_a_request(void **state)
{
	static const char text[] = "19:srs user@example.com,5:srs a,";
	struct lookup l;
	size_t used = 0;

	(void)state;
	/* Byte by byte, there is none before its last. */
	for (size_t len = 0; len < 23; len++)
		assert_int_equal(lookup_parse(text, len, &l, &used),
		    LOOKUP_MORE);
	assert_int_equal(lookup_parse(text, sizeof(text) - 1, &l, &used),
	    LOOKUP_BAD);
	/* The length was one short: a request must end where it says. */
	assert_int_equal(lookup_parse("20:srs user@example.com,5:srs a,", 32,
			     &l, &used), LOOKUP_READY);
	assert_int_equal(used, 24);
	assert_int_equal(l.name_len, 3);
	assert_memory_equal(l.name, "srs", 3);
	assert_int_equal(l.key_len, 16);
	assert_memory_equal(l.key, "user@example.com", 16);
}

static void
keeps_blanks_in_keys(void **state)
{
	struct lookup l;
	size_t used;

	(void)state;
	assert_int_equal(lookup_parse("9:srs  a b ,", 12, &l, &used),
	    LOOKUP_READY);
	assert_int_equal(l.key_len, 5);
	assert_memory_equal(l.key, " a b ", 5);
	assert_int_equal(lookup_parse("4:srs ,", 7, &l, &used), LOOKUP_READY);
	assert_int_equal(l.key_len, 0);
}

static void
refuses_what_is_no_request(void **state)
{
	static const char *const bad[] = { ":", "x", " 5:srs a,", "-1:", "+5:",
		"5;srs a,", "5:srs a;", "3:srs,", "0:,", "1001:", "99999:",
		"00005:srs a,", "4294967301:srs a,", "GET / HTTP/1.0\r\n" };
	struct lookup l;
	size_t used;

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		if (lookup_parse(bad[i], strlen(bad[i]), &l, &used) !=
		    LOOKUP_BAD)
			fail_msg("taken: %s", bad[i]);
}

/* One lookup at that rewrite.srs-domain; the reply, to be freed. */
static char *
ask_at(const char *domain, const char *name, const char *key,
    const char *keys, int64_t wall_us, char why[LOOKUP_WHY])
{
	struct lookup l = { name, strlen(name), key, strlen(key) };
	struct conf conf = { .rewrite.srs_domain = mem_strdup(domain) };
	struct secret *secret = keys != NULL ? secret_of(keys) : NULL;
	struct err err;
	struct rewrite_rules rules = { .conf = &conf, .secret = secret,
		.verified = verified_load("", &err) };
	struct buf out;

	buf_init(&out, LOOKUP_MAX);
	(void)lookup_answer(&l, &rules, wall_us, &out, why);
	secret_release(secret);
	verified_release(rules.verified);
	free(conf.rewrite.srs_domain);
	return buf_take(&out);
}

static char *
ask(const char *name, const char *key, const char *keys, int64_t wall_us,
    char why[LOOKUP_WHY])
{
	return ask_at("example.com", name, key, keys, wall_us, why);
}

static void
check(const char *name, const char *key, const char *keys, const char *reply,
    const char *reason)
{
	char why[LOOKUP_WHY], *got = ask(name, key, keys, NOW, why);

	assert_string_equal(got, reply);
	if (*reason == '\0')
		assert_string_equal(why, "");
	else
		assert_contains(why, reason);
	free(got);
}

#define KEY "a key that is long enough\n"

static void
finds_the_original(void **state)
{
	struct secret *secret = secret_of(KEY);
	struct address original, srs;
	char why[LOOKUP_WHY], *got;
	struct err err;

	(void)state;
	assert_int_equal(address_parse("Some.One@foreign.example", 24,
			     &original, &err), ADDRESS_OK);
	assert_int_equal(srs_forward(secret, &original, "example.com", NOW,
			     &srs, &err), 0);
	secret_release(secret);
	check("srs", srs.text, KEY, "27:OK Some.One@foreign.example,", "");
	check("srs", srs.text, "another key, long enough\n", "9:NOTFOUND ,",
	    "not one of ours");
	got = ask("srs", srs.text, KEY,
	    NOW + (SRS_VALID_DAYS + 2) * INT64_C(86400) * US_PER_SEC, why);
	assert_string_equal(got, "9:NOTFOUND ,");
	assert_string_not_equal(why, "");
	free(got);
	/* Without a secret nothing could be told from a forgery. */
	check("srs", srs.text, NULL, "9:NOTFOUND ,", "");
}

static void
does_not_find_others(void **state)
{
	static const char *const keys[] = { "user@example.com", "user",
		"@example.com", "example.com", "", "a b@example.com",
		"SRS0=x=y=z=w@elsewhere.example", "\"unclosed@example.com" };

	(void)state;
	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++)
		check("srs", keys[i], KEY, "9:NOTFOUND ,", "");
	check("srs", "SRS0=AAAAAA=BB=foreign.example=x@example.com", KEY,
	    "9:NOTFOUND ,", "not one of ours");
}

/* An identities file that is empty for a while costs nobody a bounce. */
static void
puts_off_without_a_domain(void **state)
{
	char why[LOOKUP_WHY], *got;

	(void)state;
	got = ask_at("", "srs", "SRS0=AAAAAA=BB=foreign.example=x@example.com",
	    KEY, NOW, why);
	assert_contains(got, ":TEMP no domain for SRS addresses");
	free(got);
	got = ask_at("", "srs", "user@example.com", KEY, NOW, why);
	assert_string_equal(got, "9:NOTFOUND ,");
	free(got);
}

static void
has_one_map(void **state)
{
	(void)state;
	check("aliases", "user@example.com", KEY,
	    "29:PERM the only map here is srs,", "");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(parses_a_request),
		cmocka_unit_test(keeps_blanks_in_keys),
		cmocka_unit_test(refuses_what_is_no_request),
		cmocka_unit_test(finds_the_original),
		cmocka_unit_test(does_not_find_others),
		cmocka_unit_test(puts_off_without_a_domain),
		cmocka_unit_test(has_one_map),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
