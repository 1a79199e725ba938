/* SPDX-License-Identifier: BSD-2-Clause */
#include "config.h"

#include "core/socket.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

/*
 * Connections beyond lmtp.max-sessions wait here, where an MTA finds them
 * merely slow; the system lowers this to its own limit.
 */
#define BACKLOG 1024

static int
new_socket(int family, struct err *err)
{
	int fd = socket(family, SOCK_STREAM, 0);

	if (fd == -1)
		return err_sys(err, ERR_LOCAL, errno, "socket");
	(void)fcntl(fd, F_SETFD, FD_CLOEXEC);
	(void)fcntl(fd, F_SETFL, O_NONBLOCK);
	return fd;
}

/*
 * 0: the file is gone or was nobody's; -1: somebody listens there, or it is no
 * socket.
 */
static int
clear_path(const struct sockaddr_un *un, struct err *err)
{
	struct stat st;
	int fd, rc;

	if (lstat(un->sun_path, &st) == -1)
		return errno == ENOENT
		    ? 0
		    : err_sys(err, ERR_CONFIG, errno, "%s", un->sun_path);
	if (!S_ISSOCK(st.st_mode))
		return err_set(err, ERR_CONFIG, "%s is there and no socket",
		    un->sun_path);
	if ((fd = new_socket(AF_UNIX, err)) == -1)
		return -1;
	rc = connect(fd, (const struct sockaddr *)un, sizeof(*un));
	(void)close(fd);
	if (rc == 0 || errno == EAGAIN)
		return err_set(err, ERR_STATE, "%s: somebody listens there",
		    un->sun_path);
	if (unlink(un->sun_path) == -1 && errno != ENOENT)
		return err_sys(err, ERR_CONFIG, errno, "%s", un->sun_path);
	return 0;
}

/*
 * The directory may belong to the user that posternd becomes, who must not be
 * able to point root elsewhere: the mode comes from umask at bind, and the
 * group is set on the name itself.
 */
static int
bind_with_mode(int fd, const struct sockaddr_un *un, unsigned mode)
{
	mode_t mask = umask(~(mode_t)mode & 0777);
	int rc = bind(fd, (const struct sockaddr *)un, sizeof(*un));

	(void)umask(mask);
	return rc;
}

static int
set_group(const char *path, const char *group, struct err *err)
{
	struct group *gr;

	if (*group == '\0')
		return 0;
	gr = getgrnam(group);
	if (gr == NULL)
		return err_set(err, ERR_CONFIG, "no group %s", group);
	if (lchown(path, (uid_t)-1, gr->gr_gid) == -1)
		return err_sys(err, ERR_CONFIG, errno, "%s: group %s", path,
		    group);
	return 0;
}

/* PATH[:MODE[:GROUP]] */
static int
listen_unix(const char *spec, struct listen_socket *s, struct err *err)
{
	struct sockaddr_un un = { .sun_family = AF_UNIX };
	char mode[8] = "0660", group[64] = "";
	size_t len = strcspn(spec, ":");

	if (len == 0 || len >= sizeof(un.sun_path))
		return err_set(err, ERR_CONFIG,
		    "a path of 1 to %zu bytes is needed",
		    sizeof(un.sun_path) - 1);
	memcpy(un.sun_path, spec, len);
	if (spec[len] == ':')
		(void)sscanf(spec + len + 1, "%7[0-7]:%63s", mode, group);
	if (clear_path(&un, err) == -1 ||
	    (s->fd = new_socket(AF_UNIX, err)) == -1)
		return -1;
	if (bind_with_mode(s->fd, &un, (unsigned)strtoul(mode, NULL, 8)) == -1)
		return err_sys(err, ERR_CONFIG, errno, "bind %s", un.sun_path);
	s->is_unix = true;
	memcpy(s->path, un.sun_path, len + 1);
	(void)snprintf(s->text, sizeof(s->text), "unix:%s", s->path);
	return set_group(s->path, group, err);
}

/* The address as it is bound: port 0 has become one. */
static void
describe(struct listen_socket *s)
{
	struct sockaddr_storage addr;
	socklen_t len = sizeof(addr);
	char host[64], port[8];

	if (getsockname(s->fd, (struct sockaddr *)&addr, &len) == -1 ||
	    getnameinfo((struct sockaddr *)&addr, len, host, sizeof(host),
		port, sizeof(port), NI_NUMERICHOST | NI_NUMERICSERV) != 0)
		return;
	(void)snprintf(s->text, sizeof(s->text),
	    strchr(host, ':') != NULL ? "inet:[%s]:%s" : "inet:%s:%s", host,
	    port);
}

static int
bind_inet(struct listen_socket *s, const struct addrinfo *ai, struct err *err)
{
	int one = 1;

	if ((s->fd = new_socket(ai->ai_family, err)) == -1)
		return -1;
	(void)setsockopt(s->fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (bind(s->fd, ai->ai_addr, ai->ai_addrlen) == -1)
		return err_sys(err, ERR_CONFIG, errno, "bind");
	describe(s);
	return 0;
}

/* ADDR:PORT, [V6]:PORT */
static int
listen_inet(const char *spec, struct listen_socket *s, struct err *err)
{
	struct addrinfo hints = {
		.ai_socktype = SOCK_STREAM,
		.ai_flags = AI_PASSIVE | AI_NUMERICSERV,
	};
	const char *colon = strrchr(spec, ':');
	struct addrinfo *ai;
	char host[256];
	size_t len;
	int rc;

	if (colon == NULL)
		return err_set(err, ERR_CONFIG, "ADDRESS:PORT is needed");
	len = (size_t)(colon - spec);
	if (len >= 2 && spec[0] == '[' && spec[len - 1] == ']') {
		spec++;
		len -= 2;
	}
	(void)snprintf(host, sizeof(host), "%.*s", (int)len, spec);
	rc = getaddrinfo(host, colon + 1, &hints, &ai);
	if (rc != 0)
		return err_set(err, ERR_CONFIG, "%s: %s", host,
		    gai_strerror(rc));
	rc = bind_inet(s, ai, err);
	freeaddrinfo(ai);
	return rc;
}

int
socket_listen(const char *spec, struct listen_socket *s, struct err *err)
{
	int rc;

	*s = (struct listen_socket) { .fd = -1 };
	if (strncmp(spec, "unix:", 5) == 0)
		rc = listen_unix(spec + 5, s, err);
	else if (strncmp(spec, "inet:", 5) == 0)
		rc = listen_inet(spec + 5, s, err);
	else
		rc = err_set(err, ERR_CONFIG, "must begin with unix: or inet:");
	if (rc == 0 && listen(s->fd, BACKLOG) == -1)
		rc = err_sys(err, ERR_CONFIG, errno, "listen");
	if (rc == -1)
		socket_unlisten(s);
	return rc;
}

void
socket_unlisten(struct listen_socket *s)
{
	if (s->fd != -1)
		(void)close(s->fd);
	s->fd = -1;
	if (s->is_unix)
		(void)unlink(s->path);
}
