/* SPDX-License-Identifier: BSD-2-Clause */
#include "config.h"

#include "tests/unit/unit.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/base64.h"
#include "core/buf.h"
#include "core/clock.h"
#include "core/cut.h"
#include "core/err.h"
#include "core/log.h"
#include "core/utf8.h"

static void
buf_grows(void **state)
{
	struct buf b;
	char *taken;

	(void)state;
	buf_init(&b, 1000);
	assert_string_equal(b.data, "");
	buf_addf(&b, "%d-%s", 12, "ab");
	buf_addc(&b, '/');
	buf_adds(&b, "");
	for (int i = 0; i < 100; i++)
		buf_add(&b, "xyz", 3);
	assert_int_equal(b.len, 306);
	assert_int_equal(strlen(b.data), 306);
	buf_cut(&b, 6);
	assert_string_equal(b.data, "12-ab/");
	buf_drop(&b, 3);
	assert_string_equal(b.data, "ab/");
	taken = buf_take(&b);
	assert_string_equal(taken, "ab/");
	assert_int_equal(b.len, 0);
	free(taken);
	taken = buf_take(&b);
	assert_string_equal(taken, "");
	free(taken);
	buf_free(&b);
}

static void
buf_ceiling(void **state)
{
	struct buf b;

	(void)state;
	buf_init(&b, 5);
	buf_adds(&b, "12345");
	assert_false(b.overflow);
	buf_addc(&b, '6');
	assert_true(b.overflow);
	assert_string_equal(b.data, "12345");
	buf_cut(&b, 0);
	buf_addc(&b, 'x'); /* overflow stays */
	assert_int_equal(b.len, 0);
	assert_null(buf_room(&b, 1));
	buf_reset(&b);
	assert_false(b.overflow);
	buf_addf(&b, "%s", "123456");
	assert_true(b.overflow);
	assert_int_equal(b.len, 0);
	buf_reset(&b);
	assert_null(buf_room(&b, SIZE_MAX));
	buf_free(&b);
}

static void
buf_filled_by_caller(void **state)
{
	struct buf b;

	(void)state;
	buf_init(&b, 100);
	memcpy(buf_room(&b, 10), "abc", 3);
	buf_filled(&b, 3);
	assert_string_equal(b.data, "abc");
	buf_drop(&b, 99);
	assert_int_equal(b.len, 0);
	buf_free(&b);
}

static void
utf8_forms(void **state)
{
	static const struct {
		const char *s;
		size_t n;
	} cases[] = {
		{ "a", 1 },
		{ "\xc3\xa4", 2 },
		{ "\xe2\x82\xac", 3 },
		{ "\xf0\x9f\x93\xa7", 4 },
		{ "\xf4\x8f\xbf\xbf", 4 },
		{ "\xc3", 0 },		    /* cut short */
		{ "\xe2\x82", 0 },
		{ "\xc0\xaf", 0 },	    /* overlong */
		{ "\xe0\x80\xaf", 0 },
		{ "\xf0\x80\x80\xaf", 0 },
		{ "\xed\xa0\x80", 0 },	    /* surrogate */
		{ "\xf4\x90\x80\x80", 0 },  /* past U+10FFFF */
		{ "\xf5\x80\x80\x80", 0 },
		{ "\x80", 0 },
		{ "\xc3z", 0 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		assert_int_equal(
		    utf8_char(cases[i].s, strlen(cases[i].s)), cases[i].n);
		assert_int_equal(utf8_valid(cases[i].s, strlen(cases[i].s)),
		    cases[i].n != 0);
	}
	assert_int_equal(utf8_char("", 0), 0);
	assert_int_equal(utf8_char("\0", 1), 1);
	assert_true(utf8_is_ascii("\x7f", 1));
	assert_false(utf8_is_ascii("a\x80", 2));
	assert_int_equal(utf8_printable("\n"), 0);
	assert_int_equal(utf8_printable("\x7f"), 0);
	assert_int_equal(utf8_printable("\xc2\x9b"), 0); /* CSI, one of C1 */
	assert_int_equal(utf8_printable("\xc2\xa0"), 2);
}

static void
cuts(void **state)
{
	static const struct {
		const char *text;
		size_t len, kept;
	} cases[] = {
		{ "a b", 0, 0 },
		{ "john@example.org", 6, 0 },
		{ "to john@example.org", 8, 2 },
		{ "to john@example.org now", 22, 19 },
		{ "who: John Doe <john@example.org>", 20, 3 },
		{ "a@example.org,b@example.org", 20, 13 },
		{ "a@example.org,b@example.org", 14, 13 },
		{ "to \"john doe\"@example.org", 15, 2 },
	};
	char kept[5], wider[8];

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		assert_int_equal(
		    cut_length(cases[i].text, cases[i].len), cases[i].kept);
	cut_copy(kept, sizeof(kept), "a@ex");
	assert_string_equal(kept, "a@ex");
	cut_copy(kept, sizeof(kept), "b a@ex");
	assert_string_equal(kept, "b");
	cut_copy(kept, 1, "x");
	assert_string_equal(kept, "");
	cut_printf(kept, sizeof(kept), "%s %s", "b", "c@d");
	assert_string_equal(kept, "b");
	cut_printf(kept, sizeof(kept), "%s", "c@de");
	assert_string_equal(kept, "c@de");
	assert_string_equal(cut_mark(kept, sizeof(kept), "c@de"), "c@de");
	assert_string_equal(cut_mark(kept, sizeof(kept), "c@de."), "...");
	assert_string_equal(cut_mark(wider, sizeof(wider), "b c@de.f"), "b...");
}

static void
clock_formats(void **state)
{
	const int64_t t = INT64_C(1795317732) * US_PER_SEC + 123456;
	char text[CLOCK_RFC5322_LEN];

	(void)state;
	assert_string_equal(
	    clock_rfc3339(t, text), "2026-11-22T03:22:12.123456Z");
	assert_string_equal(
	    clock_rfc5322(t, text), "Sun, 22 Nov 2026 03:22:12 +0000");
	assert_string_equal(
	    clock_rfc3339(0, text), "1970-01-01T00:00:00.000000Z");
	assert_string_equal(
	    clock_rfc5322(0, text), "Thu, 1 Jan 1970 00:00:00 +0000");
}

static void
clock_waits(void **state)
{
	pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
	pthread_cond_t cond;
	int64_t start = clock_mono_us();

	(void)state;
	assert_int_equal(clock_boot_id(), clock_boot_id());
	assert_true(clock_boot_id() >= 0);
	clock_sleep_until(start + 20 * US_PER_MS);
	assert_true(clock_mono_us() >= start + 20 * US_PER_MS);
	clock_sleep_until(start);

	clock_cond_init(&cond);
	start = clock_mono_us();
	(void)pthread_mutex_lock(&lock);
	assert_int_equal(
	    clock_cond_wait(&cond, &lock, start + 20 * US_PER_MS), -1);
	assert_true(clock_mono_us() >= start + 19 * US_PER_MS);
	assert_int_equal(clock_cond_wait(&cond, &lock, start), -1);
	(void)pthread_mutex_unlock(&lock);
	(void)pthread_cond_destroy(&cond);
}

static void
err_words(void **state)
{
	struct err err;
	char longer[2000];

	(void)state;
	assert_int_equal(err_set(&err, ERR_PROTO, "reply %d", 7), -1);
	assert_int_equal(err_context(&err, "EHLO"), -1);
	assert_int_equal(err.class, ERR_PROTO);
	assert_string_equal(err.text, "EHLO: reply 7");
	assert_int_equal(err_sys(&err, ERR_LOCAL, ENOENT, "open %s", "x"), -1);
	assert_int_equal(err.class, ERR_LOCAL);
	assert_string_equal(err.text, "open x: No such file or directory");
	memset(longer, 'x', sizeof(longer) - 1);
	longer[sizeof(longer) - 1] = '\0';
	(void)err_set(&err, ERR_LOCAL, "%s", longer);
	(void)err_context(&err, "%s", longer);
	assert_int_equal(strlen(err.text), sizeof(err.text) - 1);
}

/* What is written to stderr between begin and end. */
static struct {
	int saved, in;
} capture;

static void
capture_begin(void)
{
	int p[2];

	assert_int_equal(pipe(p), 0);
	capture.saved = dup(STDERR_FILENO);
	capture.in = p[0];
	assert_int_not_equal(dup2(p[1], STDERR_FILENO), -1);
	(void)close(p[1]);
}

static void
capture_end(char *text, size_t size)
{
	ssize_t n;

	(void)dup2(capture.saved, STDERR_FILENO);
	(void)close(capture.saved);
	n = read(capture.in, text, size - 1);
	text[n > 0 ? n : 0] = '\0';
	(void)close(capture.in);
}

static void
log_escapes(void **state)
{
	char text[8192];

	(void)state;
	capture_begin();
	log_info("42", "sent", "to", "a@example.org", "n", LOG_NUM(-3),
	    "left-out", NULL, "empty", "", "words", "two words", "forged",
	    "x\nid=1 event=\"sent\\\"", "esc", "\x1b[2J\xc2\x9b", "bytes",
	    "\xff\xc3\xa4");
	capture_end(text, sizeof(text));
	assert_string_equal(text,
	    "postern: id=42 event=sent to=a@example.org n=-3 empty=\"\" "
	    "words=\"two words\" "
	    "forged=\"x\\x0aid=1 event=\\x22sent\\x5c\\x22\" "
	    "esc=\\x1b[2J\\xc2\\x9b bytes=\\xff\xc3\xa4\n");
}

static void
log_levels(void **state)
{
	char text[256];

	(void)state;
	capture_begin();
	log_error(NULL, "a");
	log_warning(NULL, "b");
	capture_end(text, sizeof(text));
	assert_string_equal(
	    text, "postern: error: event=a\npostern: warning: event=b\n");
}

static void
log_bounded(void **state)
{
	char text[8192], value[6000];
	size_t len;

	(void)state;
	memset(value, 'v', sizeof(value) - 1);
	value[sizeof(value) - 1] = '\0';
	capture_begin();
	log_info(NULL, "long", "value", value, "after", "more");
	capture_end(text, sizeof(text));
	len = strlen(text);
	assert_true(len <= 4096);
	assert_string_equal(text + len - 4, "...\n");
	assert_ptr_equal(strchr(text, '\n'), text + len - 1);
}

/* RFC 4648 section 10. */
static void
base64_known(void **state)
{
	static const char *const t[] = { "", "Zg==", "Zm8=", "Zm9v", "Zm9vYg==",
		"Zm9vYmE=", "Zm9vYmFy" };
	unsigned char out[8];
	size_t len;

	(void)state;
	for (size_t i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		char *text = base64_text("foobar", i);

		assert_string_equal(text, t[i]);
		free(text);
		assert_int_equal(
		    base64_bytes(t[i], strlen(t[i]), out, i, &len), 0);
		assert_int_equal(len, i);
		assert_memory_equal(out, "foobar", i);
		if (i > 0)
			assert_int_equal(base64_bytes(t[i], strlen(t[i]), out,
					     i - 1, &len), -1);
	}
}

static void
base64_strict(void **state)
{
	static const char *const t[] = { "Z", "Zg", "Zg=", "Z===", "====",
		"Zh==", "Zm9=", "Zg==Zg==", "Zm8=Zm9v", "Z=9v", "=m9v", "Zm=v",
		"Zm 9v", "Zm-_", "Zg==\n", "Zm9\xff" };
	unsigned char out[16];
	size_t len;

	(void)state;
	for (size_t i = 0; i < sizeof(t) / sizeof(t[0]); i++)
		assert_int_equal(base64_bytes(t[i], strlen(t[i]), out,
				     sizeof(out), &len), -1);
	assert_int_equal(base64_bytes("Zm\0v", 4, out, 16, &len), -1);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(base64_known),
		cmocka_unit_test(base64_strict),
		cmocka_unit_test(buf_grows),
		cmocka_unit_test(buf_ceiling),
		cmocka_unit_test(buf_filled_by_caller),
		cmocka_unit_test(utf8_forms),
		cmocka_unit_test(cuts),
		cmocka_unit_test(clock_formats),
		cmocka_unit_test(clock_waits),
		cmocka_unit_test(err_words),
		cmocka_unit_test(log_escapes),
		cmocka_unit_test(log_levels),
		cmocka_unit_test(log_bounded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
