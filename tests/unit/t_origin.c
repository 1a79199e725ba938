/* SPDX-License-Identifier: BSD-2-Clause */
#include "config.h"

#include "tests/unit/secrettest.h"
#include "tests/unit/unit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/clock.h"
#include "identity/origin.h"

#define DAY (INT64_C(86400) * US_PER_SEC)
#define NOW (20000 * DAY)
#define WINDOW (10 * DAY)

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

static struct origin
example(void)
{
	struct origin o = { .wall_us = NOW, .queue_id = "4XyZ1" };

	origin_text(o.original, "who@elsewhere.example");
	origin_text(o.user, "j\xc3\xbcrgen");
	origin_text(o.client, "pc.example [192.0.2.1]");
	origin_mark(o.sender, "SRS0=x@example.com");
	origin_mark(o.from, "who@example.com");
	origin_mark(o.message_id, "<1@pc.example>");
	return o;
}

static char *
seal(const struct secret *s, const struct origin *o)
{
	struct buf out;

	buf_init(&out, 8192);
	assert_int_equal(origin_seal(s, o, &out), 0);
	return buf_take(&out);
}

static enum origin_result
open_text(const struct secret *s, const char *value, struct origin *o)
{
	return origin_open(s, value, strlen(value), "9 4XyZ1 7", NOW, WINDOW,
	    o);
}

static void
assert_same(const struct origin *a, const struct origin *b)
{
	assert_int_equal(a->wall_us, b->wall_us);
	assert_string_equal(a->queue_id, b->queue_id);
	assert_string_equal(a->original, b->original);
	assert_string_equal(a->user, b->user);
	assert_string_equal(a->client, b->client);
	assert_memory_equal(a->sender, b->sender, ORIGIN_MARK_LEN);
	assert_memory_equal(a->from, b->from, ORIGIN_MARK_LEN);
	assert_memory_equal(a->message_id, b->message_id, ORIGIN_MARK_LEN);
}

static void
opens(void **state)
{
	struct origin o = example(), got;
	char *value = seal(old_key, &o), *again;

	(void)state;
	assert_int_equal(open_text(old_key, value, &got), ORIGIN_OK);
	assert_same(&o, &got);
	assert_int_equal(open_text(both_keys, value, &got), ORIGIN_OK);
	assert_int_equal(open_text(other_key, value, &got), ORIGIN_FORGED);
	/* each sealing has a nonce of its own */
	again = seal(old_key, &o);
	assert_string_not_equal(value, again);
	free(again);
	free(value);
}

/* The largest there can be, and the smallest. */
static void
sizes(void **state)
{
	struct origin o = example(), got;
	char text[2 * ORIGIN_TEXT_MAX], *value;

	(void)state;
	memset(text, 'x', sizeof(text));
	text[sizeof(text) - 1] = '\0';
	origin_text(o.original, text);
	origin_text(o.user, text);
	origin_text(o.client, text);
	memset(o.queue_id, 'q', ORIGIN_QUEUE_ID_MAX);
	o.queue_id[ORIGIN_QUEUE_ID_MAX] = '\0';
	value = seal(old_key, &o);
	assert_int_equal(origin_open(old_key, value, strlen(value), o.queue_id,
			     NOW, WINDOW, &got), ORIGIN_OK);
	assert_same(&o, &got);
	for (char *line = strtok(value, "\n"); line != NULL;
	     line = strtok(NULL, "\n"))
		assert_true(strlen(line) < 80);
	free(value);
	memset(&o, 0, sizeof(o));
	o.queue_id[0] = 'q';
	value = seal(old_key, &o);
	assert_int_equal(origin_open(old_key, value, strlen(value), "q", 0,
			     WINDOW, &got), ORIGIN_OK);
	assert_same(&o, &got);
	free(value);
}

/* Mail servers fold and unfold as they like. */
static void
folding(void **state)
{
	struct origin o = example(), got;
	char *value = seal(old_key, &o);
	struct buf folded, flat;

	(void)state;
	buf_init(&folded, 16384);
	buf_init(&flat, 16384);
	for (const char *p = value; *p != '\0'; p++) {
		if (*p == '\n' || *p == ' ')
			continue;
		buf_addf(&folded, "%c\r\n\t ", *p);
		buf_addc(&flat, *p);
	}
	assert_int_equal(open_text(old_key, folded.data, &got), ORIGIN_OK);
	assert_int_equal(open_text(old_key, flat.data, &got), ORIGIN_OK);
	assert_same(&o, &got);
	buf_free(&folded);
	buf_free(&flat);
	free(value);
}

/* One character changed anywhere, or the end cut off. */
static void
tampered(void **state)
{
	struct origin o = example(), got;
	char *value = seal(old_key, &o), was;
	enum origin_result result;

	(void)state;
	for (size_t i = 0; i < strlen(value); i++) {
		if (value[i] == ' ' || value[i] == '\n')
			continue;
		was = value[i];
		value[i] = was == 'A' ? 'B' : 'A';
		result = open_text(old_key, value, &got);
		assert_true(result == ORIGIN_MALFORMED ||
		    result == ORIGIN_FORGED);
		value[i] = was;
	}
	for (size_t len = 0; len < strlen(value); len++) {
		result = origin_open(old_key, value, len, "4XyZ1", NOW, WINDOW,
		    &got);
		assert_true(result == ORIGIN_MALFORMED ||
		    result == ORIGIN_FORGED);
	}
	free(value);
}

static void
malformed(void **state)
{
	static const char *const t[] = { "", "v=1", "v=1; q=; s=AAAA",
		"v=1; q=4XyZ1; s=", "v=1; q=4XyZ1; s=AAAA",
		"v=2; q=4XyZ1; s=AAAA", "q=4XyZ1; v=1; s=AAAA",
		"v=1; q=4<Z1; s=AAAA",
		"v=1; q=4XyZ1; t=1; s="
		"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
		"v=1; q=4XyZ1; s="
		"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
		"v=1; q=4XyZ1; s="
		"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA; x=1",
		"v=1; q="
		"1234567890123456789012345678901234567890123456789012345678901"
		"2345; s=AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA" };
	char big[16384];
	struct origin got;

	(void)state;
	for (size_t i = 0; i < sizeof(t) / sizeof(t[0]); i++)
		assert_int_equal(
		    open_text(old_key, t[i], &got), ORIGIN_MALFORMED);
	assert_int_equal(open_text(old_key, "v=1; q=4XyZ1; s="
	    "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", &got),
	    ORIGIN_FORGED);
	memset(big, 'A', sizeof(big));
	memcpy(big, "v=1;q=4XyZ1;s=", 14);
	assert_int_equal(origin_open(old_key, big, sizeof(big), "4XyZ1", NOW,
			     WINDOW, &got), ORIGIN_MALFORMED);
}

static void
replayed(void **state)
{
	static const char *const others[] = { "", "4XyZ", "4XyZ12 x4XyZ1",
		"4xyz1" };
	struct origin o = example(), got;
	char *value = seal(old_key, &o);

	(void)state;
	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++)
		assert_int_equal(origin_open(old_key, value, strlen(value),
				     others[i], NOW, WINDOW, &got),
		    ORIGIN_REPLAYED);
	assert_string_equal(got.user, o.user);
	free(value);
}

static void
stale(void **state)
{
	static const struct {
		int64_t at;
		enum origin_result result;
	} t[] = { { NOW, ORIGIN_OK }, { NOW + WINDOW, ORIGIN_OK },
		{ NOW + WINDOW + 1, ORIGIN_STALE }, { NOW - DAY, ORIGIN_OK },
		{ NOW - DAY - 1, ORIGIN_STALE } };
	struct origin o = example(), got;
	char *value = seal(old_key, &o);

	(void)state;
	for (size_t i = 0; i < sizeof(t) / sizeof(t[0]); i++)
		assert_int_equal(origin_open(old_key, value, strlen(value),
				     "4XyZ1", t[i].at, WINDOW, &got),
		    t[i].result);
	free(value);
}

static void
no_queue_id(void **state)
{
	static const char *const t[] = { "", "a b", "a;b", "a\n" };
	struct origin o = example();
	struct buf out;

	(void)state;
	buf_init(&out, 8192);
	for (size_t i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		(void)snprintf(o.queue_id, sizeof(o.queue_id), "%s", t[i]);
		assert_int_equal(origin_seal(old_key, &o, &out), -1);
	}
	assert_int_equal(out.len, 0);
	buf_free(&out);
}

static void
texts(void **state)
{
	char to[ORIGIN_TEXT_MAX + 1], text[ORIGIN_TEXT_MAX + 3];

	(void)state;
	origin_text(to, "a\r\nb\xff" "c\xc3\xbc");
	assert_string_equal(to, "a??b?c\xc3\xbc");
	memset(text, 'x', sizeof(text));
	text[ORIGIN_TEXT_MAX] = '\0';
	origin_text(to, text);
	assert_string_equal(to, text);
	text[ORIGIN_TEXT_MAX] = 'x';
	text[ORIGIN_TEXT_MAX + 1] = '\0';
	origin_text(to, text);
	assert_int_equal(strlen(to), ORIGIN_TEXT_MAX);
	assert_string_equal(to + ORIGIN_TEXT_MAX - 4, "x...");
	/* no character is cut in two */
	memcpy(text + ORIGIN_TEXT_MAX - 4, "\xc3\xbc", 2);
	origin_text(to, text);
	assert_string_equal(to + ORIGIN_TEXT_MAX - 5, "x...");
}

static void
marks(void **state)
{
	unsigned char a[ORIGIN_MARK_LEN], b[ORIGIN_MARK_LEN];

	(void)state;
	origin_mark(a, "Who@Example.COM");
	origin_mark(b, " \twho@example.com ");
	assert_memory_equal(a, b, sizeof(a));
	origin_mark(b, "who@example.org");
	assert_memory_not_equal(a, b, sizeof(a));
	origin_mark(b, "");
	assert_memory_not_equal(a, b, sizeof(a));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(opens),
		cmocka_unit_test(sizes),
		cmocka_unit_test(folding),
		cmocka_unit_test(tampered),
		cmocka_unit_test(malformed),
		cmocka_unit_test(replayed),
		cmocka_unit_test(stale),
		cmocka_unit_test(no_queue_id),
		cmocka_unit_test(texts),
		cmocka_unit_test(marks),
	};

	return cmocka_run_group_tests_name("origin", tests, setup, teardown);
}
