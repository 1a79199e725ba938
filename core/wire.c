/* SPDX-License-Identifier: BSD-2-Clause */
#include "config.h"

#include "core/wire.h"

#include <sys/socket.h>

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <unistd.h>

#include "core/clock.h"

void
wire_init(struct wire *w, int fd)
{
	int flags, on = 1;

	*w = (struct wire) { .fd = fd, .deadline_us = INT64_MAX };
	if ((flags = fcntl(fd, F_GETFL)) != -1)
		(void)fcntl(fd, F_SETFL, flags | O_NONBLOCK);
	/* Output is gathered above, so that Nagle's algorithm could only delay
	 * it. Fails on sockets other than TCP's, which have no such delay. */
	(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
}

void
wire_close(struct wire *w)
{
	tls_free(w->tls);
	(void)close(w->fd);
}

bool
wire_is_tls(const struct wire *w)
{
	return w->tls != NULL;
}

/*
 * Wait for events on fd, or for input on wake_fd (-1: none), which is
 * ERR_STATE. The time is looked at before every wait, since poll(2) may return
 * early and its milliseconds are coarser than the deadline.
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

int
wire_wait(struct wire *w, enum tls_want want, int wake_fd, struct err *err)
{
	return wait_for(w->fd, want == TLS_WANT_WRITE ? POLLOUT : POLLIN,
	    wake_fd, w->deadline_us, err);
}

int
wire_in_time(const struct wire *w, struct err *err)
{
	if (w->deadline_us == INT64_MAX || clock_mono_us() < w->deadline_us)
		return 0;
	return err_set(err, ERR_TIMEOUT, "the time allowed is used up");
}

static int
handshake(struct wire *w, struct err *err)
{
	enum tls_want want;

	for (;;) {
		switch (want = tls_handshake(w->tls, err)) {
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
			if (wire_wait(w, want, -1, err) == -1)
				return err_context(err, "TLS handshake");
			break;
		}
	}
}

int
wire_start_tls(struct wire *w, struct tls_context *ctx, const char *host,
    struct err *err)
{
	w->tls = tls_new(ctx, w->fd, host);
	if (handshake(w, err) == -1)
		return -1;
	tls_describe(w->tls, w->tls_text, sizeof(w->tls_text));
	return 0;
}

static bool
try_again(int errnum)
{
	return errnum == EAGAIN || errnum == EWOULDBLOCK || errnum == EINTR;
}

enum tls_want
wire_receive(struct wire *w, char *to, size_t room, size_t *got_r,
    struct err *err)
{
	ssize_t n;

	if (w->tls != NULL)
		return tls_read(w->tls, to, room, got_r, err);
	if ((n = recv(w->fd, to, room, 0)) > 0) {
		*got_r = (size_t)n;
		return TLS_DONE;
	}
	if (n == 0)
		return TLS_EOF;
	if (try_again(errno))
		return TLS_WANT_READ;
	(void)err_sys(err, ERR_NET, errno, "read");
	return TLS_FAILED;
}

bool
wire_pending(const struct wire *w)
{
	return w->tls != NULL && tls_pending(w->tls);
}

/* Send what the socket takes without waiting. */
static enum tls_want
transmit(struct wire *w, struct iovec iov[2], size_t *n_r, struct err *err)
{
	struct iovec *first = iov[0].iov_len > 0 ? &iov[0] : &iov[1];
	struct msghdr msg = { .msg_iov = iov, .msg_iovlen = 2 };
	ssize_t n;

	if (w->tls != NULL)
		return tls_write(
		    w->tls, first->iov_base, first->iov_len, n_r, err);
	if ((n = sendmsg(w->fd, &msg, MSG_NOSIGNAL)) >= 0) {
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

int
wire_send(struct wire *w, struct iovec iov[2], struct err *err)
{
	enum tls_want want;
	size_t n;

	while (iov[0].iov_len > 0 || iov[1].iov_len > 0) {
		switch (want = transmit(w, iov, &n, err)) {
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
			if (wire_wait(w, want, -1, err) == -1)
				return -1;
			break;
		}
	}
	return 0;
}

void
wire_goodbye(struct wire *w)
{
	if (w->tls != NULL)
		tls_close(w->tls);
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
wire_shut(struct wire *w, char *scratch, size_t size)
{
	(void)shutdown(w->fd, SHUT_WR);
	discard_input(w->fd, scratch, size);
}
