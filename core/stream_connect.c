/* SPDX-License-Identifier: BSD-2-Clause */
#include "config.h"

#include "core/stream.h"

#include <sys/un.h>

#include <errno.h>
#include <netdb.h>
#include <stdio.h>
#include <unistd.h>

#include "core/wire.h"

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
	struct wire w = { .fd = fd, .deadline_us = deadline_us };
	socklen_t errnum_len = sizeof(int);
	int errnum = 0;

	if (connect(fd, sa, len) == 0)
		return 0;
	if (errno != EINPROGRESS && errno != EINTR)
		return err_sys(err, ERR_NET, errno, "connect");
	if (wire_wait(&w, TLS_WANT_WRITE, -1, err) == -1)
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
