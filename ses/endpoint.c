/* SPDX-License-Identifier: BSD-2-Clause */
#include "config.h"

#include "ses/endpoint.h"

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "core/clock.h"

#define STAGGER_US (250 * US_PER_MS) /* RFC 8305 section 5 */

/* HOST, HOST:PORT, [V6] or [V6]:PORT; conf has checked the shape. */
bool
endpoint_get(const struct conf *conf, size_t i, struct endpoint *e)
{
	const char *spec, *end, *port;

	if (i >= conf->ses.endpoint.n)
		return false;
	spec = conf->ses.endpoint.items[i];
	if (*spec == '[') {
		end = strchr(++spec, ']');
		if (end == NULL)
			end = spec + strlen(spec);
		port = *end != '\0' && end[1] == ':' ? end + 2 : "587";
	} else {
		end = spec + strcspn(spec, ":");
		port = *end == ':' ? end + 1 : "587";
	}
	(void)snprintf(e->host, sizeof(e->host), "%.*s", (int)(end - spec),
	    spec);
	(void)snprintf(e->port, sizeof(e->port), "%.5s", port);
	e->wrapper = conf->ses.tls == CONF_TLS_WRAPPER ||
	    (conf->ses.tls == CONF_TLS_AUTO &&
		(strcmp(e->port, "465") == 0 || strcmp(e->port, "2465") == 0));
	return true;
}

int
endpoint_resolve(const struct endpoint *e, struct endpoint_addresses *as,
    struct err *err)
{
	struct addrinfo hints = {
		.ai_socktype = SOCK_STREAM,
		.ai_flags = AI_NUMERICSERV,
	};
	struct addrinfo *list, *ai;
	struct endpoint_address *a;
	int rc;

	rc = getaddrinfo(e->host, e->port, &hints, &list);
	if (rc != 0)
		return err_set(err, ERR_NET, "%s: %s", e->host,
		    gai_strerror(rc));
	as->n = 0;
	for (ai = list; ai != NULL && as->n < ENDPOINT_ADDRESSES_MAX;
	     ai = ai->ai_next) {
		if (ai->ai_addrlen > sizeof(a->addr))
			continue;
		a = &as->items[as->n++];
		memcpy(&a->addr, ai->ai_addr, ai->ai_addrlen);
		a->len = ai->ai_addrlen;
		a->failed = false;
		if (getnameinfo(ai->ai_addr, ai->ai_addrlen, a->text,
			sizeof(a->text), NULL, 0, NI_NUMERICHOST) != 0)
			(void)snprintf(a->text, sizeof(a->text), "?");
	}
	freeaddrinfo(list);
	if (as->n == 0)
		return err_set(err, ERR_NET, "%s: no address", e->host);
	return 0;
}

/* A connect under way, or -1 and err when it failed at once. */
static int
connect_start(const struct endpoint_address *a, struct err *err)
{
	int fd, flags;

	fd = socket(a->addr.ss_family, SOCK_STREAM, 0);
	if (fd == -1)
		return err_sys(err, ERR_LOCAL, errno, "socket");
	flags = fcntl(fd, F_GETFL);
	if (fcntl(fd, F_SETFD, FD_CLOEXEC) == -1 || flags == -1 ||
	    fcntl(fd, F_SETFL, flags | O_NONBLOCK) == -1 ||
	    (connect(fd, (const struct sockaddr *)&a->addr, a->len) == -1 &&
		errno != EINPROGRESS && errno != EINTR)) {
		(void)err_sys(err, ERR_NET, errno, "connect to %s", a->text);
		(void)close(fd);
		return -1;
	}
	return fd;
}

/* Connects under way: fds[i].fd is -1 where none is. */
struct race {
	struct pollfd fds[ENDPOINT_ADDRESSES_MAX];
	size_t started; /* addresses looked at */
	size_t running;
};

static void
race_start_next(struct race *r, struct endpoint_addresses *as, struct err *err)
{
	struct endpoint_address *a = &as->items[r->started];
	struct pollfd *p = &r->fds[r->started++];

	*p = (struct pollfd) { .fd = -1, .events = POLLOUT };
	if (a->failed)
		return;
	p->fd = connect_start(a, err);
	if (p->fd == -1)
		a->failed = true;
	else
		r->running++;
}

/* The first connect that has succeeded, or -1. */
static int
race_collect(struct race *r, struct endpoint_addresses *as, struct err *err)
{
	socklen_t len;
	int soerr;

	for (size_t i = 0; i < r->started; i++) {
		if (r->fds[i].fd == -1 || r->fds[i].revents == 0)
			continue;
		len = sizeof(soerr);
		if (getsockopt(r->fds[i].fd, SOL_SOCKET, SO_ERROR, &soerr,
			&len) == 0 && soerr == 0)
			return (int)i;
		(void)err_sys(err, ERR_NET, soerr, "connect to %s",
		    as->items[i].text);
		(void)close(r->fds[i].fd);
		r->fds[i].fd = -1;
		r->running--;
		as->items[i].failed = true;
	}
	return -1;
}

/*
 * Wait until something happened, the next address is due or time is up. The
 * rest of the wait is counted in whole milliseconds, rounded up.
 */
static void
race_wait(struct race *r, int64_t until_us)
{
	int64_t rest = until_us - clock_mono_us();

	for (size_t i = 0; i < r->started; i++)
		r->fds[i].revents = 0;
	(void)poll(r->fds, (nfds_t)r->started,
	    rest <= 0 ? 0 : (int)((rest + US_PER_MS - 1) / US_PER_MS));
}

int
endpoint_connect(struct endpoint_addresses *as, int64_t deadline_us,
    size_t *which_r, struct err *err)
{
	struct race r = { .started = 0, .running = 0 };
	int64_t next_us = 0, wait_us;
	int won = -1, fd = -1;

	(void)err_set(err, ERR_NET, "no address answered");
	while (won == -1 && clock_mono_us() < deadline_us) {
		if (r.started < as->n &&
		    (r.running == 0 || clock_mono_us() >= next_us)) {
			race_start_next(&r, as, err);
			next_us = clock_mono_us() + STAGGER_US;
		} else if (r.running == 0) {
			break;
		}
		if (r.running == 0)
			continue;
		wait_us = r.started < as->n && next_us < deadline_us
		    ? next_us
		    : deadline_us;
		race_wait(&r, wait_us);
		won = race_collect(&r, as, err);
	}
	if (won == -1 && r.running > 0)
		(void)err_set(err, ERR_TIMEOUT, "connect timed out");
	for (size_t i = 0; i < r.started; i++) {
		if (r.fds[i].fd == -1)
			continue;
		if ((int)i == won) {
			fd = r.fds[i].fd;
			*which_r = i;
		} else {
			(void)close(r.fds[i].fd);
			/* A loser of the race has not failed. */
			as->items[i].failed = won == -1;
		}
	}
	return fd;
}
