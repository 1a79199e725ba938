/* SPDX-License-Identifier: BSD-2-Clause */
#include "config.h"

#include "tests/unit/storetest.h"

#include "core/json.h"
#include "store/chain.h"
#include "store/journal/attime.h"

/* Computed by the verifier in schema/README. */
static void
vector(void **state)
{
	static const unsigned char id[16] = { 1, 2, 3, 4, 5, 6, 7, 8, 9, 10,
		11, 12, 13, 14, 15, 16 };
	struct chain_row row = { .seq = 1,
		.at = 1790000000000000,
		.boot = 7,
		.mono = 123456789,
		.n = 3,
		.event = "sent",
		.event_len = 4,
		.message = id,
		.message_len = 16,
		.detail = "{\"attempt\":1}",
		.detail_len = 13 };
	unsigned char chain[CHAIN_LEN] = { 0 }, parsed[CHAIN_LEN];
	char text[CHAIN_TEXT_LEN];
	struct buf scratch;

	(void)state;
	buf_init(&scratch, 4096);
	chain_next(chain, &row, &scratch, chain);
	assert_string_equal(chain_text(chain, text),
	    "e28204089a55e45967c4113501f0d18f"
	    "f94c69ce1ee852b0d5a499c31730d33f");
	row.seq = 2;
	row.message_len = 0;
	row.n = 0;
	chain_next(chain, &row, &scratch, chain);
	assert_string_equal(chain_text(chain, text),
	    "52ba23955b10a40d070ca93b088eae95"
	    "3c9999cfd02d2b50497abb7dfa6e5343");
	assert_int_equal(chain_parse(text, parsed), 0);
	assert_memory_equal(parsed, chain, CHAIN_LEN);
	text[3] = 'g';
	assert_int_equal(chain_parse(text, parsed), -1);
	assert_int_equal(chain_parse("00", parsed), -1);
	buf_free(&scratch);
}

static void
uuids(void **state)
{
	struct uuid last = uuid_new(), u, parsed;
	char text[UUID_TEXT_LEN];

	(void)state;
	for (int i = 0; i < 100000; i++) {
		u = uuid_new();
		assert_true(memcmp(last.bytes, u.bytes, UUID_LEN) < 0);
		last = u;
	}
	(void)uuid_text(&u, text);
	assert_int_equal(text[14], '7');
	assert_non_null(strchr("89ab", text[19]));
	assert_int_equal(uuid_parse(text, &parsed), 0);
	assert_memory_equal(parsed.bytes, u.bytes, UUID_LEN);
	text[8] = '0';
	assert_int_equal(uuid_parse(text, &parsed), -1);
	assert_int_equal(uuid_parse("", &parsed), -1);
}

#define S US_PER_SEC

/* `at` follows the wall clock forwards and never back. */
static void
time_goes_on(void **state)
{
	struct attime t;
	int64_t step;

	(void)state;
	assert_int_equal(attime_start(&t, 0, 1000 * S, 10 * S), 0);
	assert_int_equal(attime_next(&t, 1001 * S, 11 * S, &step), 1001 * S);
	assert_int_equal(step, 0);
	/* An hour back: noticed once, and half the pace. */
	assert_int_equal(
	    attime_next(&t, 1002 * S - 3600 * S, 12 * S, &step),
	    1001 * S + S / 2);
	assert_int_equal(step, -3600 * S);
	assert_int_equal(
	    attime_next(&t, 1004 * S - 3600 * S, 14 * S, &step),
	    1002 * S + S / 2);
	assert_int_equal(step, 0);
	/* Two hours on, it has caught up. */
	assert_int_equal(attime_next(&t, 1004 * S + 3700 * S, 14 * S + 7300 * S,
			     &step),
	    1004 * S + 3700 * S);
	assert_int_equal(step, 0);
	/* An hour forwards. */
	(void)attime_next(&t, 1004 * S + 7300 * S, 14 * S + 7300 * S, &step);
	assert_int_equal(step, 3600 * S);
	/* After a boot with the clock behind. */
	assert_int_equal(attime_start(&t, 5000 * S, 4000 * S, S), 1000 * S);
	assert_int_equal(attime_next(&t, 4002 * S, 3 * S, &step), 5001 * S);
	assert_int_equal(step, 0);
}

static void
json(void **state)
{
	struct buf b, value;
	struct err err;
	int64_t n;

	(void)state;
	buf_init(&b, 4096);
	buf_init(&value, 100);
	json_open(&b, '{');
	json_add_string(&b, "a", "q\"\\\n\x01\xff\xc3\xa9");
	json_add_string(&b, "none", NULL);
	json_add_int(&b, "n", -5);
	json_key(&b, "list");
	json_open(&b, '[');
	json_int(&b, 1);
	json_null(&b);
	json_open(&b, '{');
	json_close(&b, '}');
	json_close(&b, ']');
	json_add_bool(&b, "yes", true);
	json_close(&b, '}');
	assert_string_equal(b.data,
	    "{\"a\":\"q\\\"\\\\\\n\\u0001\xef\xbf\xbd\xc3\xa9\",\"n\":-5,"
	    "\"list\":[1,null,{}],\"yes\":true}");
	assert_int_equal(json_get_string(b.data, "a", &value, &err), 1);
	assert_string_equal(value.data, "q\"\\\n\x01\xef\xbf\xbd\xc3\xa9");
	assert_int_equal(json_get_int(b.data, "n", &n, &err), 1);
	assert_int_equal(n, -5);
	assert_int_equal(json_get_int(b.data, "m", &n, &err), 0);
	assert_int_equal(json_get_int(b.data, "a", &n, &err), -1);
	for (size_t len = 0; len < b.len; len++) {
		char *cut = strndup(b.data, len);

		assert_int_equal(json_get_string(cut, "x", &value, &err), -1);
		free(cut);
	}
	assert_int_equal(json_get_string("{\"a\":\"\\ud83d\\ude00\"}", "a",
			     &value, &err),
	    1);
	assert_string_equal(value.data, "\xf0\x9f\x98\x80");
	assert_int_equal(
	    json_get_string("{\"a\":\"\\u0000\"}", "a", &value, &err), -1);
	buf_free(&b);
	buf_free(&value);
}

/* Elements one after the other, and an end with each way to be broken. */
static void
json_array(void **state)
{
	static const char *const broken[] = { "", "{}", "[", "[1", "[1,", "[1,]",
		"[1 2]", "[,1]" };
	const char *at = " [ {\"a\":[1]} ,\"x\"] ";
	enum json_type type;
	struct buf value;
	struct err err;
	int rc;

	(void)state;
	buf_init(&value, 100);
	assert_int_equal(json_next(&at, &type, &value, &err), 1);
	assert_int_equal(type, JSON_NESTED);
	assert_string_equal(value.data, "{\"a\":[1]}");
	assert_int_equal(json_next(&at, &type, &value, &err), 1);
	assert_int_equal(type, JSON_STRING);
	assert_string_equal(value.data, "x");
	assert_int_equal(json_next(&at, &type, &value, &err), 0);
	at = "[ ]";
	assert_int_equal(json_next(&at, &type, &value, &err), 0);
	for (size_t i = 0; i < sizeof(broken) / sizeof(broken[0]); i++) {
		at = broken[i];
		while ((rc = json_next(&at, &type, &value, &err)) == 1)
			;
		assert_int_equal(rc, -1);
	}
	buf_free(&value);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(vector),
		cmocka_unit_test(uuids),
		cmocka_unit_test(time_goes_on),
		cmocka_unit_test(json),
		cmocka_unit_test(json_array),
	};

	return cmocka_run_group_tests_name("chain", tests, NULL, NULL);
}
