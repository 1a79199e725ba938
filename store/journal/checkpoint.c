/* SPDX-License-Identifier: BSD-2-Clause */
#include "config.h"

#include "store/journal/checkpoint.h"

#include <pthread.h>
#include <stdlib.h>

#include "core/clock.h"
#include "core/log.h"
#include "core/mem.h"
#include "core/thread.h"
#include "store/db.h"

/* As SQLite's own default. */
#define BULK_PAGES 1000

/*
 * The log starts over only when all of it has been moved and nobody reads
 * it. Past this length (16 MB) the writer helps.
 */
#define LONG_PAGES 4000

struct checkpoint {
	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t wake;
	struct db *db;
	int asked;   /* pages in the log that nobody has looked at yet */
	int moved;   /* length of the log when the bulk was last done */
	int helped;  /* value of moved when the writer last helped */
	bool busy;
	bool stop;
};

/* Passive: moves what no reader needs any more, waits for nobody. */
static void
move_pages(struct checkpoint *c)
{
	int rc;

	rc = sqlite3_wal_checkpoint_v2(
	    db_handle(c->db), NULL, SQLITE_CHECKPOINT_PASSIVE, NULL, NULL);
	if (rc != SQLITE_OK && (rc & 0xff) != SQLITE_BUSY)
		log_warning(NULL, "checkpoint", "reason",
		    sqlite3_errmsg(db_handle(c->db)));
}

static void *
checkpoint_thread(void *arg)
{
	struct checkpoint *c = arg;
	int pages;

	(void)pthread_mutex_lock(&c->lock);
	while (!c->stop) {
		if (c->asked == 0) {
			(void)clock_cond_wait(&c->wake, &c->lock, INT64_MAX);
			continue;
		}
		pages = c->asked;
		c->asked = 0;
		c->busy = true;
		(void)pthread_mutex_unlock(&c->lock);
		move_pages(c);
		(void)pthread_mutex_lock(&c->lock);
		c->busy = false;
		c->moved = pages;
	}
	(void)pthread_mutex_unlock(&c->lock);
	/* So that the file by itself is the whole journal while we are down. */
	move_pages(c);
	return NULL;
}

bool
checkpoint_due(struct checkpoint *c, int wal_pages)
{
	bool due = false;

	if (wal_pages < BULK_PAGES)
		return false;
	(void)pthread_mutex_lock(&c->lock);
	if (wal_pages < c->moved)
		c->moved = c->helped = 0; /* the log has started over */
	if (!c->busy && wal_pages - c->moved >= BULK_PAGES) {
		c->asked = wal_pages;
		(void)pthread_cond_signal(&c->wake);
	} else if (!c->busy && wal_pages >= LONG_PAGES &&
	    c->moved > c->helped) {
		/* Once a bulk: a reader may pin the log for a long time. */
		c->helped = c->moved;
		due = true;
	}
	(void)pthread_mutex_unlock(&c->lock);
	return due;
}

struct checkpoint *
checkpoint_start(const char *path, struct err *err)
{
	struct checkpoint *c = mem_new(sizeof(*c));

	(void)pthread_mutex_init(&c->lock, NULL);
	clock_cond_init(&c->wake);
	c->db = db_open(path, DB_WRITE, err);
	if (c->db != NULL &&
	    thread_start_joined(&c->thread, checkpoint_thread, c, err) == 0)
		return c;
	db_close(c->db);
	(void)pthread_cond_destroy(&c->wake);
	(void)pthread_mutex_destroy(&c->lock);
	free(c);
	return NULL;
}

void
checkpoint_end(struct checkpoint *c)
{
	bool ended;

	(void)pthread_mutex_lock(&c->lock);
	ended = c->stop;
	c->stop = true;
	(void)pthread_cond_signal(&c->wake);
	(void)pthread_mutex_unlock(&c->lock);
	if (!ended)
		(void)pthread_join(c->thread, NULL);
}

void
checkpoint_stop(struct checkpoint *c)
{
	if (c == NULL)
		return;
	checkpoint_end(c);
	db_close(c->db);
	(void)pthread_cond_destroy(&c->wake);
	(void)pthread_mutex_destroy(&c->lock);
	free(c);
}
