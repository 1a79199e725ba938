/* SPDX-License-Identifier: BSD-2-Clause */
#include "config.h"

#include "milter/socketmap.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/clock.h"
#include "core/log.h"
#include "core/mem.h"
#include "core/socket.h"
#include "core/stream.h"
#include "core/thread.h"
#include "milter/current.h"
#include "milter/lookup.h"

/*
 * A thread for each connection. Processes of an MTA keep theirs and ask now and
 * then; Sendmail puts the mail off when one that it kept has gone, so idle ones
 * are borne for long. When there are too many, the one that has been idle for
 * longest makes room; while none is idle, more wait in the backlog, where they
 * find us merely slow.
 */
#define CLIENTS_MAX 500
#define IDLE_US (10 * 60 * US_PER_SEC)
#define REQUEST_US (10 * US_PER_SEC) /* for the rest of one, and its reply */

#define BUSY INT64_MAX

struct client {
	struct stream *stream;
	char in[LOOKUP_MAX + 8]; /* room for any request */
	size_t len;
	int64_t idle_us; /* since when it has asked nothing, or BUSY */
	size_t place;	 /* in map.clients; this and idle_us under its lock */
};

static struct {
	struct listen_socket socket;
	pthread_mutex_t lock;
	pthread_cond_t room; /* there is, or somebody could make some */
	struct client *clients[CLIENTS_MAX];
	size_t n;
} map = { .lock = PTHREAD_MUTEX_INITIALIZER, .room = PTHREAD_COND_INITIALIZER };

int
socketmap_bind(const char *spec, struct err *err)
{
	return socket_listen(spec, &map.socket, err);
}

const char *
socketmap_address(void)
{
	return map.socket.text;
}

static int
answer(struct stream *s, const struct lookup *l, struct err *err)
{
	char why[LOOKUP_WHY], key[LOOKUP_MAX + 1];
	struct rewrite_rules rules;
	struct buf out;
	int rc;

	buf_init(&out, LOOKUP_MAX);
	current_get(NULL, &rules);
	(void)lookup_answer(l, &rules, clock_wall_us(), &out, why);
	rules_put(&rules);
	if (*why != '\0') {
		(void)snprintf(key, sizeof(key), "%.*s", (int)l->key_len,
		    l->key);
		log_info(NULL, "srs-refused", "address", key, "reason", why);
	}
	stream_write(s, out.data, out.len);
	rc = stream_flush(s, err);
	buf_free(&out);
	return rc;
}

static void
set_idle(struct client *c, int64_t idle_us)
{
	(void)pthread_mutex_lock(&map.lock);
	c->idle_us = idle_us;
	(void)pthread_cond_signal(&map.room);
	(void)pthread_mutex_unlock(&map.lock);
}

/* More of a request. 1; 0 when the client has gone between two; -1 and err. */
static int
receive(struct client *c, struct err *err)
{
	const char *data;
	size_t len, room = sizeof(c->in) - c->len;
	int64_t now = clock_mono_us();
	int rc;

	stream_deadline(c->stream, now + (c->len == 0 ? IDLE_US : REQUEST_US));
	if (c->len == 0)
		set_idle(c, now);
	rc = stream_peek(c->stream, &data, &len, err);
	if (c->len == 0)
		set_idle(c, BUSY);
	if (rc == 0 && c->len > 0)
		return err_set(err, ERR_PROTO, "gone within a request");
	if (rc != 1)
		return rc;
	if (len > room)
		len = room;
	memcpy(c->in + c->len, data, len);
	c->len += len;
	stream_consume(c->stream, len);
	return 1;
}

/* Until the client has gone: 0; or -1 and err. */
static int
serve(struct client *c, struct err *err)
{
	struct lookup l;
	size_t used;
	int rc;

	for (;;) {
		switch (lookup_parse(c->in, c->len, &l, &used)) {
		case LOOKUP_MORE:
			if ((rc = receive(c, err)) != 1)
				return rc;
			break;
		case LOOKUP_BAD:
			return err_set(err, ERR_PROTO,
			    "that is no socketmap request");
		case LOOKUP_READY:
			if (answer(c->stream, &l, err) == -1)
				return -1;
			c->len -= used;
			memmove(c->in, c->in + used, c->len);
			break;
		}
	}
}

static void
enter(struct client *c)
{
	(void)pthread_mutex_lock(&map.lock);
	c->place = map.n++;
	map.clients[c->place] = c;
	(void)pthread_mutex_unlock(&map.lock);
}

/* Before its descriptor is closed, and may become another's. */
static void
leave(struct client *c)
{
	(void)pthread_mutex_lock(&map.lock);
	map.clients[c->place] = map.clients[--map.n];
	map.clients[c->place]->place = c->place;
	(void)pthread_cond_signal(&map.room);
	(void)pthread_mutex_unlock(&map.lock);
}

static void *
client_main(void *arg)
{
	struct client *c = arg;
	struct err err;

	if (serve(c, &err) == -1 && err.class == ERR_PROTO)
		log_warning(NULL, "socketmap", "reason", err.text);
	leave(c);
	stream_close(c->stream);
	free(c);
	return NULL;
}

static void
begin(int fd)
{
	struct client *c = mem_new(sizeof(*c));

	(void)fcntl(fd, F_SETFD, FD_CLOEXEC);
	(void)fcntl(fd, F_SETFL, O_NONBLOCK);
	c->stream = stream_new(fd);
	c->idle_us = BUSY;
	enter(c);
	if (thread_start(client_main, c) == 0)
		return;
	log_error(NULL, "socketmap", "reason", "no thread to be had");
	leave(c);
	stream_free(c->stream);
	free(c);
}

/* A request that nobody has read yet is one. */
static bool
is_idle(const struct client *c)
{
	struct pollfd p = { .fd = stream_fd(c->stream), .events = POLLIN };

	return c->idle_us != BUSY && poll(&p, 1, 0) == 0;
}

/* Its thread reads the end of the connection then. False when nobody is idle. */
static bool
make_room(void)
{
	struct client *oldest = NULL;

	for (size_t i = 0; i < map.n; i++)
		if ((oldest == NULL ||
			map.clients[i]->idle_us < oldest->idle_us) &&
		    is_idle(map.clients[i]))
			oldest = map.clients[i];
	if (oldest == NULL)
		return false;
	(void)shutdown(stream_fd(oldest->stream), SHUT_RDWR);
	return true;
}

static void
wait_for_room(void)
{
	bool made = false;

	(void)pthread_mutex_lock(&map.lock);
	while (map.n == CLIENTS_MAX) {
		made = made || make_room();
		(void)pthread_cond_wait(&map.room, &map.lock);
	}
	(void)pthread_mutex_unlock(&map.lock);
}

_Noreturn static void *
socketmap_main(void *arg)
{
	struct pollfd p = { .fd = map.socket.fd, .events = POLLIN };
	int fd;

	(void)arg;
	for (;;) {
		(void)poll(&p, 1, -1);
		wait_for_room();
		if ((fd = accept(map.socket.fd, NULL, NULL)) != -1) {
			begin(fd);
		} else if (errno == EMFILE || errno == ENFILE ||
		    errno == ENOMEM) {
			log_error(NULL, "socketmap", "reason",
			    "no descriptor or memory for one more");
			(void)poll(NULL, 0, 1000);
		}
	}
}

int
socketmap_start(void)
{
	return thread_start(socketmap_main, NULL);
}

void
socketmap_unlink(void)
{
	/* The descriptor is the thread's, until the process ends. */
	if (map.socket.is_unix)
		(void)unlink(map.socket.path);
}
