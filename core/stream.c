/* SPDX-License-Identifier: BSD-2-Clause */
#include "config.h"

#include "core/stream.h"

#include <sys/types.h>
#include <sys/uio.h>
#include <sys/un.h>

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/clock.h"
#include "core/mem.h"
#include "core/tls.h"

/*
 * Every call first tries the socket and waits only when it has nothing to
 * give. That order matters with TLS, whose library may hold input that poll(2)
 * can't see. Only the answer to what has just been sent is never there yet.
 *
 * Invariants: in[in_pos..in_end) has been received and not been read, and
 * in[in_pos..in_seen) of that holds no LF. out[0..out_len) has been written and
 * not been sent, and is empty once broken is set.
 */

enum {
	IN_SIZE = 32 * 1024, /* two TLS records; grows for longer lines only */
	OUT_SIZE = 16 * 1024 /* the payload of a full TLS record */
};

struct stream {
	int fd;
	int wake_fd;
	int64_t deadline_us;
	struct tls *tls;
	char tls_text[96];

	char *in;
	size_t in_cap;
	size_t in_pos;
	size_t in_end;
	size_t in_seen;
	bool eof;
	bool asked; /* sent since the last wait or try for input */

	bool broken;	/* nothing more can be sent, and this is why: */
	struct err why;
	size_t out_len;
	char out[OUT_SIZE];
};

struct stream *
stream_new(int fd)
{
	struct stream *s = mem_new(sizeof(*s));
	int flags, on = 1;

	s->fd = fd;
	s->wake_fd = -1;
	s->deadline_us = INT64_MAX;
	s->in = mem_grow(NULL, IN_SIZE, 1);
	s->in_cap = IN_SIZE;
	if ((flags = fcntl(fd, F_GETFL)) != -1)
		(void)fcntl(fd, F_SETFL, flags | O_NONBLOCK);
	/* Output is gathered here, so that Nagle's algorithm could only delay
	 * it. Fails on sockets other than TCP's, which have no such delay. */
	(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	return s;
}

void
stream_free(struct stream *s)
{
	if (s == NULL)
		return;
	tls_free(s->tls);
	(void)close(s->fd);
	free(s->in);
	free(s);
}

int
stream_fd(const struct stream *s)
{
	return s->fd;
}

void
stream_deadline(struct stream *s, int64_t mono_us)
{
	s->deadline_us = mono_us;
}

void
stream_wake_fd(struct stream *s, int fd)
{
	s->wake_fd = fd;
}

bool
stream_is_tls(const struct stream *s)
{
	return s->tls != NULL;
}

const char *
stream_tls_text(const struct stream *s)
{
	return s->tls_text;
}

size_t
stream_pending(const struct stream *s)
{
	return s->in_end - s->in_pos;
}

/*
 * Wait for events on fd, or for input on wake_fd (-1: none), which is ERR_STATE.
 * The time is looked at before every wait, since poll(2) may return early
 * and its milliseconds are coarser than the deadline.
 */
static int
wait_for(int fd, short events, int wake_fd, int64_t deadline_us,
    struct err *err)
{
	struct pollfd p[2] = {
		{ .fd = fd, .events = events },
		{ .fd = wake_fd, .events = POLLIN },
	};
	int64_t rest_ms = -1;
	int n;

	for (;;) {
		if (deadline_us != INT64_MAX) {
			rest_ms = deadline_us - clock_mono_us();
			if (rest_ms <= 0)
				return err_set(err, ERR_TIMEOUT,
				    "timed out waiting %s",
				    events == POLLIN ? "for the peer"
						     : "to send");
			rest_ms = (rest_ms + US_PER_MS - 1) / US_PER_MS;
			if (rest_ms > INT_MAX)
				rest_ms = INT_MAX;
		}
		n = poll(p, 2, (int)rest_ms);
		if (n == -1 && errno != EINTR)
			return err_sys(err, ERR_LOCAL, errno, "poll");
		if (n <= 0)
			continue;
		if (p[0].revents != 0)
			return 0;
		return err_set(err, ERR_STATE, "interrupted while waiting");
	}
}

/* Wait until what TLS (or the socket) wanted is there. */
static int
wait_want(struct stream *s, enum tls_want want, int wake_fd, struct err *err)
{
	return wait_for(s->fd, want == TLS_WANT_WRITE ? POLLOUT : POLLIN,
	    wake_fd, s->deadline_us, err);
}

/*
 * A peer that never lets us wait must not get past the deadline either, so
 * it is looked at before input and output as well as in waits.
 */
static int
check_deadline(const struct stream *s, struct err *err)
{
	if (s->deadline_us == INT64_MAX || clock_mono_us() < s->deadline_us)
		return 0;
	return err_set(err, ERR_TIMEOUT, "the time allowed is used up");
}

static bool
try_again(int errnum)
{
	return errnum == EAGAIN || errnum == EWOULDBLOCK || errnum == EINTR;
}

/* Input, in place of what has been read: lines are not moved one by one, but
 * only what is left of the last one when the buffer's end comes near. */
static void
make_room(struct stream *s)
{
	if (s->in_pos == s->in_end) {
		s->in_pos = s->in_end = s->in_seen = 0;
		return;
	}
	if (s->in_pos == 0 || s->in_cap - s->in_end >= s->in_cap / 4)
		return;
	memmove(s->in, s->in + s->in_pos, s->in_end - s->in_pos);
	s->in_end -= s->in_pos;
	s->in_seen -= s->in_pos;
	s->in_pos = 0;
}

/* Receive what is there without waiting. There must be room. */
static enum tls_want
receive(struct stream *s, struct err *err)
{
	char *to = s->in + s->in_end;
	size_t room = s->in_cap - s->in_end, got = 0;
	enum tls_want want = TLS_DONE;
	ssize_t n;

	if (s->tls != NULL) {
		want = tls_read(s->tls, to, room, &got, err);
	} else if ((n = recv(s->fd, to, room, 0)) > 0) {
		got = (size_t)n;
	} else if (n == 0) {
		want = TLS_EOF;
	} else if (try_again(errno)) {
		want = TLS_WANT_READ;
	} else {
		(void)err_sys(err, ERR_NET, errno, "read");
		want = TLS_FAILED;
	}
	if (want == TLS_DONE)
		s->in_end += got;
	if (want == TLS_EOF)
		s->eof = true;
	return want;
}

static bool
expect_none(struct stream *s)
{
	bool asked = s->asked;

	s->asked = false;
	return asked && (s->tls == NULL || !tls_pending(s->tls));
}

/* Get more input, waiting for it. 1, 0 at end of file, -1. */
static int
fill(struct stream *s, struct err *err)
{
	enum tls_want want;

	make_room(s);
	while (!s->eof) {
		if (check_deadline(s, err) == -1)
			return -1;
		want = expect_none(s) ? TLS_WANT_READ : receive(s, err);
		switch (want) {
		case TLS_DONE:
			return 1;
		case TLS_EOF:
			break;
		case TLS_FAILED:
			return -1;
		case TLS_WANT_READ:
		case TLS_WANT_WRITE:
			if (wait_want(s, want, s->wake_fd, err) == -1)
				return -1;
			break;
		}
	}
	return 0;
}

/* Enlarge the buffer when an unfinished line occupies all of it. */
static void
make_room_for_line(struct stream *s, size_t max)
{
	make_room(s);
	if (s->in_end < s->in_cap)
		return;
	s->in_cap = s->in_cap > max / 2 ? max : s->in_cap * 2;
	s->in = mem_grow(s->in, s->in_cap, 1);
}

int
stream_line(struct stream *s, size_t max, const char **line_r, size_t *len_r,
    struct err *err)
{
	const char *lf;
	size_t len;
	int rc;

	for (;;) {
		lf = memchr(s->in + s->in_seen, '\n', s->in_end - s->in_seen);
		len = lf != NULL ? (size_t)(lf + 1 - s->in) - s->in_pos
				 : s->in_end - s->in_pos;
		/* Without its LF, max bytes are too many already. */
		if (len > max || (lf == NULL && len == max))
			return err_set(err, ERR_PROTO,
			    "a line of more than %zu bytes", max);
		if (lf != NULL)
			break;
		s->in_seen = s->in_end;
		make_room_for_line(s, max);
		if ((rc = fill(s, err)) != 1)
			return rc;
	}
	*line_r = s->in + s->in_pos;
	*len_r = len;
	s->in_pos += len;
	s->in_seen = s->in_pos;
	return 1;
}

int
stream_peek(struct stream *s, const char **data_r, size_t *len_r,
    struct err *err)
{
	int rc;

	if (s->in_pos == s->in_end && (rc = fill(s, err)) != 1)
		return rc;
	*data_r = s->in + s->in_pos;
	*len_r = s->in_end - s->in_pos;
	return 1;
}

void
stream_consume(struct stream *s, size_t len)
{
	if (len > s->in_end - s->in_pos)
		len = s->in_end - s->in_pos;
	s->in_pos += len;
	if (s->in_seen < s->in_pos)
		s->in_seen = s->in_pos;
}

/*
 * Look for the end of the input. What comes before it is kept for later
 * reads; when it fills the buffer, the end is out of sight.
 */
bool
stream_peer_gone(struct stream *s)
{
	enum tls_want want = TLS_DONE;
	struct err err;

	make_room(s);
	while (!s->eof && want == TLS_DONE && s->in_end < s->in_cap)
		want = receive(s, &err);
	return s->eof || want == TLS_FAILED;
}

/* Send what the socket takes without waiting. */
static enum tls_want
transmit(struct stream *s, struct iovec iov[2], size_t *n_r, struct err *err)
{
	struct iovec *first = iov[0].iov_len > 0 ? &iov[0] : &iov[1];
	struct msghdr msg = { .msg_iov = iov, .msg_iovlen = 2 };
	ssize_t n;

	if (s->tls != NULL)
		return tls_write(
		    s->tls, first->iov_base, first->iov_len, n_r, err);
	if ((n = sendmsg(s->fd, &msg, MSG_NOSIGNAL)) >= 0) {
		*n_r = (size_t)n;
		return TLS_DONE;
	}
	if (try_again(errno))
		return TLS_WANT_WRITE;
	(void)err_sys(err, ERR_NET, errno, "write");
	return TLS_FAILED;
}

static void
advance(struct iovec iov[2], size_t n)
{
	size_t part;

	for (int i = 0; i < 2 && n > 0; i++) {
		part = n < iov[i].iov_len ? n : iov[i].iov_len;
		iov[i].iov_base = (char *)iov[i].iov_base + part;
		iov[i].iov_len -= part;
		n -= part;
	}
}

static int
send_iov(struct stream *s, struct iovec iov[2], struct err *err)
{
	enum tls_want want;
	size_t n;

	while (iov[0].iov_len > 0 || iov[1].iov_len > 0) {
		switch (want = transmit(s, iov, &n, err)) {
		case TLS_DONE:
			advance(iov, n);
			break;
		case TLS_EOF:
			return err_set(err, ERR_NET,
			    "write: the peer has closed the connection");
		case TLS_FAILED:
			return -1;
		case TLS_WANT_READ:
		case TLS_WANT_WRITE:
			if (wait_want(s, want, -1, err) == -1)
				return -1;
			break;
		}
	}
	return 0;
}

/* Send the output buffer and then data, which need not be copied. */
static void
send_all(struct stream *s, const void *data, size_t len)
{
	struct iovec iov[2] = {
		{ .iov_base = s->out, .iov_len = s->out_len },
		/* sendmsg(2) only reads, but has no const to say so. */
		{ .iov_base = (void *)(uintptr_t)data, .iov_len = len },
	};

	s->broken = check_deadline(s, &s->why) == -1 ||
	    send_iov(s, iov, &s->why) == -1;
	s->out_len = 0;
	s->asked = true;
}

static void
put(struct stream *s, const char *data, size_t len)
{
	memcpy(s->out + s->out_len, data, len);
	s->out_len += len;
}

/*
 * In clear, what does not fit goes out together with the buffer in one call.
 * In TLS the buffer is topped up, so that records are full.
 */
void
stream_write(struct stream *s, const void *bytes, size_t len)
{
	const char *data = bytes;
	size_t room = OUT_SIZE - s->out_len, whole;

	if (s->broken || len == 0)
		return;
	if (len <= room) {
		put(s, data, len);
		return;
	}
	if (s->tls == NULL) {
		send_all(s, data, len);
		return;
	}
	put(s, data, room);
	whole = (len - room) / OUT_SIZE * OUT_SIZE;
	send_all(s, data + room, whole);
	if (!s->broken)
		put(s, data + room + whole, len - room - whole);
}

void
stream_printf(struct stream *s, const char *fmt, ...)
{
	size_t room = OUT_SIZE - s->out_len;
	char *text;
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(s->out + s->out_len, room, fmt, ap);
	va_end(ap);
	if (n < 0 || s->broken)
		return;
	if ((size_t)n < room) {
		s->out_len += (size_t)n;
		return;
	}
	text = mem_array((size_t)n + 1, 1);
	va_start(ap, fmt);
	(void)vsnprintf(text, (size_t)n + 1, fmt, ap);
	va_end(ap);
	stream_write(s, text, (size_t)n);
	free(text);
}

int
stream_flush(struct stream *s, struct err *err)
{
	if (!s->broken && s->out_len > 0)
		send_all(s, NULL, 0);
	if (!s->broken)
		return 0;
	*err = s->why;
	return -1;
}

static int
handshake(struct stream *s, struct err *err)
{
	enum tls_want want;

	for (;;) {
		switch (want = tls_handshake(s->tls, err)) {
		case TLS_DONE:
			return 0;
		case TLS_EOF:
			/* Who objects to something says so in an alert. */
			return err_set(err, ERR_NET,
			    "the peer closed the connection during the TLS "
			    "handshake");
		case TLS_FAILED:
			return -1;
		case TLS_WANT_READ:
		case TLS_WANT_WRITE:
			if (wait_want(s, want, -1, err) == -1)
				return err_context(err, "TLS handshake");
			break;
		}
	}
}

int
stream_start_tls(struct stream *s, struct tls_context *ctx, const char *host,
    struct err *err)
{
	if (stream_flush(s, err) == -1)
		return -1;
	s->in_pos = s->in_end = s->in_seen = 0;
	s->tls = tls_new(ctx, s->fd, host);
	if (handshake(s, err) == -1) {
		/* Nothing may follow, least of all in clear. */
		s->broken = true;
		s->why = *err;
		return -1;
	}
	tls_describe(s->tls, s->tls_text, sizeof(s->tls_text));
	return 0;
}

/*
 * Input that nobody read would make close(2) reset the connection, and the
 * peer could lose our last words; what is there already is thrown away.
 */
static void
discard_input(int fd, char *scratch, size_t size)
{
	enum { ROUNDS = 32 }; /* a peer that goes on sending has had its turn */

	for (int i = 0; i < ROUNDS; i++)
		if (recv(fd, scratch, size, MSG_DONTWAIT) <= 0)
			return;
}

void
stream_close(struct stream *s)
{
	struct err err;
	struct iovec iov[2] = { { .iov_base = NULL }, { .iov_base = NULL } };

	if (s == NULL)
		return;
	if (!s->broken) {
		iov[0] = (struct iovec) { s->out, s->out_len };
		s->deadline_us = 0; /* the first wait is one too many */
		s->broken = send_iov(s, iov, &err) == -1;
	}
	if (!s->broken && s->tls != NULL)
		tls_close(s->tls);
	(void)shutdown(s->fd, SHUT_WR);
	discard_input(s->fd, s->in, s->in_cap);
	stream_free(s);
}

/* "192.0.2.1 port 587", or the path of a local socket. */
static void
describe_address(const struct sockaddr *sa, socklen_t len, char *text,
    size_t size)
{
	char host[NI_MAXHOST], port[NI_MAXSERV];

	if (sa->sa_family == AF_UNIX)
		(void)snprintf(text, size, "%s",
		    ((const struct sockaddr_un *)(const void *)sa)->sun_path);
	else if (getnameinfo(sa, len, host, sizeof(host), port, sizeof(port),
		NI_NUMERICHOST | NI_NUMERICSERV) != 0)
		(void)snprintf(text, size, "an unknown address");
	else
		(void)snprintf(text, size, "%s port %s", host, port);
}

/* An interrupted connect(2) goes on in the background, like one in progress. */
static int
connect_fd(int fd, const struct sockaddr *sa, socklen_t len,
    int64_t deadline_us, struct err *err)
{
	socklen_t errnum_len = sizeof(int);
	int errnum = 0;

	if (connect(fd, sa, len) == 0)
		return 0;
	if (errno != EINPROGRESS && errno != EINTR)
		return err_sys(err, ERR_NET, errno, "connect");
	if (wait_for(fd, POLLOUT, -1, deadline_us, err) == -1)
		return -1;
	if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &errnum, &errnum_len) == -1)
		errnum = errno;
	if (errnum != 0)
		return err_sys(err, ERR_NET, errnum, "connect");
	return 0;
}

int
stream_connect(const struct sockaddr *sa, socklen_t len, int64_t deadline_us,
    struct err *err)
{
	char where[NI_MAXHOST + NI_MAXSERV + 8];
	int fd;

	fd = socket(
	    sa->sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd == -1)
		return err_sys(err, ERR_LOCAL, errno, "socket");
	if (connect_fd(fd, sa, len, deadline_us, err) == -1) {
		(void)close(fd);
		describe_address(sa, len, where, sizeof(where));
		return err_context(err, "%s", where);
	}
	return fd;
}
