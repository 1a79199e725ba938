/* SPDX-License-Identifier: BSD-2-Clause */
#include "config.h"

#include "tests/unit/secrettest.h"
#include "tests/unit/unit.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/clock.h"
#include "identity/srs.h"

#define DAY (INT64_C(86400) * US_PER_SEC)
#define NOW (20000 * DAY + DAY / 2)
#define OURS "relay.example"

static struct secret *old_key, *both_keys, *other_key;

static int
setup(void **state)
{
	(void)state;
	old_key = secret_of("the old key of this host\n");
	both_keys = secret_of(
	    "the new key of this host\nthe old key of this host\n");
	other_key = secret_of("the key of another host\n");
	return old_key && both_keys && other_key ? 0 : -1;
}

static int
teardown(void **state)
{
	(void)state;
	secret_release(old_key);
	secret_release(both_keys);
	secret_release(other_key);
	return 0;
}

static struct address
parse(const char *text)
{
	struct address a;
	struct err err;

	if (address_parse(text, strlen(text), &a, &err) != ADDRESS_OK)
		fail_msg("<%s>: %s", text, err.text);
	return a;
}

static struct address
forward(const char *text)
{
	struct address a = parse(text), srs;
	struct err err;

	if (srs_forward(old_key, &a, OURS, NOW, &srs, &err) == -1)
		fail_msg("<%s>: %s", text, err.text);
	return srs;
}

static enum srs_result
reverse_at(const struct address *srs, int64_t wall_us, struct address *back_r)
{
	struct err err;

	return srs_reverse(old_key, srs, OURS, wall_us, back_r, &err);
}

static void
assert_reverse(const char *text, enum srs_result expected)
{
	struct address srs = parse(text), back;
	enum srs_result result = reverse_at(&srs, NOW, &back);

	if (result != expected)
		fail_msg("<%s>: %d, not %d", text, (int)result, (int)expected);
}

/*
 * The form that others read too: tag, hash, day 20000 modulo 1024 (544, which
 * is RA), domain, local part. The hash is from an implementation of its own
 * (Python's hmac).
 */
static void
form(void **state)
{
	(void)state;
	assert_string_equal(forward("User@Example.NET").text,
	    "SRS0=NDYYCV=RA=Example.NET=User@" OURS);
}

static void
hide_hash(struct address *srs)
{
	memset(srs->text + (srs->text[0] == '"') + 5, '.', SRS_HASH_LEN);
	srs->text[srs->local_len] = '\0';
}

/* What is made of originals, and what comes back where it is not the same. */
static void
back(void **state)
{
	static const struct {
		const char *original, *srs; /* srs without its hash, or NULL */
		const char *back;	    /* NULL: the original */
	} t[] = {
		{ "a@b.example", "SRS0=......=RA=b.example=a", NULL },
		{ "a+b=c@b.example", "SRS0=......=RA=b.example=a+b=c", NULL },
		{ "=@b.example", NULL, NULL },
		{ "\"a b\"@b.example", "\"SRS0=......=RA=b.example=a b\"",
		    NULL },
		{ "\"a\\\"b\\\\c@d\"@b.example", NULL, NULL },
		{ "\"a.\"@b.example", NULL, NULL },
		{ "\"\"@b.example", NULL, NULL },
		{ "SRS@b.example", "SRS0=......=RA=b.example=SRS", NULL },
		{ "SRS2=a=b@b.example", "SRS0=......=RA=b.example=SRS2=a=b",
		    NULL },
		{ "SRS0@b.example", "SRS0=......=RA=b.example=SRS0", NULL },
		/* another host's */
		{ "SRS0=HHHH=TT=o.example=u@first.example",
		    "SRS1=......=first.example==HHHH=TT=o.example=u", NULL },
		{ "SRS0+HHHH=TT=o.example=u@first.example",
		    "SRS1=......=first.example=+HHHH=TT=o.example=u", NULL },
		{ "SRS0-x@first.example", "SRS1=......=first.example=-x",
		    NULL },
		{ "srs0=HHHH=TT=o.example=u@first.example",
		    "SRS1=......=first.example==HHHH=TT=o.example=u",
		    "SRS0=HHHH=TT=o.example=u@first.example" },
		{ "\"SRS0=HHHH=TT=o.example=a b\"@first.example", NULL, NULL },
		/* a third host's, whose way back is the first's */
		{ "SRS1=HHHH=first.example==GGGG=TT=o.example=u@second.example",
		    "SRS1=......=first.example==GGGG=TT=o.example=u",
		    "SRS0=GGGG=TT=o.example=u@first.example" },
		{ "srs1+HHHH=first.example=-GG=TT=o.example=u@second.example",
		    "SRS1=......=first.example=-GG=TT=o.example=u",
		    "SRS0-GG=TT=o.example=u@first.example" },
		/* SRS1 by name only */
		{ "SRS1=x@b.example", "SRS0=......=RA=b.example=SRS1=x", NULL },
		{ "SRS1=x=y@b.example", NULL, NULL },
		{ "SRS1=x=y.example=z@b.example", NULL, NULL },
		{ "SRS1=x=!==z@b.example", NULL, NULL },
		{ "SRS1=x=y.example=@b.example", NULL, NULL },
	};
	struct address srs, shown, original;

	(void)state;
	for (size_t i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		srs = shown = forward(t[i].original);
		assert_string_equal(address_domain(&srs), OURS);
		hide_hash(&shown);
		if (t[i].srs != NULL)
			assert_string_equal(shown.text, t[i].srs);
		if (reverse_at(&srs, NOW, &original) != SRS_OK)
			fail_msg("%s can't go back", srs.text);
		assert_string_equal(original.text,
		    t[i].back != NULL ? t[i].back : t[i].original);
	}
}

static void
refused(void **state)
{
	struct address a, srs;

	(void)state;
	assert_reverse("a@" OURS, SRS_NONE);
	assert_reverse("SRS@" OURS, SRS_NONE);
	assert_reverse("SRS0@" OURS, SRS_NONE);
	assert_reverse("SRS2=AAAAAA=AA=b.example=c@" OURS, SRS_NONE);
	assert_reverse("SRS0=AAAAAA=AA=b.example=c@sub." OURS, SRS_NONE);
	assert_reverse("SRS0=@" OURS, SRS_MALFORMED);
	assert_reverse("SRS0=AAAAAA@" OURS, SRS_MALFORMED);
	assert_reverse("SRS0=AAAA=AA=b.example=c@" OURS, SRS_MALFORMED);
	assert_reverse("SRS0=AAAAAAA=AA=b.example=c@" OURS, SRS_MALFORMED);
	assert_reverse("SRS0=AAAAAA=AA=b.example=c@" OURS, SRS_FORGED);
	assert_reverse("SRS1=AAAAAA=AA=b.example=c@" OURS, SRS_FORGED);
	/* one kind is not taken for the other */
	srs = forward("a@b.example");
	srs.text[3] = '1';
	assert_int_equal(reverse_at(&srs, NOW, &a), SRS_FORGED);
	memset(&srs, 0, sizeof(srs));
	assert_int_equal(reverse_at(&srs, NOW, &a), SRS_NONE);
}

static void
domain_case(void **state)
{
	struct address srs, back;
	struct err err;

	(void)state;
	srs = forward("a@b.example");
	for (char *p = srs.text + srs.local_len; *p != '\0'; p++)
		*p = (char)toupper((unsigned char)*p);
	assert_int_equal(reverse_at(&srs, NOW, &back), SRS_OK);
	back = parse("a@b.example");
	assert_int_equal(srs_forward(old_key, &back, "B\xc3\xbc" "cher.Example",
			     NOW, &srs, &err), 0);
	assert_string_equal(address_domain(&srs), "xn--bcher-kva.example");
	assert_int_equal(srs_reverse(old_key, &srs, "b\xc3\xbc" "cher.example",
			     NOW, &back, &err), SRS_OK);
}

static void
expiry(void **state)
{
	struct address srs = forward("a@b.example"), back;

	(void)state;
	assert_int_equal(reverse_at(&srs, NOW - 2 * DAY, &back), SRS_EXPIRED);
	assert_int_equal(reverse_at(&srs, NOW - DAY, &back), SRS_OK);
	for (int64_t day = 0; day <= SRS_VALID_DAYS; day++)
		assert_int_equal(
		    reverse_at(&srs, NOW + day * DAY, &back), SRS_OK);
	for (int64_t day = SRS_VALID_DAYS + 1; day < 1023; day++)
		assert_int_equal(
		    reverse_at(&srs, NOW + day * DAY, &back), SRS_EXPIRED);
	/* SRS1 has no date: the first host's has. */
	srs = forward("SRS0=HHHH=TT=o.example=u@first.example");
	assert_int_equal(reverse_at(&srs, NOW + 500 * DAY, &back), SRS_OK);
}

/* The new key makes, the old one is still accepted, a third one is not. */
static void
rotation(void **state)
{
	struct address a = parse("a@b.example"), srs, back;
	struct err err;

	(void)state;
	assert_int_equal(
	    srs_forward(both_keys, &a, OURS, NOW, &srs, &err), 0);
	assert_int_equal(reverse_at(&srs, NOW, &back), SRS_FORGED);
	assert_int_equal(
	    srs_reverse(both_keys, &srs, OURS, NOW, &back, &err), SRS_OK);
	srs = forward("a@b.example");
	assert_int_equal(
	    srs_reverse(both_keys, &srs, OURS, NOW, &back, &err), SRS_OK);
	assert_int_equal(
	    srs_reverse(other_key, &srs, OURS, NOW, &back, &err), SRS_FORGED);
	assert_contains(err.text, "not one of ours");
}

static void
too_long(void **state)
{
	/* "SRS0=HHHHHH=DD=" has 15, "b.example=" 10. */
	struct address a, srs, back;
	char text[80];
	struct err err;

	(void)state;
	(void)snprintf(text, sizeof(text), "%.*s@b.example", 39,
	    "0123456789012345678901234567890123456789");
	srs = forward(text);
	assert_int_equal(srs.local_len, ADDRESS_LOCAL_MAX);
	assert_int_equal(reverse_at(&srs, NOW, &back), SRS_OK);
	assert_string_equal(back.text, text);
	(void)snprintf(text, sizeof(text), "%.*s@b.example", 40,
	    "0123456789012345678901234567890123456789");
	a = parse(text);
	assert_int_equal(
	    srs_forward(old_key, &a, OURS, NOW, &srs, &err), -1);
	assert_int_equal(err.class, ERR_POLICY);
	assert_contains(err.text, "longer than 64 bytes");
}

static unsigned
roll(unsigned n)
{
	return (unsigned)random() % n;
}

/* An address of up to max bytes before its @, often with what has a meaning in
 * SRS. */
static struct address
random_address(unsigned max)
{
	static const char *const words[] = { "SRS0", "SRS1", "SRS0=", "SRS1+",
		"SRS0-", "=", "+", "-", ".", "==", "b.example", "\\\"", "\\\\",
		" ", "@", "AAAAAA", "RA" };
	char text[200] = "\"";
	unsigned len = roll(max) + 1;
	struct address a;
	struct err err;
	size_t n = 1;

	while (n < len) {
		const char *word = words[roll(sizeof(words) / sizeof(words[0]))];

		if (roll(2) == 0) {
			text[n++] = (char)('a' + roll(26) - 32 * roll(2));
			continue;
		}
		memcpy(text + n, word, strlen(word));
		n += strlen(word);
	}
	(void)snprintf(text + n, sizeof(text) - n, "\"@%s", roll(2) ?
	    "b.example" : "x-1.C.Example");
	if (address_parse(text, strlen(text), &a, &err) != ADDRESS_OK)
		a.text[0] = '\0';
	return a;
}

static void
assert_survives_lower_case(struct address srs)
{
	struct address original;

	for (char *p = srs.text; *p != '\0'; p++)
		*p = (char)tolower((unsigned char)*p);
	assert_int_equal(reverse_at(&srs, NOW, &original), SRS_OK);
}

/* No character behind the tag can be another one. In quotes there are several
 * writings of one thing, which are left out here. */
static void
assert_unforgeable(struct address srs)
{
	static const char others[] = "aZ09=+-.@ !";
	struct address original;
	char was, now;

	if (srs.text[0] == '"')
		return;
	for (size_t i = 5; i < srs.local_len; i++) {
		was = srs.text[i];
		now = others[roll(sizeof(others) - 1)];
		if (tolower((unsigned char)was) == tolower((unsigned char)now))
			continue;
		srs.text[i] = now;
		if (reverse_at(&srs, NOW, &original) == SRS_OK)
			fail_msg("%s verifies", srs.text);
		srs.text[i] = was;
	}
}

static void
properties(void **state)
{
	struct address a, srs, original;
	unsigned made = 0;
	struct err err;

	(void)state;
	srandom(4);
	for (unsigned i = 0; i < 20000; i++) {
		a = random_address(40);
		if (a.text[0] == '\0' ||
		    srs_forward(old_key, &a, OURS, NOW, &srs, &err) == -1)
			continue;
		made++;
		assert_int_equal(reverse_at(&srs, NOW, &original), SRS_OK);
		if (strstr(srs.text, "SRS1") == NULL)
			assert_string_equal(original.text, a.text);
		assert_survives_lower_case(srs);
		assert_unforgeable(srs);
	}
	assert_true(made > 5000);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(form),
		cmocka_unit_test(back),
		cmocka_unit_test(refused),
		cmocka_unit_test(domain_case),
		cmocka_unit_test(expiry),
		cmocka_unit_test(rotation),
		cmocka_unit_test(too_long),
		cmocka_unit_test(properties),
	};

	return cmocka_run_group_tests_name("srs", tests, setup, teardown);
}
