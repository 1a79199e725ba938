/* SPDX-License-Identifier: BSD-2-Clause */
#include "config.h"

#include "tests/unit/unit.h"

#include <sys/socket.h>
#include <sys/wait.h>

#include <ftw.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/clock.h"
#include "core/mem.h"
#include "core/stream.h"
#include "core/tls.h"

/*
 * Both ends of each connection are ours, in two threads, but where the other
 * end must do what ours would not: there it is bytes written by hand.
 */

#define PATH_BYTES 128
#define TIME_ALLOWED (10 * US_PER_SEC)

extern char **environ;
static char dir[64] = "/tmp/postern-tls.XXXXXX";

static const char *
path(char text[PATH_BYTES], const char *name)
{
	(void)snprintf(text, PATH_BYTES, "%s/%s", dir, name);
	return text;
}

static int
remove_entry(const char *name, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st;
	(void)type;
	(void)ftw;
	return remove(name);
}

static int
remove_dir(void **state)
{
	(void)state;
	return nftw(dir, remove_entry, 8, FTW_DEPTH | FTW_PHYS);
}

static int
make_certs(void **state)
{
	static char script[] = MAKE_CERTS, shell[] = "sh";
	char *argv[] = { shell, script, dir, NULL };
	pid_t pid;
	int status;

	(void)state;
	(void)signal(SIGPIPE, SIG_IGN);
	if (mkdtemp(dir) == NULL ||
	    posix_spawnp(&pid, shell, NULL, NULL, argv, environ) != 0 ||
	    waitpid(pid, &status, 0) != pid || status != 0) {
		print_error("%s failed, see openssl.log\n", script);
		return -1;
	}
	return 0;
}

static struct tls_context *
server_context(const char *leaf, const char *client_ca)
{
	char cert[PATH_BYTES], key[PATH_BYTES], ca[PATH_BYTES];
	struct tls_context *c;
	struct err err;

	(void)snprintf(cert, sizeof(cert), "%s/%s.pem", dir, leaf);
	(void)snprintf(key, sizeof(key), "%s/%s.key", dir, leaf);
	c = tls_server_context(cert, key,
	    client_ca != NULL ? path(ca, client_ca) : NULL, &err);
	assert_non_null(c);
	return c;
}

static struct tls_context *
client_context(void)
{
	char ca[PATH_BYTES];
	struct tls_context *c;
	struct err err;

	assert_non_null(c = tls_client_context(path(ca, "ca.pem"), &err));
	return c;
}

/* A server in a thread of its own: TLS, then echo of lines. */
struct server {
	struct tls_context *ctx;
	int fd;
	bool starttls; /* begin with a line in clear */
	bool rude;     /* hang up without close_notify */
	pthread_t thread;
	int rc; /* of the handshake */
	struct err err;
	bool had_more;	/* after STARTTLS, in clear */
	char seen[64]; /* the first line */
};

static void
wait_for_starttls(struct server *v, struct stream *s)
{
	const char *line;
	struct err err;
	size_t len;

	(void)stream_line(s, 100, &line, &len, &err);
	v->had_more = stream_pending(s) > 0;
	stream_write(s, "220 go ahead\r\n", 14);
}

static void
serve(struct server *v, struct stream *s)
{
	const char *line;
	struct err err;
	size_t len;

	if (v->starttls)
		wait_for_starttls(v, s);
	if ((v->rc = stream_start_tls(s, v->ctx, NULL, &v->err)) == -1)
		return;
	stream_write(s, "220 ready\r\n", 11);
	if (stream_flush(s, &err) == -1)
		return;
	while (stream_line(s, 100, &line, &len, &err) == 1) {
		if (v->seen[0] == '\0')
			(void)snprintf(v->seen, sizeof(v->seen), "%.*s",
			    (int)len, line);
		if (strncmp(line, "QUIT", 4) == 0)
			break;
		stream_write(s, line, len);
		if (stream_flush(s, &err) == -1)
			break;
	}
}

static void *
server_main(void *arg)
{
	struct server *v = arg;
	struct stream *s = stream_new(v->fd);

	stream_deadline(s, clock_mono_us() + TIME_ALLOWED);
	serve(v, s);
	if (v->rude)
		stream_free(s);
	else
		stream_close(s);
	return NULL;
}

/* Start the server on one end, and return a stream on the other. */
static struct stream *
start(struct server *v)
{
	struct stream *s;
	int fds[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
	v->fd = fds[0];
	assert_int_equal(pthread_create(&v->thread, NULL, server_main, v), 0);
	s = stream_new(fds[1]);
	stream_deadline(s, clock_mono_us() + TIME_ALLOWED);
	return s;
}

static void
finish(struct server *v)
{
	assert_int_equal(pthread_join(v->thread, NULL), 0);
	tls_context_free(v->ctx);
}

static void
expect_line(struct stream *s, const char *expected)
{
	const char *line;
	struct err err = { 0 };
	size_t len;

	if (stream_line(s, 100, &line, &len, &err) != 1)
		fail_msg("no line: %s", err.text);
	assert_int_equal(len, strlen(expected));
	assert_memory_equal(line, expected, len);
}

static void
expect_end(struct stream *s)
{
	const char *line;
	struct err err = { 0 };
	size_t len;

	if (stream_line(s, 100, &line, &len, &err) != 0)
		fail_msg("no end of file: %s", err.text);
}

static void
say(struct stream *s, const char *text)
{
	struct err err;

	stream_write(s, text, strlen(text));
	assert_int_equal(stream_flush(s, &err), 0);
}

static int
handshake_with(const char *leaf, const char *host, struct err *err)
{
	struct server v = { .ctx = server_context(leaf, NULL) };
	struct tls_context *c = client_context();
	struct stream *s = start(&v);
	int rc = stream_start_tls(s, c, host, err);

	stream_close(s);
	finish(&v);
	tls_context_free(c);
	return rc;
}

static void
good(void **state)
{
	struct server v = { .ctx = server_context("good", NULL) };
	struct tls_context *c = client_context();
	struct stream *s = start(&v);
	struct err err;

	(void)state;
	assert_false(stream_is_tls(s));
	assert_string_equal(stream_tls_text(s), "");
	assert_int_equal(stream_start_tls(s, c, "mail.example.org", &err), 0);
	assert_true(stream_is_tls(s));
	assert_contains(stream_tls_text(s), "TLSv1.3 ");
	expect_line(s, "220 ready\r\n");
	assert_false(stream_peer_gone(s));
	say(s, "hello\r\n");
	expect_line(s, "hello\r\n");
	say(s, "QUIT\r\n");
	expect_end(s);
	assert_true(stream_peer_gone(s));
	stream_close(s);
	finish(&v);
	tls_context_free(c);
}

static void
names(void **state)
{
	static const struct {
		const char *host;
		int rc;
	} cases[] = {
		{ "mail.example.org", 0 },
		{ "MAIL.example.org", 0 },
		{ "a.wild.example.org", 0 },
		{ "127.0.0.1", 0 },
		{ "other.example.org", -1 },
		{ "a.b.wild.example.org", -1 }, /* one label and no more */
		{ "wild.example.org", -1 },
		{ "good.example.org", -1 }, /* the CN, beside which names stand */
		{ "127.0.0.2", -1 },
	};
	struct err err;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		assert_int_equal(
		    handshake_with("good", cases[i].host, &err), cases[i].rc);
		if (cases[i].rc == 0)
			continue;
		assert_int_equal(err.class, ERR_TLS);
		assert_contains(err.text, "wrong name");
		assert_contains(err.text, cases[i].host);
		assert_contains(err.text,
		    "mail.example.org, *.wild.example.org, 127.0.0.1");
	}
}

static void
bad_certificates(void **state)
{
	struct err err;

	(void)state;
	assert_int_equal(handshake_with("expired", "mail.example.org", &err),
	    -1);
	assert_int_equal(err.class, ERR_TLS);
	assert_contains(err.text,
	    "expired.example.org expired on 2021-02-03 04:05:06 UTC");
	assert_int_equal(handshake_with("future", "mail.example.org", &err),
	    -1);
	assert_contains(err.text, "not valid before 2048-02-03 04:05:06 UTC");
	assert_int_equal(handshake_with("stranger", "mail.example.org", &err),
	    -1);
	assert_int_equal(err.class, ERR_TLS);
	assert_contains(err.text, "unknown issuer");
	assert_contains(err.text, "Somebody Else");
	assert_contains(err.text, "ca-file");
}

/* Nothing of ours is among the system's certificates. */
static void
system_trust(void **state)
{
	struct server v = { .ctx = server_context("good", NULL) };
	struct err err;
	struct tls_context *c = tls_client_context(NULL, &err);
	struct stream *s = start(&v);

	(void)state;
	assert_non_null(c);
	assert_int_equal(stream_start_tls(s, c, "mail.example.org", &err), -1);
	assert_contains(err.text, "unknown issuer");
	stream_close(s);
	finish(&v);
	tls_context_free(c);
}

/*
 * The client of these has no certificate to show. With TLS 1.3 it learns of
 * the refusal only when it reads.
 */
static void
client_certificate(void **state)
{
	struct server v = { .ctx = server_context("good", "ca.pem") };
	struct tls_context *c = client_context();
	struct stream *s = start(&v);
	const char *line;
	struct err err;
	size_t len;

	(void)state;
	if (stream_start_tls(s, c, "mail.example.org", &err) == 0)
		assert_int_not_equal(stream_line(s, 100, &line, &len, &err), 1);
	stream_close(s);
	finish(&v);
	assert_int_equal(v.rc, -1);
	assert_int_equal(v.err.class, ERR_TLS);
	tls_context_free(c);
}

static void
eof_without_notify(void **state)
{
	struct server v = { .ctx = server_context("good", NULL), .rude = true };
	struct tls_context *c = client_context();
	struct stream *s = start(&v);
	struct err err;

	(void)state;
	assert_int_equal(stream_start_tls(s, c, "mail.example.org", &err), 0);
	say(s, "last words\r\nQUIT\r\n");
	expect_line(s, "220 ready\r\n");
	expect_line(s, "last words\r\n");
	expect_end(s);
	stream_free(s);
	finish(&v);
	tls_context_free(c);
}

/* A hand-made peer: reads what comes and answers with these bytes. */
static int
handshake_against(const void *bytes, size_t len, struct tls_context *ctx,
    const char *host, struct err *err)
{
	struct stream *s;
	int fds[2], rc;

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
	assert_int_equal(write(fds[1], bytes, len), (ssize_t)len);
	s = stream_new(fds[0]);
	stream_deadline(s, clock_mono_us() + TIME_ALLOWED);
	rc = stream_start_tls(s, ctx, host, err);
	stream_free(s);
	(void)close(fds[1]);
	return rc;
}

/* ServerHello of TLS 1.1: version, 32 bytes random, no session,
 * TLS_RSA_WITH_AES_128_CBC_SHA, no compression. */
static void
old_server(void **state)
{
	unsigned char hello[5 + 4 + 38] = { 22, 3, 2, 0, 42, 2, 0, 0, 38, 3,
		2 };
	struct tls_context *c = client_context();
	struct err err;

	(void)state;
	hello[sizeof(hello) - 2] = 0x2f;
	assert_int_equal(handshake_against(hello, sizeof(hello), c,
			     "mail.example.org", &err),
	    -1);
	assert_int_equal(err.class, ERR_TLS);
	assert_contains(err.text, "TLS 1.2 or newer");
	tls_context_free(c);
}

/* ClientHello of TLS 1.1, one cipher, no extensions. */
static void
old_client(void **state)
{
	unsigned char hello[5 + 4 + 41] = { 22, 3, 1, 0, 45, 1, 0, 0, 41, 3,
		2 };
	struct tls_context *v = server_context("good", NULL);
	struct err err;

	(void)state;
	hello[45] = 2;	  /* bytes of ciphers */
	hello[47] = 0x2f;
	hello[48] = 1;	  /* compression: none */
	assert_int_equal(
	    handshake_against(hello, sizeof(hello), v, NULL, &err), -1);
	assert_int_equal(err.class, ERR_TLS);
	assert_contains(err.text, "TLS 1.2 or newer");
	tls_context_free(v);
}

static void
no_tls(void **state)
{
	static const char greeting[] = "220 mail.example.org ESMTP\r\n";
	struct tls_context *c = client_context();
	struct err err;

	(void)state;
	assert_int_equal(handshake_against(greeting, strlen(greeting), c,
			     "mail.example.org", &err),
	    -1);
	assert_int_equal(err.class, ERR_TLS);
	assert_contains(err.text, "STARTTLS");
	tls_context_free(c);
}

static void
silent_peer(void **state)
{
	struct tls_context *c = client_context();
	struct stream *s;
	struct err err;
	int fds[2];

	(void)state;
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
	s = stream_new(fds[0]);
	stream_deadline(s, clock_mono_us() + 50 * US_PER_MS);
	assert_int_equal(stream_start_tls(s, c, "mail.example.org", &err), -1);
	assert_int_equal(err.class, ERR_TIMEOUT);
	/* Nothing may follow in clear. */
	stream_deadline(s, INT64_MAX);
	stream_write(s, "AUTH secret\r\n", 13);
	assert_int_equal(stream_flush(s, &err), -1);
	stream_close(s);
	(void)close(fds[1]);
	tls_context_free(c);
}

static void
peer_hangs_up(void **state)
{
	struct tls_context *c = client_context();
	struct stream *s;
	struct err err;
	int fds[2];

	(void)state;
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
	assert_int_equal(shutdown(fds[1], SHUT_WR), 0);
	s = stream_new(fds[0]);
	stream_deadline(s, clock_mono_us() + TIME_ALLOWED);
	assert_int_equal(stream_start_tls(s, c, "mail.example.org", &err), -1);
	assert_int_equal(err.class, ERR_NET);
	assert_contains(err.text, "closed the connection");
	stream_close(s);
	(void)close(fds[1]);
	tls_context_free(c);
}

/*
 * "STARTTLS" with a command behind it in one packet, as an attacker between
 * client and server would put it (CVE-2011-0411): it is never heard.
 */
static void
pipelined_clear_input(void **state)
{
	static const char both[] = "STARTTLS\r\nMAIL FROM:<evil>\r\n";
	struct server v = { .ctx = server_context("good", NULL),
		.starttls = true };
	struct tls_context *c = client_context();
	struct stream *s = start(&v);
	struct err err;

	(void)state;
	say(s, both);
	expect_line(s, "220 go ahead\r\n");
	assert_int_equal(stream_start_tls(s, c, "mail.example.org", &err), 0);
	expect_line(s, "220 ready\r\n");
	say(s, "LHLO\r\nQUIT\r\n");
	expect_line(s, "LHLO\r\n");
	expect_end(s);
	stream_close(s);
	finish(&v);
	assert_true(v.had_more);
	assert_string_equal(v.seen, "LHLO\r\n");
	tls_context_free(c);
}

/* A megabyte there and back, written in one go and in full records. */
static void *
send_megabyte(void *arg)
{
	struct stream *s = arg;
	size_t n = 1024 * 1024;
	char *data = mem_new(n);
	struct err err;
	int rc;

	for (size_t i = 0; i < n; i++)
		data[i] = i % 64 == 63 ? '\n' : (char)('a' + i / 64 % 26);
	stream_write(s, data, 100);
	stream_write(s, data + 100, n - 100);
	rc = stream_flush(s, &err);
	free(data);
	return (void *)(intptr_t)rc;
}

static void *
receive_megabyte(void *arg)
{
	struct stream *s = arg;
	const char *line;
	struct err err;
	size_t len;
	intptr_t bad = 0;

	for (int i = 0; i < 16384; i++)
		if (stream_line(s, 64, &line, &len, &err) != 1 || len != 64 ||
		    line[0] != 'a' + i % 26 || line[62] != line[0])
			bad++;
	return (void *)bad;
}

struct bulk_server {
	struct tls_context *ctx;
	struct stream *s;
};

static void *
bulk_server_main(void *arg)
{
	struct bulk_server *b = arg;
	struct err err;

	if (stream_start_tls(b->s, b->ctx, NULL, &err) == -1)
		return b;
	if (receive_megabyte(b->s) != NULL)
		return b;
	return send_megabyte(b->s);
}

static void
bulk(void **state)
{
	struct bulk_server b = { .ctx = server_context("good", NULL) };
	struct tls_context *c = client_context();
	struct stream *s;
	pthread_t thread;
	struct err err;
	int fds[2];
	void *rc;

	(void)state;
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
	s = stream_new(fds[0]);
	b.s = stream_new(fds[1]);
	assert_int_equal(
	    pthread_create(&thread, NULL, bulk_server_main, &b), 0);
	assert_int_equal(stream_start_tls(s, c, "mail.example.org", &err), 0);
	assert_null(send_megabyte(s));
	assert_null(receive_megabyte(s));
	assert_int_equal(pthread_join(thread, &rc), 0);
	assert_null(rc);
	stream_close(s);
	stream_close(b.s);
	tls_context_free(b.ctx);
	tls_context_free(c);
}

/* Carries bytes between two sockets and counts those that come from a. */
struct relay {
	int a, b;
	size_t from_a;
};

static ssize_t
carry(int from, int to)
{
	char data[4096];
	ssize_t n = read(from, data, sizeof(data));

	if (n > 0 && write(to, data, (size_t)n) != n)
		return -1;
	return n;
}

static void *
relay_main(void *arg)
{
	struct relay *r = arg;
	struct pollfd p[2] = { { .fd = r->a, .events = POLLIN },
		{ .fd = r->b, .events = POLLIN } };
	ssize_t n;

	while (p[0].fd != -1 && poll(p, 2, -1) > 0) {
		if (p[1].revents != 0 && carry(r->b, r->a) <= 0)
			p[1].fd = -1;
		if (p[0].revents != 0) {
			if ((n = carry(r->a, r->b)) <= 0)
				p[0].fd = -1;
			else
				r->from_a += (size_t)n;
		}
	}
	(void)close(r->a);
	(void)close(r->b);
	return NULL;
}

/* How many bytes a server sends for one short session with the host. */
static size_t
session_bytes(struct tls_context *server, struct tls_context *client,
    const char *host)
{
	struct server v = { .ctx = server };
	struct stream *near = start(&v), *s;
	struct relay r = { .a = dup(stream_fd(near)) };
	pthread_t thread;
	struct err err;
	int fds[2];

	stream_free(near);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
	r.b = fds[0];
	s = stream_new(fds[1]);
	assert_int_equal(pthread_create(&thread, NULL, relay_main, &r), 0);
	assert_int_equal(stream_start_tls(s, client, host, &err), 0);
	expect_line(s, "220 ready\r\n");
	say(s, "QUIT\r\n");
	expect_end(s);
	stream_close(s);
	assert_int_equal(pthread_join(v.thread, NULL), 0);
	assert_int_equal(pthread_join(thread, NULL), 0);
	return r.from_a;
}

/* A resumed session shows in that no certificate is sent. It is kept to the
 * host for which it was verified. */
static void
resumption(void **state)
{
	struct tls_context *v = server_context("good", NULL);
	struct tls_context *c = client_context();
	size_t first, again, other, none;

	(void)state;
	first = session_bytes(v, c, "mail.example.org");
	again = session_bytes(v, c, "mail.example.org");
	other = session_bytes(v, c, "a.wild.example.org");
	none = session_bytes(v, c, "mail.example.org");
	assert_true(again + 300 < first);
	assert_true(other + 300 > first);
	assert_true(none + 300 > first);
	tls_context_free(v);
	tls_context_free(c);
}

/* Contexts are shared: sessions come and are offered in many threads at once. */
struct shared {
	struct tls_context *server, *client;
};

static void *
connect_often(void *arg)
{
	struct shared *sh = arg;
	const char *line;
	struct err err;
	intptr_t bad = 0;
	size_t len;

	for (int i = 0; i < 20; i++) {
		struct server v = { .ctx = sh->server };
		struct stream *s = start(&v);

		if (stream_start_tls(s, sh->client, "mail.example.org",
			&err) == -1 ||
		    stream_line(s, 100, &line, &len, &err) != 1)
			bad++;
		stream_close(s);
		if (pthread_join(v.thread, NULL) != 0 || v.rc != 0)
			bad++;
	}
	return (void *)bad;
}

static void
threads(void **state)
{
	struct shared sh = { server_context("good", NULL), client_context() };
	pthread_t t[4];
	void *bad;

	(void)state;
	for (int i = 0; i < 4; i++)
		assert_int_equal(
		    pthread_create(&t[i], NULL, connect_often, &sh), 0);
	for (int i = 0; i < 4; i++) {
		assert_int_equal(pthread_join(t[i], &bad), 0);
		assert_null(bad);
	}
	tls_context_free(sh.server);
	tls_context_free(sh.client);
}

static void
bad_files(void **state)
{
	char a[PATH_BYTES], b[PATH_BYTES];
	struct err err;

	(void)state;
	assert_null(tls_client_context("/nonexistent/ca.pem", &err));
	assert_int_equal(err.class, ERR_CONFIG);
	assert_contains(err.text, "/nonexistent/ca.pem: No such file");
	assert_null(tls_client_context(path(a, "ca.conf"), &err));
	assert_int_equal(err.class, ERR_CONFIG);
	assert_contains(err.text, "ca.conf holds no certificate");
	assert_null(tls_server_context(
	    path(a, "good.pem"), path(b, "client.key"), NULL, &err));
	assert_int_equal(err.class, ERR_CONFIG);
	assert_contains(err.text, "client.key");
	assert_null(tls_server_context(
	    path(a, "good.pem"), path(b, "none.key"), NULL, &err));
	assert_contains(err.text, "none.key: No such file");
	assert_null(tls_server_context(
	    path(a, "ca.conf"), path(b, "good.key"), NULL, &err));
	assert_contains(err.text, "ca.conf");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(good),
		cmocka_unit_test(names),
		cmocka_unit_test(bad_certificates),
		cmocka_unit_test(system_trust),
		cmocka_unit_test(client_certificate),
		cmocka_unit_test(eof_without_notify),
		cmocka_unit_test(old_server),
		cmocka_unit_test(old_client),
		cmocka_unit_test(no_tls),
		cmocka_unit_test(silent_peer),
		cmocka_unit_test(peer_hangs_up),
		cmocka_unit_test(pipelined_clear_input),
		cmocka_unit_test(bulk),
		cmocka_unit_test(resumption),
		cmocka_unit_test(threads),
		cmocka_unit_test(bad_files),
	};

	return cmocka_run_group_tests(tests, make_certs, remove_dir);
}
