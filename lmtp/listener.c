/* SPDX-License-Identifier: BSD-2-Clause */
#include "config.h"

#include "lmtp/listener.h"

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/clock.h"
#include "core/log.h"
#include "core/mem.h"
#include "core/socket.h"
#include "core/thread.h"
#include "lmtp/allow.h"
#include "lmtp/session.h"

#define SOCKETS_MAX 16
#define LOOK_AGAIN_MS 500 /* for who may have to make room by then */

/*
 * A session as the listener sees it. Entries are in a list from accept to the
 * end of their thread.
 */
struct entry {
	struct entry *next;
	struct listener *listener;
	int fd;
	int wake[2];
	bool is_unix;
	char peer[80];
	struct place place;
};

struct listener {
	struct server *server;
	struct listen_socket sockets[SOCKETS_MAX];
	size_t n;
	int stop[2]; /* a pipe: a byte or end of file ends a wait */
	pthread_mutex_t lock;
	pthread_cond_t ended;
	struct entry *sessions;
	size_t nsessions;
	bool stopping, accepting;
	const char *refusing; /* why sessions don't begin; NULL: they do */
};

static int
bind_all(struct listener *l, const struct conf *conf, struct err *err)
{
	const char *spec;

	for (size_t i = 0; i < conf->lmtp.listen.n; i++) {
		spec = conf->lmtp.listen.items[i];
		if (l->n == SOCKETS_MAX)
			return err_set(err, ERR_CONFIG,
			    "lmtp.listen: more than %d sockets", SOCKETS_MAX);
		if (socket_listen(spec, &l->sockets[l->n], err) == -1)
			return err_context(err, "lmtp.listen: %s", spec);
		log_info(NULL, "listening", "address", l->sockets[l->n++].text);
	}
	return 0;
}

static int
wake_pipe(int fds[2])
{
	if (pipe(fds) == -1)
		return -1;
	for (int i = 0; i < 2; i++) {
		(void)fcntl(fds[i], F_SETFD, FD_CLOEXEC);
		(void)fcntl(fds[i], F_SETFL, O_NONBLOCK);
	}
	return 0;
}

struct listener *
listener_bind(const struct conf *conf, struct err *err)
{
	struct listener *l = mem_new(sizeof(*l));

	(void)pthread_mutex_init(&l->lock, NULL);
	clock_cond_init(&l->ended);
	if (bind_all(l, conf, err) == 0) {
		if (wake_pipe(l->stop) == 0)
			return l;
		(void)err_sys(err, ERR_LOCAL, errno, "pipe");
	}
	for (size_t i = 0; i < l->n; i++)
		socket_unlisten(&l->sockets[i]);
	free(l);
	return NULL;
}

static void
close_entry(struct entry *e)
{
	(void)close(e->wake[0]);
	(void)close(e->wake[1]);
	free(e);
}

static void *
session_main(void *arg)
{
	struct entry *e = arg, **at;
	struct listener *l = e->listener;

	session_run(l->server, e->fd, e->wake, e->peer, e->is_unix,
	    &e->place);
	(void)pthread_mutex_lock(&l->lock);
	for (at = &l->sessions; *at != e;)
		at = &(*at)->next;
	*at = e->next;
	l->nsessions--;
	(void)!write(l->stop[1], "", 1); /* there is room again */
	(void)pthread_cond_broadcast(&l->ended);
	(void)pthread_mutex_unlock(&l->lock);
	close_entry(e);
	return NULL;
}

/*
 * What can't be served is told so before it is closed; the MTA keeps its mail.
 */
static void
turn_away(int fd, const char *words)
{
	(void)send(fd, words, strlen(words), MSG_NOSIGNAL | MSG_DONTWAIT);
	(void)close(fd);
}

/* Told once, however many come; the end of it, too. */
static void
tell_refusing(struct listener *l, const char *reason)
{
	if (reason != NULL &&
	    (l->refusing == NULL || strcmp(reason, l->refusing) != 0))
		log_error(NULL, "no-session", "reason", reason);
	if (reason == NULL && l->refusing != NULL)
		log_warning(NULL, "sessions-again");
	l->refusing = reason;
}

static void
serve(struct listener *l, int fd, bool is_unix, const char *peer)
{
	struct entry *e = mem_new(sizeof(*e));

	e->listener = l;
	e->fd = fd;
	e->is_unix = is_unix;
	atomic_init(&e->place.spare_at, INT64_MAX);
	atomic_init(&e->place.asked, ASK_NOTHING);
	(void)snprintf(e->peer, sizeof(e->peer), "%s", peer);
	if (wake_pipe(e->wake) == -1) {
		tell_refusing(l, "no descriptors left");
		turn_away(fd, "421 4.3.1 No descriptors left, come back\r\n");
		free(e);
		return;
	}
	(void)pthread_mutex_lock(&l->lock);
	e->next = l->sessions;
	l->sessions = e;
	l->nsessions++;
	(void)pthread_mutex_unlock(&l->lock);
	if (thread_start(session_main, e) == 0) {
		tell_refusing(l, NULL);
		return;
	}
	tell_refusing(l, "no thread to be had");
	turn_away(fd, "421 4.3.1 No thread to be had, come back\r\n");
	(void)pthread_mutex_lock(&l->lock);
	l->sessions = e->next;
	l->nsessions--;
	(void)pthread_mutex_unlock(&l->lock);
	close_entry(e);
}

static void
accept_one(struct listener *l, struct listen_socket *s)
{
	struct sockaddr_storage addr;
	socklen_t len = sizeof(addr);
	char peer[80] = "unix";
	struct conf *conf;
	bool may = true;
	int fd;

	fd = accept(s->fd, (struct sockaddr *)&addr, &len);
	if (fd == -1) {
		if (errno == EMFILE || errno == ENFILE || errno == ENOMEM) {
			tell_refusing(l, errno == ENOMEM
				? "no memory left"
				: "no descriptors left");
			/* Nothing will change by trying at once. */
			(void)poll(NULL, 0, 100);
		}
		return;
	}
	(void)fcntl(fd, F_SETFD, FD_CLOEXEC);
	(void)fcntl(fd, F_SETFL, O_NONBLOCK);
	if (!s->is_unix) {
		if (getnameinfo((struct sockaddr *)&addr, len, peer,
			sizeof(peer), NULL, 0, NI_NUMERICHOST) != 0)
			(void)snprintf(peer, sizeof(peer), "?");
		conf = conf_current();
		may = allow_match(&conf->lmtp.allow, &addr);
		conf_release(conf);
	}
	if (may) {
		serve(l, fd, s->is_unix, peer);
	} else {
		log_warning(NULL, "not-allowed", "peer", peer);
		turn_away(fd, "554 5.7.1 Not in lmtp.allow\r\n");
	}
}

static void
ask(struct entry *e, enum ask what)
{
	atomic_store(&e->place.asked, what);
	(void)!write(e->wake[1], "", 1);
}

/*
 * Somebody waits in the backlog: ask the session whose place has been to spare
 * for longest. One that does not go, since it is about to be of use or can't
 * say its last words, is passed over the next time.
 */
static void
ask_for_room(struct listener *l)
{
	int64_t at, first = clock_mono_us();
	struct entry *chosen = NULL;

	(void)pthread_mutex_lock(&l->lock);
	for (struct entry *e = l->sessions; e != NULL; e = e->next) {
		at = atomic_load(&e->place.spare_at);
		if (at < first &&
		    atomic_load(&e->place.asked) == ASK_NOTHING) {
			first = at;
			chosen = e;
		}
	}
	if (chosen != NULL)
		ask(chosen, ASK_ROOM);
	(void)pthread_mutex_unlock(&l->lock);
}

static bool
has_room(struct listener *l)
{
	struct conf *conf = conf_current();
	bool room = listener_sessions(l) < (size_t)conf->lmtp.max_sessions;

	conf_release(conf);
	return room;
}

/*
 * Accept from all who wait, as far as there is room. false: there is not enough
 * for all of them.
 */
static bool
accept_all(struct listener *l, const struct pollfd *p)
{
	for (size_t i = 0; i < l->n; i++) {
		if ((p[i].revents & POLLIN) == 0)
			continue;
		if (!has_room(l))
			return false;
		accept_one(l, &l->sockets[i]);
	}
	return true;
}

static bool
is_stopping(struct listener *l)
{
	char bytes[64];
	bool stopping;

	while (read(l->stop[0], bytes, sizeof(bytes)) == sizeof(bytes))
		;
	(void)pthread_mutex_lock(&l->lock);
	stopping = l->stopping;
	(void)pthread_mutex_unlock(&l->lock);
	return stopping;
}

static void *
listener_main(void *arg)
{
	struct listener *l = arg;
	struct pollfd p[1 + SOCKETS_MAX];

	p[0] = (struct pollfd) { .fd = l->stop[0], .events = POLLIN };
	for (size_t i = 0; i < l->n; i++)
		p[1 + i] = (struct pollfd) {
			.fd = l->sockets[i].fd,
			.events = POLLIN,
		};
	while (!is_stopping(l)) {
		if (poll(p, (nfds_t)l->n + 1, -1) <= 0 ||
		    accept_all(l, p + 1))
			continue;
		ask_for_room(l);
		/* They stay where they are until a session ends. */
		(void)poll(p, 1, LOOK_AGAIN_MS);
	}
	(void)pthread_mutex_lock(&l->lock);
	l->accepting = false;
	(void)pthread_cond_broadcast(&l->ended);
	(void)pthread_mutex_unlock(&l->lock);
	return NULL;
}

int
listener_start(struct listener *l, struct server *server)
{
	l->server = server;
	l->accepting = true;
	return thread_start(listener_main, l);
}

void
listener_close(struct listener *l)
{
	(void)pthread_mutex_lock(&l->lock);
	l->stopping = true;
	(void)!write(l->stop[1], "", 1);
	while (l->accepting)
		(void)clock_cond_wait(&l->ended, &l->lock, INT64_MAX);
	(void)pthread_mutex_unlock(&l->lock);
	for (size_t i = 0; i < l->n; i++)
		socket_unlisten(&l->sockets[i]);
}

void
listener_stop(struct listener *l, int64_t deadline_us)
{
	(void)pthread_mutex_lock(&l->lock);
	for (struct entry *e = l->sessions; e != NULL; e = e->next)
		ask(e, ASK_END);
	while (l->nsessions > 0)
		if (clock_cond_wait(&l->ended, &l->lock, deadline_us) == -1)
			break;
	(void)pthread_mutex_unlock(&l->lock);
}

size_t
listener_sessions(struct listener *l)
{
	size_t n;

	(void)pthread_mutex_lock(&l->lock);
	n = l->nsessions;
	(void)pthread_mutex_unlock(&l->lock);
	return n;
}
