/* SPDX-License-Identifier: BSD-2-Clause */
#include "config.h"

#include "tests/unit/unit.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "identity/secret.h"

#define KEY_A "0123456789abcdef"
#define KEY_B "fedcba9876543210 with words"

static char file[64];

static struct secret *
load(const char *text, size_t len, mode_t mode, struct err *err)
{
	int fd = open(file, O_WRONLY | O_TRUNC);

	assert_int_not_equal(fd, -1);
	assert_int_equal(write(fd, text, len), len);
	assert_int_equal(fchmod(fd, mode), 0);
	assert_int_equal(close(fd), 0);
	return secret_load(file, err);
}

static struct secret *
load_text(const char *text, struct err *err)
{
	return load(text, strlen(text), 0640, err);
}

static int
setup(void **state)
{
	int fd;

	(void)state;
	memcpy(file, "/tmp/t_secret.XXXXXX", sizeof("/tmp/t_secret.XXXXXX"));
	fd = mkstemp(file);
	return fd == -1 ? -1 : close(fd);
}

static int
teardown(void **state)
{
	(void)state;
	return unlink(file);
}

/* Every key counts in its order, and each purpose has its own. */
static void
keys(void **state)
{
	struct err err;
	struct secret *ab, *b;

	(void)state;
	ab = load_text("# two\n\n" KEY_A " \t\r\n" KEY_B "\n#end", &err);
	assert_non_null(ab);
	b = load_text(KEY_B, &err);
	assert_non_null(b);
	assert_int_equal(secret_count(ab), 2);
	assert_int_equal(secret_count(b), 1);
	assert_memory_equal(
	    secret_srs_key(ab, 1), secret_srs_key(b, 0), CRYPTO_KEY_LEN);
	assert_memory_equal(
	    secret_origin_key(ab, 1), secret_origin_key(b, 0), CRYPTO_KEY_LEN);
	assert_memory_not_equal(
	    secret_srs_key(ab, 0), secret_srs_key(ab, 1), CRYPTO_KEY_LEN);
	assert_memory_not_equal(
	    secret_srs_key(b, 0), secret_origin_key(b, 0), CRYPTO_KEY_LEN);
	secret_release(ab);
	secret_release(b);
	secret_release(NULL);
}

/* What can't be used is refused with the place, and never quoted. */
static void
refused(void **state)
{
	static const struct {
		const char *text;
		const char *place, *words;
	} t[] = {
		{ "", "", "no key in it" },
		{ "# only\n\n  \n", "", "no key in it" },
		{ KEY_A "\nshort\n", ":2: ", "at least 16" },
		{ "0123456789abcde \n", ":1: ", "at least 16" },
	};
	char expected[100];
	struct err err;

	(void)state;
	for (size_t i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		assert_null(load_text(t[i].text, &err));
		assert_int_equal(err.class, ERR_CONFIG);
		(void)snprintf(expected, sizeof(expected), "%s%s", file,
		    t[i].place);
		assert_contains(err.text, expected);
		assert_contains(err.text, t[i].words);
		assert_null(strstr(err.text, "short"));
	}
}

static void
bounds(void **state)
{
	char text[(SECRET_KEYS_MAX + 1) * sizeof(KEY_A)], line[600];
	struct secret *s;
	struct err err;

	(void)state;
	for (size_t i = 0; i <= SECRET_KEYS_MAX; i++)
		memcpy(text + i * sizeof(KEY_A), KEY_A "\n", sizeof(KEY_A));
	s = load(text, sizeof(text) - sizeof(KEY_A), 0600, &err);
	assert_non_null(s);
	assert_int_equal(secret_count(s), SECRET_KEYS_MAX);
	secret_release(s);
	assert_null(load(text, sizeof(text), 0600, &err));
	assert_contains(err.text, "more than 16 keys");

	memset(line, 'k', sizeof(line));
	line[SECRET_KEY_MAX] = '\n';
	s = load(line, SECRET_KEY_MAX + 1, 0600, &err);
	assert_non_null(s);
	secret_release(s);
	memset(line, 'k', sizeof(line));
	assert_null(load(line, sizeof(line), 0600, &err));
	assert_contains(err.text, ":1: the line is too long");
	assert_null(load(KEY_A "\0\n" KEY_B, sizeof(KEY_A "\0\n" KEY_B) - 1,
	    0600, &err));
	assert_contains(err.text, ":1: ");
}

static void
rights(void **state)
{
	static const mode_t open_to_others[] = { 0644, 0602, 0601 };
	struct err err;

	(void)state;
	for (size_t i = 0; i < 3; i++) {
		assert_null(load(KEY_A, strlen(KEY_A), open_to_others[i],
		    &err));
		assert_int_equal(err.class, ERR_CONFIG);
		assert_contains(err.text, "chmod 640");
	}
	assert_null(secret_load("/nonexistent/secret", &err));
	assert_int_equal(err.class, ERR_LOCAL);
	assert_contains(err.text, "/nonexistent/secret");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(keys),
		cmocka_unit_test(refused),
		cmocka_unit_test(bounds),
		cmocka_unit_test(rights),
	};

	return cmocka_run_group_tests_name("secret", tests, setup, teardown);
}
