/* SPDX-License-Identifier: BSD-2-Clause */
#include "config.h"

#include "tests/unit/unit.h"

#include <sys/socket.h>
#include <sys/un.h>

#include <netinet/in.h>
#include <netinet/tcp.h>

#include <arpa/inet.h>
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/clock.h"
#include "core/mem.h"
#include "core/stream.h"

#define SOON (50 * US_PER_MS)

/* A stream, and the other end of its socket. */
struct pair {
	struct stream *s;
	int peer;
};

static struct pair
pair_new(void)
{
	struct pair p;
	int fds[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
	p.s = stream_new(fds[0]);
	p.peer = fds[1];
	stream_deadline(p.s, clock_mono_us() + 10 * US_PER_SEC);
	return p;
}

static void
pair_free(struct pair *p)
{
	stream_free(p->s);
	if (p->peer != -1)
		(void)close(p->peer);
}

static void
peer_says(struct pair *p, const char *text)
{
	assert_int_equal(
	    write(p->peer, text, strlen(text)), (ssize_t)strlen(text));
}

static void
peer_leaves(struct pair *p)
{
	(void)close(p->peer);
	p->peer = -1;
}

static void
expect_line(struct stream *s, const char *expected)
{
	const char *line;
	struct err err;
	size_t len;

	assert_int_equal(stream_line(s, 100, &line, &len, &err), 1);
	assert_int_equal(len, strlen(expected));
	assert_memory_equal(line, expected, len);
}

static void
expect_failure(struct stream *s, size_t max, enum err_class class)
{
	const char *line;
	struct err err;
	size_t len;

	assert_int_equal(stream_line(s, max, &line, &len, &err), -1);
	assert_int_equal(err.class, class);
}

static void
expect_end(struct stream *s)
{
	const char *line;
	struct err err;
	size_t len;

	assert_int_equal(stream_line(s, 100, &line, &len, &err), 0);
}

static void
lines(void **state)
{
	struct pair p = pair_new();

	(void)state;
	peer_says(&p, "one\r\ntwo\n\r\n\npart");
	expect_line(p.s, "one\r\n");
	assert_int_equal(stream_pending(p.s), 11);
	expect_line(p.s, "two\n");
	expect_line(p.s, "\r\n");
	expect_line(p.s, "\n");
	peer_says(&p, "ial\r\nrest without end");
	expect_line(p.s, "partial\r\n");
	peer_leaves(&p);
	expect_end(p.s);
	expect_end(p.s);
	pair_free(&p);
}

/* More than the buffer holds, so that it wraps around in mid-line often. */
static void *
write_many_lines(void *arg)
{
	struct stream *s = arg;
	struct err err;

	for (int i = 0; i < 20000; i++)
		stream_printf(s, "line %d %.*s\r\n", i, i % 60,
		    "..........................................................."
		    );
	return (void *)(intptr_t)stream_flush(s, &err);
}

static void
many_lines(void **state)
{
	struct pair p = pair_new();
	struct stream *w = stream_new(p.peer);
	pthread_t thread;
	const char *line;
	struct err err;
	size_t len;
	char start[32];
	void *rc;

	(void)state;
	assert_int_equal(pthread_create(&thread, NULL, write_many_lines, w), 0);
	for (int i = 0; i < 20000; i++) {
		assert_int_equal(stream_line(p.s, 100, &line, &len, &err), 1);
		(void)snprintf(start, sizeof(start), "line %d ", i);
		assert_memory_equal(line, start, strlen(start));
		assert_int_equal(
		    len, strlen(start) + (size_t)(i % 60) + 2);
	}
	assert_int_equal(pthread_join(thread, &rc), 0);
	assert_null(rc);
	stream_close(w);
	p.peer = -1;
	expect_end(p.s);
	pair_free(&p);
}

static void
line_bound(void **state)
{
	struct pair p = pair_new();
	struct err err;
	const char *data;
	size_t len;
	char text[16];

	(void)state;
	peer_says(&p, "12345678\r\n123456789\r\n");
	assert_int_equal(stream_line(p.s, 10, &data, &len, &err), 1);
	expect_failure(p.s, 10, ERR_PROTO);
	/* What was too long is still there, and one can still answer. */
	assert_int_equal(stream_peek(p.s, &data, &len, &err), 1);
	assert_int_equal(len, 11);
	stream_consume(p.s, len);
	stream_write(p.s, "500\r\n", 5);
	assert_int_equal(stream_flush(p.s, &err), 0);
	assert_int_equal(read(p.peer, text, sizeof(text)), 5);

	peer_says(&p, "1234567890"); /* and its end not in sight */
	expect_failure(p.s, 10, ERR_PROTO);
	peer_says(&p, "\n");
	assert_int_equal(stream_line(p.s, 11, &data, &len, &err), 1);
	pair_free(&p);
}

static void *
write_long_line(void *arg)
{
	struct stream *s = arg;
	struct err err;

	stream_write(s, "short\r\n", 7);
	for (int i = 0; i < 100000; i++)
		stream_write(s, "x", 1);
	stream_write(s, "\r\n", 2);
	return (void *)(intptr_t)stream_flush(s, &err);
}

static void
long_line(void **state)
{
	struct pair p = pair_new();
	struct stream *w = stream_new(p.peer);
	pthread_t thread;
	const char *line;
	struct err err;
	size_t len;

	(void)state;
	assert_int_equal(pthread_create(&thread, NULL, write_long_line, w), 0);
	expect_line(p.s, "short\r\n");
	assert_int_equal(stream_line(p.s, 100002, &line, &len, &err), 1);
	assert_int_equal(len, 100002);
	assert_int_equal(pthread_join(thread, NULL), 0);
	stream_close(w);
	p.peer = -1;
	pair_free(&p);
}

static void
peek(void **state)
{
	struct pair p = pair_new();
	const char *data;
	struct err err;
	size_t len;

	(void)state;
	peer_says(&p, "DATA\r\nbody");
	expect_line(p.s, "DATA\r\n");
	assert_int_equal(stream_peek(p.s, &data, &len, &err), 1);
	assert_int_equal(len, 4);
	assert_memory_equal(data, "body", 4);
	stream_consume(p.s, 3);
	peer_says(&p, "\r\n");
	expect_line(p.s, "y\r\n");
	peer_leaves(&p);
	assert_int_equal(stream_peek(p.s, &data, &len, &err), 0);
	pair_free(&p);
}

static void
deadline(void **state)
{
	struct pair p = pair_new();
	int64_t start = clock_mono_us();
	struct err err;
	char text[16];

	(void)state;
	stream_deadline(p.s, start + SOON);
	peer_says(&p, "no line end");
	expect_failure(p.s, 100, ERR_TIMEOUT);
	assert_true(clock_mono_us() >= start + SOON);

	/* Ready input does not get past it either. */
	peer_says(&p, "\r\n");
	expect_failure(p.s, 100, ERR_TIMEOUT);

	stream_deadline(p.s, INT64_MAX);
	stream_printf(p.s, "421 %s\r\n", "late");
	assert_int_equal(stream_flush(p.s, &err), 0);
	assert_int_equal(read(p.peer, text, sizeof(text)), 10);
	expect_line(p.s, "no line end\r\n");
	pair_free(&p);
}

static void
write_deadline(void **state)
{
	struct pair p = pair_new();
	size_t size = 8 * 1024 * 1024; /* more than any socket buffer */
	char *data = mem_new(size);
	struct err err;

	(void)state;
	stream_deadline(p.s, clock_mono_us() + SOON);
	stream_write(p.s, data, size);
	stream_write(p.s, data, 1); /* goes nowhere */
	assert_int_equal(stream_flush(p.s, &err), -1);
	assert_int_equal(err.class, ERR_TIMEOUT);
	free(data);
	pair_free(&p);
}

static void
wake(void **state)
{
	struct pair p = pair_new();
	int bell[2];
	char c;

	(void)state;
	assert_int_equal(pipe(bell), 0);
	stream_wake_fd(p.s, bell[0]);
	assert_int_equal(write(bell[1], "!", 1), 1);
	peer_says(&p, "input comes first\r\nthen");
	expect_line(p.s, "input comes first\r\n");
	expect_failure(p.s, 100, ERR_STATE);
	assert_int_equal(read(bell[0], &c, 1), 1);
	peer_says(&p, " more\r\n");
	expect_line(p.s, "then more\r\n");
	stream_wake_fd(p.s, -1);
	pair_free(&p);
	(void)close(bell[0]);
	(void)close(bell[1]);
}

struct reader {
	int fd;
	unsigned char *data;
	size_t len, size;
};

static void *
read_all(void *arg)
{
	struct reader *r = arg;
	ssize_t n;

	while (r->len < r->size &&
	    (n = read(r->fd, r->data + r->len, r->size - r->len)) > 0)
		r->len += (size_t)n;
	return NULL;
}

/* Writes of all sizes arrive whole and in order. */
static void
writes(void **state)
{
	static const size_t sizes[] = { 1, 16383, 1, 1, 16384, 16385, 5,
		500000, 0, 33, 32768, 7 };
	struct pair p = pair_new();
	struct reader r = { .fd = p.peer, .size = 1024 * 1024 };
	unsigned char *data = mem_new(r.size);
	size_t off = 0;
	pthread_t thread;
	struct err err;

	(void)state;
	for (size_t i = 0; i < r.size; i++)
		data[i] = (unsigned char)(i * 2654435761U >> 13);
	r.data = mem_new(r.size);
	assert_int_equal(pthread_create(&thread, NULL, read_all, &r), 0);
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		stream_write(p.s, data + off, sizes[i]);
		off += sizes[i];
	}
	assert_int_equal(stream_flush(p.s, &err), 0);
	stream_close(p.s);
	assert_int_equal(pthread_join(thread, NULL), 0);
	assert_int_equal(r.len, off);
	assert_memory_equal(r.data, data, off);
	(void)close(p.peer);
	free(r.data);
	free(data);
}

/* Small writes leave together: nothing is sent before the flush. */
static void
gathers(void **state)
{
	struct pair p = pair_new();
	struct err err;
	char text[64];

	(void)state;
	stream_write(p.s, "250-one\r\n", 9);
	stream_printf(p.s, "250 %s\r\n", "two");
	assert_int_equal(
	    recv(p.peer, text, sizeof(text), MSG_DONTWAIT), -1);
	assert_int_equal(stream_flush(p.s, &err), 0);
	assert_int_equal(
	    recv(p.peer, text, sizeof(text), MSG_DONTWAIT), 18);
	assert_int_equal(stream_flush(p.s, &err), 0);
	pair_free(&p);
}

/* No SIGPIPE; and what the peer said before it left can still be read. */
static void
peer_closed(void **state)
{
	struct pair p = pair_new();
	struct err err;

	(void)state;
	assert_false(stream_peer_gone(p.s));
	peer_says(&p, "421 too long\r\n");
	assert_false(stream_peer_gone(p.s));
	assert_int_equal(stream_pending(p.s), 14);
	peer_leaves(&p);
	assert_true(stream_peer_gone(p.s));
	stream_write(p.s, "NOOP\r\n", 6);
	assert_int_equal(stream_flush(p.s, &err), -1);
	assert_int_equal(err.class, ERR_NET);
	assert_int_equal(stream_flush(p.s, &err), -1);
	expect_line(p.s, "421 too long\r\n");
	expect_end(p.s);
	pair_free(&p);
}

static int
listen_loopback(struct sockaddr_in *sin)
{
	socklen_t len = sizeof(*sin);
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	*sin = (struct sockaddr_in) { .sin_family = AF_INET };
	sin->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	assert_int_not_equal(fd, -1);
	assert_int_equal(bind(fd, (struct sockaddr *)sin, len), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)sin, &len), 0);
	return fd;
}

/* Also one with a path too long for what getnameinfo(3) has room for. */
static void
connects_to_a_path(void **state)
{
	struct sockaddr_un sun = { .sun_family = AF_UNIX };
	struct err err;

	(void)state;
	(void)snprintf(sun.sun_path, sizeof(sun.sun_path),
	    "/there/is/no/such/directory/and/there/never/was/postern.sock");
	assert_int_equal(stream_connect((struct sockaddr *)&sun, sizeof(sun),
			     clock_mono_us() + US_PER_SEC, &err),
	    -1);
	assert_contains(err.text, sun.sun_path);
}

static void
connects(void **state)
{
	struct sockaddr_in sin;
	int fd, peer, on = 0, lfd = listen_loopback(&sin);
	socklen_t len = sizeof(on);
	struct stream *s;
	struct err err;
	char text[64];

	(void)state;
	/* Bound and not listening: refused, with the address in the words. */
	assert_int_equal(stream_connect((struct sockaddr *)&sin, sizeof(sin),
			     clock_mono_us() + US_PER_SEC, &err),
	    -1);
	assert_int_equal(err.class, ERR_NET);
	assert_contains(err.text, "127.0.0.1 port ");
	assert_contains(err.text, "refused");

	assert_int_equal(listen(lfd, 1), 0);
	fd = stream_connect((struct sockaddr *)&sin, sizeof(sin),
	    clock_mono_us() + US_PER_SEC, &err);
	assert_int_not_equal(fd, -1);
	assert_int_not_equal(peer = accept(lfd, NULL, NULL), -1);
	s = stream_new(fd);
	assert_int_equal(
	    getsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, &len), 0);
	assert_int_not_equal(on, 0);

	/* Unread input does not cost the peer our last words. */
	assert_int_equal(write(peer, "garbage\r\n", 9), 9);
	clock_sleep_until(clock_mono_us() + 10 * US_PER_MS);
	stream_write(s, "221 bye\r\n", 9);
	stream_close(s);
	assert_int_equal(read(peer, text, sizeof(text)), 9);
	assert_int_equal(read(peer, text, sizeof(text)), 0);
	(void)close(peer);
	(void)close(lfd);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(lines),
		cmocka_unit_test(many_lines),
		cmocka_unit_test(line_bound),
		cmocka_unit_test(long_line),
		cmocka_unit_test(peek),
		cmocka_unit_test(deadline),
		cmocka_unit_test(write_deadline),
		cmocka_unit_test(wake),
		cmocka_unit_test(writes),
		cmocka_unit_test(gathers),
		cmocka_unit_test(peer_closed),
		cmocka_unit_test(connects),
		cmocka_unit_test(connects_to_a_path),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
