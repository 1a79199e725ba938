/* SPDX-License-Identifier: BSD-2-Clause */
#include "config.h"

#include "sandbox/listener.h"

#include <sys/socket.h>
#include <netinet/in.h>

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <netdb.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/log.h"
#include "core/mem.h"
#include "sandbox/crowd.h"
#include "sandbox/sandbox.h"
#include "sandbox/session.h"

/*
 * One thread accepts on all ports. It polls under no lock; whoever opens or
 * closes ports pokes it through a pipe, and it reads the new set of
 * descriptors. A descriptor is closed by the accepting thread only, since
 * another one might get its number while it is being polled.
 */
enum { PORTS_MAX = 16, BACKLOG = 1024 };

struct port {
	struct sockaddr_storage sa;
	socklen_t len;
	bool wrapper;
	int fd; /* -1 while closed */
};

struct listeners {
	pthread_mutex_t lock;
	pthread_cond_t settled;
	struct port ports[PORTS_MAX];
	size_t n;
	bool wanted; /* are the ports to be open? */
	bool is_open;
	struct err why; /* they could not be opened */
	int poke[2];
	bool started;
	pthread_t thread;
	struct sandbox *sb;
	uint64_t connections; /* only the accepting thread's */
};

struct arrival {
	struct sandbox *sb;
	int fd;
	bool wrapper;
	uint64_t number;
};

static void
serve(void *arg)
{
	struct arrival a = *(struct arrival *)arg;

	free(arg);
	session_run(a.sb, a.fd, a.wrapper, a.number);
}

static void
start_session(struct listeners *l, int fd, bool wrapper)
{
	struct arrival *a = mem_new(sizeof(*a));

	*a = (struct arrival){ l->sb, fd, wrapper, ++l->connections };
	if (crowd_start(l->sb->crowd, fd, serve, a) == 0)
		return;
	log_error(NULL, "accept", "reason", "no thread to be had");
	(void)close(fd);
	free(a);
}

static void
accept_one(struct listeners *l, const struct port *p)
{
	int fd = accept(p->fd, NULL, NULL);

	if (fd == -1)
		return;
	(void)fcntl(fd, F_SETFD, FD_CLOEXEC);
	start_session(l, fd, p->wrapper);
}

static void
set_port(struct port *p, unsigned number)
{
	if (p->sa.ss_family == AF_INET6)
		((struct sockaddr_in6 *)&p->sa)->sin6_port =
		    htons((uint16_t)number);
	else
		((struct sockaddr_in *)&p->sa)->sin_port =
		    htons((uint16_t)number);
}

static unsigned
get_port(const struct port *p)
{
	if (p->sa.ss_family == AF_INET6)
		return ntohs(((const struct sockaddr_in6 *)&p->sa)->sin6_port);
	return ntohs(((const struct sockaddr_in *)&p->sa)->sin_port);
}

static int
open_socket(struct port *p)
{
	int fd, on = 1;

	fd = socket(p->sa.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd == -1)
		return -1;
	(void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (p->sa.ss_family == AF_INET6)
		(void)setsockopt(
		    fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof(on));
	(void)fcntl(fd, F_SETFL, O_NONBLOCK);
	if (bind(fd, (struct sockaddr *)&p->sa, p->len) == 0 &&
	    listen(fd, BACKLOG) == 0)
		return fd;
	(void)close(fd);
	return -1;
}

/* Bind and listen; a port that was 0 is known afterwards. */
static int
open_port(struct port *p, struct err *err)
{
	p->fd = open_socket(p);
	if (p->fd == -1)
		return err_sys(
		    err, ERR_LOCAL, errno, "listen on port %u", get_port(p));
	p->len = sizeof(p->sa);
	if (getsockname(p->fd, (struct sockaddr *)&p->sa, &p->len) == -1)
		return err_sys(err, ERR_LOCAL, errno, "getsockname");
	return 0;
}

static int
parse_address(struct port *p, const char *address, struct err *err)
{
	struct addrinfo hints = { .ai_socktype = SOCK_STREAM,
		.ai_flags = AI_NUMERICHOST },
			*ai;

	if (getaddrinfo(address, "0", &hints, &ai) != 0)
		return err_set(err, ERR_CONFIG,
		    "address %s: an IPv4 or IPv6 address is wanted", address);
	memcpy(&p->sa, ai->ai_addr, ai->ai_addrlen);
	p->len = ai->ai_addrlen;
	freeaddrinfo(ai);
	return 0;
}

static int
add_port(struct listeners *l, const char *address, bool wrapper,
    unsigned number, struct err *err)
{
	struct port *p = &l->ports[l->n];

	if (l->n == PORTS_MAX)
		return err_set(err, ERR_CONFIG, "too many addresses");
	p->wrapper = wrapper;
	p->fd = -1;
	if (parse_address(p, address, err) == -1)
		return -1;
	l->n++;
	/* The first address decides where the kernel may choose. */
	set_port(p, l->n > 2 ? listeners_port(l, wrapper) : number);
	return open_port(p, err);
}

static void
close_ports(struct listeners *l)
{
	for (size_t i = 0; i < l->n; i++) {
		if (l->ports[i].fd != -1)
			(void)close(l->ports[i].fd);
		l->ports[i].fd = -1;
	}
}

struct listeners *
listeners_new(const char *const *addresses, size_t n, unsigned starttls_port,
    unsigned wrapper_port, struct err *err)
{
	struct listeners *l = mem_new(sizeof(*l));
	int rc = 0;

	(void)pthread_mutex_init(&l->lock, NULL);
	(void)pthread_cond_init(&l->settled, NULL);
	l->wanted = l->is_open = true;
	l->poke[0] = l->poke[1] = -1;
	for (size_t i = 0; i < n && rc == 0; i++) {
		rc = add_port(l, addresses[i], false, starttls_port, err);
		if (rc == 0)
			rc = add_port(l, addresses[i], true, wrapper_port, err);
	}
	if (rc == 0 && pipe(l->poke) == -1)
		rc = err_sys(err, ERR_LOCAL, errno, "pipe");
	if (rc == 0)
		return l;
	listeners_free(l);
	return NULL;
}

unsigned
listeners_port(const struct listeners *l, bool wrapper)
{
	for (size_t i = 0; i < l->n; i++)
		if (l->ports[i].wrapper == wrapper)
			return get_port(&l->ports[i]);
	return 0;
}

/* In the accepting thread, under the lock: make the ports what is wanted. */
static void
settle(struct listeners *l)
{
	int rc = 0;

	if (l->wanted == l->is_open)
		return;
	if (!l->wanted) {
		close_ports(l);
	} else {
		for (size_t i = 0; i < l->n && rc == 0; i++)
			rc = open_port(&l->ports[i], &l->why);
		if (rc == -1) {
			close_ports(l);
			l->wanted = false;
		}
	}
	l->is_open = l->wanted;
	(void)pthread_cond_broadcast(&l->settled);
}

static void
poked(struct listeners *l)
{
	char byte;

	(void)!read(l->poke[0], &byte, 1);
	(void)pthread_mutex_lock(&l->lock);
	settle(l);
	(void)pthread_mutex_unlock(&l->lock);
}

static void *
accept_all(void *arg)
{
	struct listeners *l = arg;
	struct pollfd p[PORTS_MAX + 2];
	nfds_t n = (nfds_t)l->n;

	for (;;) {
		for (size_t i = 0; i < l->n; i++)
			p[i] = (struct pollfd){ l->ports[i].fd, POLLIN, 0 };
		p[n] = (struct pollfd){ l->sb->stop_fd, POLLIN, 0 };
		p[n + 1] = (struct pollfd){ l->poke[0], POLLIN, 0 };
		if (poll(p, n + 2, -1) <= 0)
			continue;
		if (p[n].revents != 0)
			return NULL;
		for (size_t i = 0; i < l->n; i++)
			if (p[i].revents != 0)
				accept_one(l, &l->ports[i]);
		if (p[n + 1].revents != 0)
			poked(l);
	}
}

int
listeners_start(struct listeners *l, struct sandbox *sb, struct err *err)
{
	int rc;

	l->sb = sb;
	rc = pthread_create(&l->thread, NULL, accept_all, l);
	if (rc != 0)
		return err_sys(err, ERR_LOCAL, rc, "thread");
	l->started = true;
	return 0;
}

static int
change(struct listeners *l, bool open, struct err *err)
{
	int rc = 0;

	(void)pthread_mutex_lock(&l->lock);
	l->wanted = open;
	if (write(l->poke[1], "", 1) != 1)
		rc = err_sys(err, ERR_LOCAL, errno, "pipe");
	while (rc == 0 && l->wanted != l->is_open)
		(void)pthread_cond_wait(&l->settled, &l->lock);
	if (rc == 0 && l->is_open != open) {
		*err = l->why;
		rc = -1;
	}
	(void)pthread_mutex_unlock(&l->lock);
	return rc;
}

int
listeners_close(struct listeners *l, struct err *err)
{
	return change(l, false, err);
}

int
listeners_open(struct listeners *l, struct err *err)
{
	return change(l, true, err);
}

void
listeners_free(struct listeners *l)
{
	if (l == NULL)
		return;
	if (l->started)
		(void)pthread_join(l->thread, NULL);
	close_ports(l);
	if (l->poke[0] != -1) {
		(void)close(l->poke[0]);
		(void)close(l->poke[1]);
	}
	(void)pthread_cond_destroy(&l->settled);
	(void)pthread_mutex_destroy(&l->lock);
	free(l);
}
