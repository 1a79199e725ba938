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

#include "core/clock.h"
#include "core/log.h"
#include "core/mem.h"

#define EVENT_MAX 64
#define SETTLE_US US_PER_SEC /* see watched.h */

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
	pthread_mutex_t look; /* whoever looks at the file; covers: */
	struct stamp stamp;   /* of what was last read, good or bad */
	struct stamp seen;    /* at the last look, */
	int64_t seen_us;      /* and since when, monotonic */
	struct err told;      /* why it could not be read, as logged */
	pthread_mutex_t lock; /* covers: */
	void *object;	      /* set by whoever looks */
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
	(void)pthread_mutex_init(&w->look, NULL);
	(void)pthread_mutex_init(&w->lock, NULL);
	return w;
}

/*
 * Whether a file that is not the one read before may be read now. What a writer
 * has in hand changes again, and with it the stamp. Mail may come seldom, so a
 * change that was long ago by the file's own time need not be seen twice.
 */
static bool
settled(struct watched *w, const struct stamp *now)
{
	int64_t mono = clock_mono_us();
	int64_t changed = now->ctime.tv_sec * US_PER_SEC +
	    now->ctime.tv_nsec / 1000;

	if (!same_stamp(now, &w->seen)) {
		w->seen = *now;
		w->seen_us = mono;
	}
	return now->dev != w->stamp.dev || now->ino != w->stamp.ino ||
	    mono - w->seen_us >= SETTLE_US ||
	    clock_wall_us() - changed >= SETTLE_US;
}

/* What is wrong with the file is told once for each change of it, what is wrong
 * with this host (descriptors, the disk) until something else is. */
static void
tell_unread(struct watched *w, const struct stamp *now, const struct err *err)
{
	char event[EVENT_MAX];

	if (err->class != ERR_LOCAL)
		w->stamp = *now;
	else if (strcmp(err->text, w->told.text) == 0)
		return;
	w->told = *err;
	(void)snprintf(event, sizeof(event), "%s-not-read", w->kind->name);
	log_error(NULL, event, "reason", err->text, "in-force",
	    "what was read before");
}

static void
adopt(struct watched *w, const struct stamp *now, void *fresh)
{
	char event[EVENT_MAX];
	void *old;

	(void)pthread_mutex_lock(&w->lock);
	old = w->object;
	w->object = fresh;
	(void)pthread_mutex_unlock(&w->lock);
	w->kind->release(old);
	w->stamp = *now;
	w->told.text[0] = '\0';
	(void)snprintf(event, sizeof(event), "%s-read", w->kind->name);
	log_info(NULL, event, "file", w->file, "n",
	    LOG_NUM(w->kind->count(fresh)));
}

/* What changes while it is read is left for the next look. */
static void
refresh(struct watched *w)
{
	struct stamp now, after;
	struct err err;
	void *fresh;

	take_stamp(w->file, &now);
	if (same_stamp(&now, &w->stamp) || !settled(w, &now))
		return;
	fresh = w->kind->load(w->file, &err);
	take_stamp(w->file, &after);
	if (!same_stamp(&now, &after)) {
		if (fresh != NULL)
			w->kind->release(fresh);
	} else if (fresh != NULL) {
		adopt(w, &now, fresh);
	} else {
		tell_unread(w, &now, &err);
	}
}

void *
watched_get(struct watched *w)
{
	void *object;

	if (pthread_mutex_trylock(&w->look) == 0) {
		refresh(w);
		(void)pthread_mutex_unlock(&w->look);
	}
	(void)pthread_mutex_lock(&w->lock);
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
	(void)pthread_mutex_destroy(&w->look);
	free(w->file);
	free(w);
}
