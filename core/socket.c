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

/* Another link could be to any file, which the group would then be given. */
static int
check_own(const char *path, struct err *err)
{
	struct stat st;

	if (lstat(path, &st) == -1)
		return err_sys(err, ERR_CONFIG, errno, "%s", path);
	if (!S_ISSOCK(st.st_mode) || st.st_nlink != 1)
		return err_set(err, ERR_CONFIG,
		    "%s is not the socket that was just made there: who else "
		    "may write to that directory?", path);
	return 0;
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
	if (check_own(path, err) == -1)
		return -1;
	if (lchown(path, (uid_t)-1, gr->gr_gid) == -1)
		return err_sys(err, ERR_CONFIG, errno, "%s: group %s", path,
		    group);
	return 0;
}

/* PATH[:MODE[:GROUP]] */
static int
parse_unix(const char *text, struct socket_spec *spec, struct err *err)
{
	char mode[8] = "0660";
	size_t len = strcspn(text, ":");

	if (len == 0 || len >= sizeof(spec->path))
		return err_set(err, ERR_CONFIG,
		    "a path of 1 to %zu bytes is needed",
		    sizeof(spec->path) - 1);
	memcpy(spec->path, text, len);
	if (text[len] == ':')
		(void)sscanf(text + len + 1, "%7[0-7]:%63s", mode, spec->group);
	spec->mode = (mode_t)strtoul(mode, NULL, 8);
	spec->is_unix = true;
	return 0;
}

/* ADDR:PORT, [V6]:PORT */
static int
parse_inet(const char *text, struct socket_spec *spec, struct err *err)
{
	const char *colon = strrchr(text, ':');
	size_t len;

	if (colon == NULL)
		return err_set(err, ERR_CONFIG, "ADDRESS:PORT is needed");
	len = (size_t)(colon - text);
	if (len >= 2 && text[0] == '[' && text[len - 1] == ']') {
		text++;
		len -= 2;
	}
	(void)snprintf(spec->host, sizeof(spec->host), "%.*s", (int)len, text);
	(void)snprintf(spec->port, sizeof(spec->port), "%s", colon + 1);
	return 0;
}

int
socket_spec(const char *text, struct socket_spec *spec, struct err *err)
{
	*spec = (struct socket_spec) { .is_unix = false };
	if (strncmp(text, "unix:", 5) == 0)
		return parse_unix(text + 5, spec, err);
	if (strncmp(text, "inet:", 5) == 0)
		return parse_inet(text + 5, spec, err);
	return err_set(err, ERR_CONFIG, "must begin with unix: or inet:");
}

/*
 * The directory may belong to the user that the daemon becomes, who must not be
 * able to point root elsewhere: the mode comes from umask at bind, and the
 * group is set on the name itself, after a look whether that is still the
 * socket. A hard link put there just after the look would still win; what keeps
 * it out is that nobody may link to the files of others (fs.protected_hardlinks
 * of Linux), or a directory that is root's.
 */
int
socket_bind_unix(const struct socket_spec *spec, socket_bind_fn *fn, void *arg,
    struct err *err)
{
	struct sockaddr_un un = { .sun_family = AF_UNIX };
	mode_t mask;
	int rc;

	memcpy(un.sun_path, spec->path, sizeof(spec->path));
	if (clear_path(&un, err) == -1)
		return -1;
	mask = umask(~spec->mode & 0777);
	rc = fn(arg, &un, err);
	(void)umask(mask);
	return rc == -1 ? -1 : set_group(spec->path, spec->group, err);
}

static int
bind_unix(void *arg, const struct sockaddr_un *un, struct err *err)
{
	struct listen_socket *s = arg;

	if ((s->fd = new_socket(AF_UNIX, err)) == -1)
		return -1;
	if (bind(s->fd, (const struct sockaddr *)un, sizeof(*un)) == -1)
		return err_sys(err, ERR_CONFIG, errno, "bind %s",
		    un->sun_path);
	s->is_unix = true;
	memcpy(s->path, un->sun_path, sizeof(s->path));
	(void)snprintf(s->text, sizeof(s->text), "unix:%s", s->path);
	return 0;
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

static int
listen_inet(const struct socket_spec *spec, struct listen_socket *s,
    struct err *err)
{
	struct addrinfo hints = {
		.ai_socktype = SOCK_STREAM,
		.ai_flags = AI_PASSIVE | AI_NUMERICSERV,
	};
	struct addrinfo *ai;
	int rc;

	rc = getaddrinfo(spec->host, spec->port, &hints, &ai);
	if (rc != 0)
		return err_set(err, ERR_CONFIG, "%s: %s", spec->host,
		    gai_strerror(rc));
	rc = bind_inet(s, ai, err);
	freeaddrinfo(ai);
	return rc;
}

int
socket_listen(const char *text, struct listen_socket *s, struct err *err)
{
	struct socket_spec spec;
	int rc;

	*s = (struct listen_socket) { .fd = -1 };
	if (socket_spec(text, &spec, err) == -1)
		return -1;
	rc = spec.is_unix ? socket_bind_unix(&spec, bind_unix, s, err) :
			    listen_inet(&spec, s, err);
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
