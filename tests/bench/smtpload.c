/* SPDX-License-Identifier: BSD-2-Clause */
#include "config.h"

#include <sys/socket.h>
#include <netinet/in.h>

#include <arpa/inet.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base64.h"
#include "core/clock.h"
#include "core/log.h"
#include "core/mem.h"
#include "core/stream.h"
#include "core/tls.h"

/*
 * smtpload: bring messages to an SES look-alike over warm connections, as fast
 * as it takes them, and print how fast that was.
 *
 *	smtpload PORT CA-FILE USER PASSWORD CONNECTIONS MESSAGES BYTES
 *
 * PORT takes TLS from the first byte on 127.0.0.1. The sandbox must allow any
 * rate, and verify example.com. A client as bare as can be, so that what is
 *measured is the server: it knows which replies it wants.
 */
struct load {
	unsigned port;
	struct tls_context *tls;
	char *auth; /* base64 */
	char *content;
	size_t content_len;
	long messages;
	atomic_long next;
};

static void
want(struct stream *s, const char *code, bool all_lines)
{
	const char *line;
	struct err err;
	size_t len;

	if (stream_flush(s, &err) == -1)
		log_fatal("%s", err.text);
	do {
		if (stream_line(s, 4096, &line, &len, &err) != 1)
			log_fatal("no reply where %s was due", code);
		if (len < 4 || memcmp(line, code, 3) != 0)
			log_fatal("%s wanted, not %.*s", code, (int)len, line);
	} while (all_lines && line[3] == '-');
}

static struct stream *
dial(struct load *l)
{
	struct sockaddr_in sin = { .sin_family = AF_INET,
		.sin_port = htons((uint16_t)l->port) };
	struct stream *s;
	struct err err;
	int fd;

	sin.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	fd = stream_connect((struct sockaddr *)&sin, sizeof(sin),
	    clock_mono_us() + 10 * US_PER_SEC, &err);
	if (fd == -1)
		log_fatal("%s", err.text);
	s = stream_new(fd);
	if (stream_start_tls(s, l->tls, "localhost", &err) == -1)
		log_fatal("%s", err.text);
	want(s, "220", true);
	stream_printf(s, "EHLO client.example\r\n");
	want(s, "250", true);
	stream_printf(s, "AUTH PLAIN %s\r\n", l->auth);
	want(s, "235", true);
	return s;
}

static void
send_one(struct load *l, struct stream *s, long n)
{
	stream_printf(s, "MAIL FROM:<sender@example.com>\r\n");
	want(s, "250", false);
	stream_printf(s, "RCPT TO:<rcpt%ld@example.com>\r\n", n);
	want(s, "250", false);
	stream_printf(s, "DATA\r\n");
	want(s, "354", false);
	stream_write(s, l->content, l->content_len);
	stream_printf(s, ".\r\n");
	want(s, "250", false);
}

static void *
run(void *arg)
{
	struct load *l = arg;
	struct stream *s = dial(l);
	long n;

	while ((n = atomic_fetch_add(&l->next, 1)) < l->messages)
		send_one(l, s, n);
	stream_printf(s, "QUIT\r\n");
	want(s, "221", false);
	stream_close(s);
	return NULL;
}

static void
make_content(struct load *l, size_t bytes)
{
	static const char head[] = "From: Sender <sender@example.com>\r\n"
				   "To: rcpt@example.com\r\n"
				   "Subject: load\r\n"
				   "Message-ID: <1@client.example>\r\n"
				   "MIME-Version: 1.0\r\n\r\n";
	char line[79];

	memset(line, 'x', 76);
	memcpy(line + 76, "\r\n", 3);
	l->content = mem_array(sizeof(head) + bytes + sizeof(line), 1);
	memcpy(l->content, head, sizeof(head) - 1);
	l->content_len = sizeof(head) - 1;
	for (; l->content_len < bytes; l->content_len += 78)
		memcpy(l->content + l->content_len, line, 78);
}

static void
make_auth(struct load *l, const char *user, const char *password)
{
	char plain[512];
	int n;

	n = snprintf(
	    plain, sizeof(plain), "%c%s%c%s", '\0', user, '\0', password);
	l->auth = base64_text(plain, (size_t)n);
}

int
main(int argc, char **argv)
{
	struct load l = { .port = 0 };
	pthread_t *threads;
	struct err err;
	int64_t start;
	double sec;
	long n;

	if (argc != 8)
		log_fatal("usage: smtpload PORT CA-FILE USER PASSWORD "
			  "CONNECTIONS MESSAGES BYTES");
	(void)signal(SIGPIPE, SIG_IGN);
	l.port = (unsigned)strtoul(argv[1], NULL, 10);
	if ((l.tls = tls_client_context(argv[2], &err)) == NULL)
		log_fatal("%s", err.text);
	make_auth(&l, argv[3], argv[4]);
	n = strtol(argv[5], NULL, 10);
	l.messages = strtol(argv[6], NULL, 10);
	make_content(&l, strtoul(argv[7], NULL, 10));
	threads = mem_array((size_t)n, sizeof(*threads));
	start = clock_mono_us();
	for (long i = 0; i < n; i++)
		if (pthread_create(&threads[i], NULL, run, &l) != 0)
			log_fatal("no thread to be had");
	for (long i = 0; i < n; i++)
		(void)pthread_join(threads[i], NULL);
	sec = (double)(clock_mono_us() - start) / (double)US_PER_SEC;
	(void)printf("%ld messages of %zu bytes over %ld connections: "
		     "%.0f a second\n",
	    l.messages, l.content_len, n, (double)l.messages / sec);
	tls_context_free(l.tls);
	free(threads);
	free(l.content);
	free(l.auth);
	return 0;
}
