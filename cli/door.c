/* SPDX-License-Identifier: BSD-2-Clause */
#include "config.h"

#include "cli/door.h"

#include <netdb.h>
#include <stdlib.h>
#include <string.h>

#include "core/clock.h"
#include "core/stream.h"

#define ASK_US (10 * US_PER_SEC)
#define TRY_US (5 * US_PER_SEC)
#define ANSWER_MAX ((size_t)1000)
#define NO_SOCKETMAP "what answers there speaks no socketmap protocol"

bool
door_same(const struct socket_spec *a, const struct socket_spec *b)
{
	if (a->is_unix != b->is_unix)
		return false;
	return a->is_unix ? strcmp(a->path, b->path) == 0
			  : strcmp(a->port, b->port) == 0;
}

bool
door_is_ours(const struct socket_spec *spec, const struct socket_spec *own)
{
	return door_same(spec, own) ||
	       (spec->is_unix && strstr(spec->path, "postern") != NULL);
}

/* To the first of a name's addresses that takes us: localhost has two, and a
 * daemon may listen at one of them. */
static int
connect_host(
    const struct socket_spec *spec, int64_t deadline_us, struct err *err)
{
	const struct addrinfo hints = { .ai_socktype = SOCK_STREAM };
	struct addrinfo *all, *ai;
	int fd = -1, rc;

	if ((rc = getaddrinfo(spec->host, spec->port, &hints, &all)) != 0)
		return err_set(err, ERR_CONFIG, "%s port %s: %s", spec->host,
		    spec->port, gai_strerror(rc));
	for (ai = all; fd == -1 && ai != NULL; ai = ai->ai_next)
		fd = stream_connect(
		    ai->ai_addr, ai->ai_addrlen, deadline_us, err);
	freeaddrinfo(all);
	return fd;
}

int
door_connect(
    const struct socket_spec *spec, int64_t deadline_us, struct err *err)
{
	struct sockaddr_un sun = { .sun_family = AF_UNIX };

	if (!spec->is_unix)
		return connect_host(spec, deadline_us, err);
	memcpy(sun.sun_path, spec->path, sizeof(sun.sun_path));
	return stream_connect(
	    (struct sockaddr *)&sun, sizeof(sun), deadline_us, err);
}

/* One "LEN:TEXT,"; text_r gets TEXT. */
static int
read_netstring(struct stream *s, struct buf *text_r, struct err *err)
{
	const char *data;
	size_t len, head = 0, want = 0;
	char *colon;
	int rc;

	buf_reset(text_r);
	while (head == 0 || text_r->len < head + want + 1) {
		rc = stream_peek(s, &data, &len, err);
		if (rc == 0)
			return err_set(
			    err, ERR_NET, "it hung up instead of answering");
		if (rc == -1)
			return -1;
		buf_add(text_r, data, len);
		stream_consume(s, len);
		want = (size_t)strtoul(text_r->data, &colon, 10);
		if (*colon == ':')
			head = (size_t)(colon + 1 - text_r->data);
		if (text_r->overflow || want > ANSWER_MAX ||
		    (*colon != ':' && *colon != '\0'))
			return err_set(err, ERR_PROTO, NO_SOCKETMAP);
	}
	if (text_r->data[head + want] != ',')
		return err_set(err, ERR_PROTO, NO_SOCKETMAP);
	buf_cut(text_r, head + want);
	buf_drop(text_r, head);
	return 0;
}

int
door_ask_srs(const struct socket_spec *spec, const char *key,
    struct buf *answer, struct err *err)
{
	int64_t deadline = clock_mono_us() + ASK_US;
	struct stream *s;
	int fd = door_connect(spec, deadline, err), rc;

	if (fd == -1)
		return -1;
	s = stream_new(fd);
	stream_deadline(s, deadline);
	stream_printf(s, "%zu:srs %s,", strlen("srs ") + strlen(key), key);
	rc = stream_flush(s, err);
	if (rc == 0)
		rc = read_netstring(s, answer, err);
	stream_free(s);
	return rc;
}

/* SMFIC_OPTNEG (libmilter's mfdef.h): length, command, version 6, all actions,
 * all steps that may be left out; as Postfix does it. */
static const unsigned char negotiate[] = { 0, 0, 0, 13, 'O', 0, 0, 0, 6, 0, 0,
	0x01, 0xff, 0, 0x1f, 0xff, 0xff };

/* The reply is one in kind: length and command tell. */
static int
read_negotiate(struct stream *s, struct err *err)
{
	char head[5];
	const char *data;
	size_t have = 0, len;
	int rc;

	while (have < sizeof(head)) {
		if ((rc = stream_peek(s, &data, &len, err)) == -1)
			return -1;
		if (rc == 0)
			return err_set(err, ERR_PROTO,
			    "it hung up instead of answering as a milter");
		if (len > sizeof(head) - have)
			len = sizeof(head) - have;
		memcpy(head + have, data, len);
		have += len;
		stream_consume(s, len);
	}
	if (memcmp(head, negotiate, 3) != 0 || head[4] != negotiate[4])
		return err_set(
		    err, ERR_PROTO, "what answers there is no milter");
	return 0;
}

int
door_try_milter(const struct socket_spec *spec, struct err *err)
{
	int64_t deadline = clock_mono_us() + TRY_US;
	int fd = door_connect(spec, deadline, err), rc;
	struct stream *s;

	if (fd == -1)
		return -1;
	s = stream_new(fd);
	stream_deadline(s, deadline);
	stream_write(s, negotiate, sizeof(negotiate));
	rc = stream_flush(s, err);
	if (rc == 0)
		rc = read_negotiate(s, err);
	stream_free(s);
	return rc;
}
