/* SPDX-License-Identifier: BSD-2-Clause */
#include "config.h"

#include "identity/watched.h"

#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "core/log.h"
#include "core/mem.h"

#define EVENT_MAX 64

/* What tells that a file is not the one that was read: chmod included, which
 * may be what makes it readable. */
struct stamp {
	dev_t dev;
	ino_t ino;
	off_t size;
	struct timespec mtime;
	struct timespec ctime;
	int errnum; /* why there is none */
};

struct watched {
	const struct watched_kind *kind;
	char *file;
	pthread_mutex_t lock; /* covers what follows */
	struct stamp stamp;   /* of the last attempt to read it */
	void *object;
};

static void
take_stamp(const char *file, struct stamp *st)
{
	struct stat sb;

	memset(st, 0, sizeof(*st));
	if (*file == '\0')
		return;
	if (stat(file, &sb) == -1) {
		st->errnum = errno;
		return;
	}
	st->dev = sb.st_dev;
	st->ino = sb.st_ino;
	st->size = sb.st_size;
	st->mtime = sb.st_mtim;
	st->ctime = sb.st_ctim;
}

static bool
same_time(const struct timespec *a, const struct timespec *b)
{
	return a->tv_sec == b->tv_sec && a->tv_nsec == b->tv_nsec;
}

static bool
same_stamp(const struct stamp *a, const struct stamp *b)
{
	return a->errnum == b->errnum && a->dev == b->dev &&
	    a->ino == b->ino && a->size == b->size &&
	    same_time(&a->mtime, &b->mtime) && same_time(&a->ctime, &b->ctime);
}

struct watched *
watched_open(const struct watched_kind *kind, const char *file,
    struct err *err)
{
	struct watched *w = mem_new(sizeof(*w));

	take_stamp(file, &w->stamp);
	if ((w->object = kind->load(file, err)) == NULL) {
		free(w);
		return NULL;
	}
	w->kind = kind;
	w->file = mem_strdup(file);
	(void)pthread_mutex_init(&w->lock, NULL);
	return w;
}

/*
 * The stamp is taken before the file is read: a change in between is read now
 * and once more at the next look, but never missed.
 */
static void
refresh(struct watched *w)
{
	const struct watched_kind *kind = w->kind;
	char event[EVENT_MAX];
	struct stamp now;
	struct err err;
	void *fresh;

	take_stamp(w->file, &now);
	if (same_stamp(&now, &w->stamp))
		return;
	w->stamp = now;
	if ((fresh = kind->load(w->file, &err)) == NULL) {
		(void)snprintf(event, sizeof(event), "%s-not-read", kind->name);
		log_error(NULL, event, "reason", err.text, "in-force",
		    "what was read before");
		return;
	}
	kind->release(w->object);
	w->object = fresh;
	(void)snprintf(event, sizeof(event), "%s-read", kind->name);
	log_info(NULL, event, "file", w->file, "n",
	    LOG_NUM(kind->count(fresh)));
}

void *
watched_get(struct watched *w)
{
	void *object;

	(void)pthread_mutex_lock(&w->lock);
	refresh(w);
	object = w->object;
	w->kind->hold(object);
	(void)pthread_mutex_unlock(&w->lock);
	return object;
}

void
watched_close(struct watched *w)
{
	if (w == NULL)
		return;
	w->kind->release(w->object);
	(void)pthread_mutex_destroy(&w->lock);
	free(w->file);
	free(w);
}
