/* SPDX-License-Identifier: BSD-2-Clause */
#include "config.h"

#include "sandbox/crowd.h"

#include <sys/socket.h>

#include <pthread.h>
#include <stdlib.h>

#include "core/clock.h"
#include "core/mem.h"

struct crowd {
	pthread_mutex_t lock;
	pthread_cond_t change;
	int *fds;
	size_t n, cap;
	size_t present; /* entered and not gone */
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

void
crowd_enter(struct crowd *c, int fd)
{
	(void)pthread_mutex_lock(&c->lock);
	if (c->n == c->cap) {
		c->cap = c->cap > 0 ? c->cap * 2 : 64;
		c->fds = mem_grow(c->fds, c->cap, sizeof(*c->fds));
	}
	c->fds[c->n++] = fd;
	c->present++;
	(void)pthread_mutex_unlock(&c->lock);
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

void
crowd_gone(struct crowd *c)
{
	(void)pthread_mutex_lock(&c->lock);
	c->present--;
	(void)pthread_cond_broadcast(&c->change);
	(void)pthread_mutex_unlock(&c->lock);
}

size_t
crowd_size(struct crowd *c)
{
	size_t n;

	(void)pthread_mutex_lock(&c->lock);
	n = c->n;
	(void)pthread_mutex_unlock(&c->lock);
	return n;
}

void
crowd_send_away(struct crowd *c)
{
	(void)pthread_mutex_lock(&c->lock);
	for (size_t i = 0; i < c->n; i++)
		(void)shutdown(c->fds[i], SHUT_RDWR);
	(void)pthread_mutex_unlock(&c->lock);
}

bool
crowd_wait_empty(struct crowd *c, int64_t until_mono_us)
{
	bool empty;

	(void)pthread_mutex_lock(&c->lock);
	while (c->present > 0)
		if (clock_cond_wait(&c->change, &c->lock, until_mono_us) == -1)
			break;
	empty = c->present == 0;
	(void)pthread_mutex_unlock(&c->lock);
	return empty;
}
