/* SPDX-License-Identifier: BSD-2-Clause */
#include "config.h"

#include "sandbox/crowd.h"

#include <sys/socket.h>

#include <pthread.h>
#include <stdlib.h>

#include "core/clock.h"
#include "core/mem.h"

/*
 * Threads are joined, not detached: the TLS library cleans up after a thread
 * when it ends, which must be over before the program's own end takes the
 * library apart. Each thread that ends joins the one that ended before it, so
 * that nobody has to collect them; the last one is left to crowd_wait_empty.
 */
#define STACK_BYTES (1024 * 1024)

struct crowd {
	pthread_mutex_t lock;
	pthread_cond_t change;
	int *fds;
	size_t n, cap;
	size_t running;
	bool closed; /* whoever comes now is too late */
	bool has_last; /* a thread that is ending, to be joined: */
	pthread_t last;
};

struct member {
	struct crowd *crowd;
	void (*fn)(void *);
	void *arg;
};

struct crowd *
crowd_new(void)
{
	struct crowd *c = mem_new(sizeof(*c));

	(void)pthread_mutex_init(&c->lock, NULL);
	clock_cond_init(&c->change);
	return c;
}

void
crowd_free(struct crowd *c)
{
	free(c->fds);
	(void)pthread_cond_destroy(&c->change);
	(void)pthread_mutex_destroy(&c->lock);
	free(c);
}

static bool
enter(struct crowd *c, int fd)
{
	bool may;

	(void)pthread_mutex_lock(&c->lock);
	may = !c->closed;
	if (may && c->n == c->cap) {
		c->cap = c->cap > 0 ? c->cap * 2 : 64;
		c->fds = mem_grow(c->fds, c->cap, sizeof(*c->fds));
	}
	if (may) {
		c->fds[c->n++] = fd;
		c->running++;
	}
	(void)pthread_mutex_unlock(&c->lock);
	return may;
}

void
crowd_leave(struct crowd *c, int fd)
{
	size_t i;

	(void)pthread_mutex_lock(&c->lock);
	for (i = 0; i < c->n && c->fds[i] != fd; i++)
		;
	if (i < c->n)
		c->fds[i] = c->fds[--c->n];
	(void)pthread_mutex_unlock(&c->lock);
}

static void *
run(void *arg)
{
	struct member m = *(struct member *)arg;
	struct crowd *c = m.crowd;
	pthread_t before;
	bool join;

	free(arg);
	m.fn(m.arg);
	(void)pthread_mutex_lock(&c->lock);
	join = c->has_last;
	before = c->last;
	c->has_last = true;
	c->last = pthread_self();
	(void)pthread_mutex_unlock(&c->lock);
	if (join)
		(void)pthread_join(before, NULL);
	/* Only now: who sees nobody running may join the last one and go. */
	(void)pthread_mutex_lock(&c->lock);
	c->running--;
	(void)pthread_cond_broadcast(&c->change);
	(void)pthread_mutex_unlock(&c->lock);
	return NULL;
}

int
crowd_start(struct crowd *c, int fd, void (*fn)(void *), void *arg)
{
	struct member *m = mem_new(sizeof(*m));
	pthread_attr_t attr;
	pthread_t thread;
	int rc;

	*m = (struct member){ c, fn, arg };
	if (!enter(c, fd)) {
		free(m);
		return -1;
	}
	(void)pthread_attr_init(&attr);
	(void)pthread_attr_setstacksize(&attr, STACK_BYTES);
	rc = pthread_create(&thread, &attr, run, m);
	(void)pthread_attr_destroy(&attr);
	if (rc == 0)
		return 0;
	free(m);
	crowd_leave(c, fd);
	(void)pthread_mutex_lock(&c->lock);
	c->running--;
	(void)pthread_mutex_unlock(&c->lock);
	return -1;
}

void
crowd_send_away(struct crowd *c)
{
	(void)pthread_mutex_lock(&c->lock);
	for (size_t i = 0; i < c->n; i++)
		(void)shutdown(c->fds[i], SHUT_RDWR);
	(void)pthread_mutex_unlock(&c->lock);
}

void
crowd_close(struct crowd *c)
{
	(void)pthread_mutex_lock(&c->lock);
	c->closed = true;
	(void)pthread_mutex_unlock(&c->lock);
	crowd_send_away(c);
}

bool
crowd_wait_empty(struct crowd *c, int64_t until_mono_us)
{
	bool empty, join;

	(void)pthread_mutex_lock(&c->lock);
	while (c->running > 0)
		if (clock_cond_wait(&c->change, &c->lock, until_mono_us) == -1)
			break;
	empty = c->running == 0;
	join = empty && c->has_last;
	if (join)
		c->has_last = false;
	(void)pthread_mutex_unlock(&c->lock);
	if (join)
		(void)pthread_join(c->last, NULL);
	return empty;
}
