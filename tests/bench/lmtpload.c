/* SPDX-License-Identifier: BSD-2-Clause */
#include "config.h"

#include <sys/socket.h>
#include <sys/un.h>

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/clock.h"
#include "core/log.h"
#include "core/mem.h"
#include "core/stream.h"

/*
 * lmtpload: hand messages to posternd as Postfix does, over several sessions
 * and with pipelining, as fast as it takes them, and print how fast that was.
 *
 *	lmtpload SOCKET SESSIONS MESSAGES BYTES RECIPIENTS
 *
 * Senders are at example.com, which must be verified. Every message has a Received field
 * and is different from every other, of other runs, too. As bare as smtpload.
 */
struct load {
	struct sockaddr_un sun;
	char *body;
	size_t body_len;
	long messages, recipients;
	long long run; /* tells runs apart */
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
	struct stream *s;
	struct err err;
	int fd;

	fd = stream_connect((struct sockaddr *)&l->sun, sizeof(l->sun),
	    clock_mono_us() + 10 * US_PER_SEC, &err);
	if (fd == -1)
		log_fatal("%s", err.text);
	s = stream_new(fd);
	want(s, "220", true);
	stream_printf(s, "LHLO client.example\r\n");
	want(s, "250", true);
	return s;
}

static void
envelope(struct load *l, struct stream *s, long n)
{
	stream_printf(s, "MAIL FROM:<sender@example.com> SIZE=%zu\r\n",
	    l->body_len);
	for (long i = 0; i < l->recipients; i++)
		stream_printf(s, "RCPT TO:<rcpt%ld-%ld@example.net>\r\n", n, i);
	stream_printf(s, "DATA\r\n");
	for (long i = 0; i <= l->recipients; i++)
		want(s, "250", false);
	want(s, "354", false);
}

static void
content(struct load *l, struct stream *s, long n)
{
	stream_printf(s,
	    "Received: from client.example (client.example [192.0.2.1])\r\n"
	    "\tby mx.example (Postfix) with ESMTP id 4Q%llx%lx\r\n"
	    "\tfor <rcpt@example.net>; Mon, 02 Mar 2026 10:00:00 +0000\r\n"
	    "From: Sender <sender@example.com>\r\n"
	    "To: rcpt@example.net\r\n"
	    "Subject: load\r\n"
	    "Date: Mon, 02 Mar 2026 10:00:00 +0000\r\n"
	    "Message-ID: <%llx.%ld@client.example>\r\n"
	    "MIME-Version: 1.0\r\n\r\n",
	    (unsigned long long)l->run, (unsigned long)n,
	    (unsigned long long)l->run, n);
	stream_write(s, l->body, l->body_len);
	stream_printf(s, ".\r\n");
	for (long i = 0; i < l->recipients; i++)
		want(s, "250", false);
}

static void *
run(void *arg)
{
	struct load *l = arg;
	struct stream *s = dial(l);
	long n;

	while ((n = atomic_fetch_add(&l->next, 1)) < l->messages) {
		envelope(l, s, n);
		content(l, s, n);
	}
	stream_printf(s, "QUIT\r\n");
	want(s, "221", false);
	stream_close(s);
	return NULL;
}

static void
make_body(struct load *l, size_t bytes)
{
	static const char line[] =
	    "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx\r\n";

	l->body = mem_array(bytes + sizeof(line), 1);
	for (; l->body_len < bytes; l->body_len += sizeof(line) - 1)
		memcpy(l->body + l->body_len, line, sizeof(line) - 1);
}

int
main(int argc, char **argv)
{
	struct load l = { .sun = { .sun_family = AF_UNIX } };
	pthread_t *threads;
	int64_t start;
	double sec;
	long n;

	if (argc != 6)
		log_fatal("usage: lmtpload SOCKET SESSIONS MESSAGES BYTES "
			  "RECIPIENTS");
	(void)signal(SIGPIPE, SIG_IGN);
	(void)snprintf(
	    l.sun.sun_path, sizeof(l.sun.sun_path), "%s", argv[1]);
	n = strtol(argv[2], NULL, 10);
	l.messages = strtol(argv[3], NULL, 10);
	make_body(&l, strtoul(argv[4], NULL, 10));
	l.recipients = strtol(argv[5], NULL, 10);
	l.run = clock_wall_us();
	threads = mem_array((size_t)n, sizeof(*threads));
	start = clock_mono_us();
	for (long i = 0; i < n; i++)
		if (pthread_create(&threads[i], NULL, run, &l) != 0)
			log_fatal("no thread to be had");
	for (long i = 0; i < n; i++)
		(void)pthread_join(threads[i], NULL);
	sec = (double)(clock_mono_us() - start) / (double)US_PER_SEC;
	(void)printf("%.3f\n", sec);
	free(threads);
	free(l.body);
	return 0;
}
