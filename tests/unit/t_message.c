/* SPDX-License-Identifier: BSD-2-Clause */
#include "config.h"

#include "tests/unit/unit.h"

#include <dirent.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "core/buf.h"
#include "core/message.h"

static char dir[] = "/tmp/t_message-XXXXXX";

/*
 * Feed input in pieces of at most `step` bytes, each in memory of its own,
 * until the end; how many bytes that took.
 */
static struct message *
feed(const char *in, size_t len, size_t step, size_t *taken_r)
{
	struct message *m = message_new(dir, "a@example.com");
	size_t off = 0, n, used;
	struct err err;
	int rc = 0;

	while (rc == 0 && off < len) {
		char *piece;

		n = len - off < step ? len - off : step;
		piece = malloc(n);
		assert_non_null(piece);
		memcpy(piece, in + off, n);
		rc = message_feed(m, piece, n, &used, &err);
		assert_true(rc != -1);
		assert_true(used <= n);
		assert_true(rc == 1 || used == n);
		off += used;
		free(piece);
	}
	*taken_r = rc == 1 ? off : 0;
	return m;
}

static void
stored(const struct message *m, struct buf *out)
{
	static char scratch[MESSAGE_CHUNK];
	const char *data;
	struct err err;
	size_t len;

	buf_reset(out);
	while (message_read(m, out->len, scratch, &data, &len, &err) == 1)
		buf_add(out, data, len);
}

static const struct {
	const char *in;
	size_t taken; /* 0: no end in it */
	const char *out;
	unsigned bare;
	size_t size;
} cases[] = {
	{ ".\r\n", 3, "", 0, 0 },
	{ "\r\n.\r\n", 5, "\r\n", 0, 2 },
	{ "a\r\n.\r\nQUIT\r\n", 6, "a\r\n", 0, 3 },
	/* stuffing stays as it is */
	{ "..\r\n.\r\n", 7, "..\r\n", 0, 3 },
	{ "...a\r\n.\r\n", 9, "...a\r\n", 0, 5 },
	{ ".a\r\n.\r\n", 7, ".a\r\n", 0, 3 },
	/* only CRLF.CRLF ends */
	{ "a\n.\nb\r\n.\r\n", 10, "a\r\n..\r\nb\r\n", 2, 9 },
	{ "a\n.\r\nb\r\n.\r\n", 11, "a\r\n..\r\nb\r\n", 1, 9 },
	{ "a\r\n.\nb\r\n.\r\n", 11, "a\r\n\r\nb\r\n", 1, 8 },
	{ "a\r.\rb\r\n.\r\n", 10, "a.b\r\n", 2, 5 },
	{ "a\r\n.\rb\r\n.\r\n", 11, "a\r\nb\r\n", 1, 6 },
	{ "a\r\n.\r\r\nb\r\n.\r\n", 13, "a\r\n\r\nb\r\n", 1, 8 },
	{ "a\r\r\n.\r\n", 7, "a\r\n", 1, 3 },
	{ "a\r\r\r\n.\r\n", 8, "a\r\n", 2, 3 },
	{ "a\n\r.\r\nb\r\n.\r\n", 12, "a\r\n..\r\nb\r\n", 2, 9 },
	{ "a\r\n\r.\r\nb\r\n.\r\n", 13, "a\r\n..\r\nb\r\n", 1, 9 },
	{ "a\r\n\r\r.\r\nb\r\n.\r\n", 14, "a\r\n..\r\nb\r\n", 2, 9 },
	{ "a\r\n.\r.\r\nb\r\n.\r\n", 14, "a\r\n..\r\nb\r\n", 1, 9 },
	{ "a\r\n.\n.\r\nb\r\n.\r\n", 14, "a\r\n\r\n..\r\nb\r\n", 1, 11 },
	{ "a\r\n.\r\n.\r\n", 6, "a\r\n", 0, 3 },
	{ "\r.\r\n.\r\n", 7, "..\r\n", 1, 3 },
	{ "\n.\r\n.\r\n", 7, "\r\n..\r\n", 1, 5 },
	{ "\r\r\n.\r\n", 6, "\r\n", 1, 2 },
	{ "\n\n\r\n.\r\n", 7, "\r\n\r\n\r\n", 2, 6 },
	{ ".\n.\n.\r\n.\r\n", 10, "\r\n..\r\n..\r\n", 2, 8 },
	/* no end */
	{ "a\r\n.", 0, NULL, 0, 0 },
	{ "a\r\n.\r", 0, NULL, 0, 0 },
	{ "a\n.\n", 0, NULL, 0, 0 },
	{ "a\r.\r", 0, NULL, 0, 0 },
	{ "a.\r\n", 0, NULL, 0, 0 },
	{ "a\r\n.\n\r\n", 0, NULL, 0, 0 },
	/* NULs, written as @: whoever passes over them must see no end. */
	{ "@\r\n@a@b@\r\n.\r\n", 13, "\r\nab\r\n", 0, 6 },
	{ "a\r\n@.\r\nb\r\n.\r\n", 13, "a\r\n..\r\nb\r\n", 0, 9 },
	{ "a\r\n.@\r\nb\r\n.\r\n", 13, "a\r\n\r\nb\r\n", 0, 8 },
	{ "a\r\n.@.\r\nb\r\n.\r\n", 14, "a\r\n..\r\nb\r\n", 0, 9 },
	{ "a\r@\n.\r\nb\r\n.\r\n", 13, "a\r\n..\r\nb\r\n", 2, 9 },
	{ "a\r\n.\r@\nb\r\n.\r\n", 13, "a\r\n\r\nb\r\n", 2, 8 },
	{ "a\r\n.\r\n@", 6, "a\r\n", 0, 3 },
};

#define N(a) (sizeof(a) / sizeof((a)[0]))

static void
mends(void **state)
{
	struct message *m;
	struct buf out;
	struct err err;
	size_t taken;

	(void)state;
	buf_init(&out, 1000);
	for (size_t i = 0; i < N(cases); i++) {
		size_t len = strlen(cases[i].in);
		char in[40];

		memcpy(in, cases[i].in, len);
		for (size_t j = 0; j < len; j++)
			if (in[j] == '@')
				in[j] = '\0';
		for (size_t step = 1; step <= len; step++) {
			m = feed(in, len, step, &taken);
			if (taken != cases[i].taken)
				fail_msg("case %zu took %zu", i, taken);
			if (taken > 0) {
				assert_int_equal(message_end(m, &err), 0);
				stored(m, &out);
				if (strcmp(out.data, cases[i].out) != 0)
					fail_msg("case %zu: %s", i, out.data);
				assert_int_equal(message_bare(m),
				    cases[i].bare);
				assert_int_equal(message_size(m),
				    cases[i].size);
			}
			message_release(m);
		}
	}
	buf_free(&out);
}

/* What the file comment of message.c promises. */
static void
check_invariants(const struct buf *b)
{
	assert_null(memchr(b->data, '\0', b->len));
	for (size_t i = 0; i < b->len; i++) {
		if (b->data[i] == '\r')
			assert_int_equal(b->data[i + 1], '\n');
		if (b->data[i] != '\n')
			continue;
		assert_true(i > 0 && b->data[i - 1] == '\r');
		assert_false(strncmp(b->data + i, "\n.\r", 3) == 0);
	}
	assert_false(strncmp(b->data, ".\r", 2) == 0);
	assert_true(b->len == 0 || b->data[b->len - 1] == '\n');
}

/* Every string of seven of these bytes, whole and byte by byte. */
static void
every_mixture(void **state)
{
	static const char alphabet[] = { '\r', '\n', '.', 'x', '\0' };
	char in[7 + 5];
	struct message *m;
	struct buf whole, bytes;
	struct err err;
	unsigned rest;
	size_t taken;

	(void)state;
	buf_init(&whole, 100);
	buf_init(&bytes, 100);
	for (unsigned n = 0; n < 5 * 5 * 5 * 5 * 5 * 5 * 5; n++) {
		rest = n;
		for (unsigned i = 0; i < 7; i++, rest /= 5)
			in[i] = alphabet[rest % 5];
		memcpy(in + 7, "\r\n.\r\n", 5);
		m = feed(in, sizeof(in), sizeof(in), &taken);
		assert_true(taken > 0);
		assert_int_equal(message_end(m, &err), 0);
		stored(m, &whole);
		message_release(m);
		check_invariants(&whole);
		m = feed(in, sizeof(in), 1, &taken);
		assert_int_equal(message_end(m, &err), 0);
		stored(m, &bytes);
		message_release(m);
		assert_string_equal(whole.data, bytes.data);
	}
	buf_free(&whole);
	buf_free(&bytes);
}

static void
header_is_unstuffed(void **state)
{
	static const struct {
		const char *in;
		const char *header;
		size_t body_off;
	} heads[] = {
		{ "A: b\r\n\r\nbody\r\n", "A: b\r\n\r\n", 8 },
		{ "\r\nA: b\r\n\r\n", "\r\n", 2 },
		{ "A: b\r\n", "A: b\r\n", 6 },
		{ "", "", 0 },
		{ "..X: a\r\nB: c\r\n\r\n..\r\n", ".X: a\r\nB: c\r\n\r\n", 16 },
		{ "A: b\r\n.From: x\r\n\r\n", "A: b\r\nFrom: x\r\n\r\n", 18 },
	};
	struct message *m;
	const char *head;
	size_t taken, len, used;
	struct err err;

	(void)state;
	for (size_t i = 0; i < N(heads); i++) {
		m = feed(heads[i].in, strlen(heads[i].in), 3, &taken);
		assert_int_equal(message_feed(m, ".\r\n", 3, &used, &err), 1);
		assert_int_equal(message_end(m, &err), 0);
		head = message_header(m, &len);
		assert_int_equal(len, strlen(heads[i].header));
		assert_memory_equal(head, heads[i].header, len);
		assert_int_equal(message_body_off(m), heads[i].body_off);
		message_release(m);
	}
}

static void
feed_lines(struct message *m, const char *line, size_t n)
{
	struct err err;
	size_t used;

	for (size_t i = 0; i < n; i++) {
		assert_int_equal(
		    message_feed(m, line, strlen(line), &used, &err), 0);
		assert_int_equal(used, strlen(line));
	}
}

static void
header_has_a_bound(void **state)
{
	struct message *m;
	size_t used, len;
	struct err err;

	(void)state;
	for (int small = 0; small <= 1; small++) {
		m = message_new(dir, "");
		feed_lines(m, "X-Long: 0123456789012345678901234567890\r\n",
		    small ? 6000 : 8000);
		feed_lines(m, "\r\n..\r\nbody\r\n", 200000);
		assert_int_equal(message_feed(m, ".\r\n", 3, &used, &err), 1);
		assert_int_equal(message_end(m, &err), 0);
		if (small) {
			assert_non_null(message_header(m, &len));
			assert_int_equal(len, 6000 * 41 + 2);
		} else {
			assert_null(message_header(m, &len));
		}
		message_release(m);
	}
}

static size_t
files_in_dir(void)
{
	DIR *d = opendir(dir);
	struct dirent *e;
	size_t n = 0;

	assert_non_null(d);
	while ((e = readdir(d)) != NULL)
		n += strcmp(e->d_name, ".") != 0 &&
		    strcmp(e->d_name, "..") != 0;
	(void)closedir(d);
	return n;
}

/* The same content through memory and through a file is the same to readers. */
static void
large_goes_to_a_file(void **state)
{
	static const size_t lines[] = { 10, 20164, 20165, 20166, 100000 };
	unsigned char digest[SHA256_LEN], again[SHA256_LEN];
	struct buf out, want;
	struct message *m;
	size_t used;
	struct err err;

	(void)state;
	buf_init(&out, 10 * 1024 * 1024);
	buf_init(&want, 10 * 1024 * 1024);
	for (size_t i = 0; i < N(lines); i++) {
		buf_reset(&want);
		m = message_new(dir, "s");
		feed_lines(m, "Subject: a line of 52 bytes, \xe6\x97\xa5 and more, "
			      "CRLF\r\n", lines[i]);
		for (size_t j = 0; j < lines[i]; j++)
			buf_adds(&want, "Subject: a line of 52 bytes, \xe6\x97"
					"\xa5 and more, CRLF\r\n");
		assert_int_equal(message_feed(m, ".\r\n", 3, &used, &err), 1);
		assert_int_equal(message_end(m, &err), 0);
		assert_int_equal(files_in_dir(), 0);
		stored(m, &out);
		assert_int_equal(out.len, want.len);
		assert_memory_equal(out.data, want.data, want.len);
		assert_true(message_8bit(m));
		message_digest(m, digest);
		buf_reset(&out);
		buf_add(&out, "s", 2);
		buf_add(&out, want.data, want.len);
		crypto_sha256(out.data, out.len, again);
		assert_memory_equal(digest, again, SHA256_LEN);
		message_release(message_hold(m));
		message_release(m);
	}
	buf_free(&out);
	buf_free(&want);
}

static void
digest_knows_the_salt(void **state)
{
	unsigned char a[SHA256_LEN], b[SHA256_LEN];
	struct message *m;
	size_t used;
	struct err err;

	(void)state;
	for (int i = 0; i < 2; i++) {
		m = message_new("/nowhere", i == 0 ? "a" : "ab");
		(void)message_feed(m, i == 0 ? "bc\r\n.\r\n" : "c\r\n.\r\n",
		    i == 0 ? 7 : 6, &used, &err);
		assert_int_equal(message_end(m, &err), 0);
		assert_false(message_8bit(m));
		message_digest(m, i == 0 ? a : b);
		message_release(m);
	}
	assert_memory_not_equal(a, b, SHA256_LEN);
}

/* The end is found although nothing can be kept. */
static void
survives_failure(void **state)
{
	static char line[8192];
	struct message *m = message_new("/nowhere", "");
	unsigned failures = 0;
	struct err err;
	size_t used;
	int rc;

	(void)state;
	memset(line, 'x', sizeof(line));
	memcpy(line + sizeof(line) - 2, "\r\n", 2);
	for (int i = 0; i < 300; i++) {
		for (size_t off = 0; off < sizeof(line); off += used) {
			rc = message_feed(m, line + off, sizeof(line) - off,
			    &used, &err);
			assert_true(rc == 0 || rc == -1);
			failures += rc == -1;
		}
	}
	assert_int_equal(failures, 1);
	assert_int_equal(err.class, ERR_LOCAL);
	assert_contains(err.text, "/nowhere");
	assert_int_equal(message_size(m), 300 * sizeof(line));
	assert_int_equal(message_feed(m, ".\r\nx", 4, &used, &err), 1);
	assert_int_equal(used, 3);
	memset(&err, 0, sizeof(err));
	assert_int_equal(message_end(m, &err), -1);
	assert_contains(err.text, "/nowhere");
	message_release(m);
}

static void
full_disk_is_known(void **state)
{
	struct rlimit limit, old;
	struct message *m = message_new(dir, "");
	static char line[64 * 1024];
	struct err err;
	size_t used;
	int rc = 0;

	(void)state;
	memset(line, 'x', sizeof(line));
	(void)signal(SIGXFSZ, SIG_IGN);
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &old), 0);
	limit = old;
	limit.rlim_cur = 1024 * 1024 + 5000;
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
	for (int i = 0; i < 64 && rc == 0; i++)
		rc = message_feed(m, line, sizeof(line), &used, &err);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &old), 0);
	assert_int_equal(rc, -1);
	assert_int_equal(err.class, ERR_FULL);
	assert_int_equal(message_feed(m, "\r\n.\r\n", 5, &used, &err), 1);
	message_release(m);
}

static void
discarded(void **state)
{
	struct message *m = message_new(dir, "");
	struct err err;
	size_t used;

	(void)state;
	feed_lines(m, "a line\r\n", 200000);
	message_discard(m);
	feed_lines(m, "a line\r\n", 200000);
	assert_int_equal(message_size(m), 400000 * 8);
	assert_int_equal(message_feed(m, ".\r\n", 3, &used, &err), 1);
	assert_int_equal(message_end(m, &err), -1);
	assert_int_equal(err.class, ERR_FULL);
	message_release(m);
	message_release(NULL);
}

static int
make_dir(void **state)
{
	(void)state;
	return mkdtemp(dir) == NULL ? -1 : 0;
}

static int
remove_dir(void **state)
{
	(void)state;
	return rmdir(dir);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(mends),
		cmocka_unit_test(every_mixture),
		cmocka_unit_test(header_is_unstuffed),
		cmocka_unit_test(header_has_a_bound),
		cmocka_unit_test(large_goes_to_a_file),
		cmocka_unit_test(digest_knows_the_salt),
		cmocka_unit_test(survives_failure),
		cmocka_unit_test(full_disk_is_known),
		cmocka_unit_test(discarded),
	};

	return cmocka_run_group_tests(tests, make_dir, remove_dir);
}
