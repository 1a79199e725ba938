/* SPDX-License-Identifier: BSD-2-Clause */
#include "config.h"

#include "store/search.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <unistd.h>

#include "core/clock.h"
#include "core/log.h"
#include "core/mem.h"
#include "store/db.h"
#include "store/place.h"
#include "store/schema.h"
#include "store/search/fill.h"
#include "store/search/index.h"

/*
 * The search database as a file: made, caught up, and made anew when it is of
 * no use. Whatever it has can be had from the journal again.
 */
#define CACHE "PRAGMA cache_size = -32768; PRAGMA synchronous = NORMAL"
#define CHECKPOINT_PAGES 8000
#define SEARCH_VERSION 9
#define SET_VERSION "PRAGMA user_version = 9"

static int
set_up(struct db *db, struct err *err)
{
	int64_t version;

	if (db_get_int(db, "PRAGMA user_version", &version, err) == -1)
		return -1;
	if (version == 0 &&
	    (db_exec(db, "BEGIN IMMEDIATE", err) == -1 ||
		db_exec(db, schema_search, err) == -1 ||
		db_exec(db, SET_VERSION, err) == -1 ||
		db_exec(db, "COMMIT", err) == -1))
		return -1;
	if (version != 0 && version != SEARCH_VERSION)
		return err_set(err, ERR_STATE, "of another version");
	(void)sqlite3_wal_autocheckpoint(db_handle(db), CHECKPOINT_PAGES);
	return db_exec(db, CACHE, err);
}

/* 1 ready, 0 to be made anew, -1. */
static int
open_search(struct search_fill *f, const char *path, const char *journal_path,
    struct err *err)
{
	if (place_create(path, err) == -1)
		return -1;
	place_adopt(path, journal_path);
	f->search = db_open(path, DB_WRITE, err);
	if (f->search == NULL)
		return err->class == ERR_STATE ? 0 : -1;
	return set_up(f->search, err) == 0 && search_fill_resume(f, err) == 1;
}

/* As far as possible; err tells of the last that stayed. */
static int
remove_search(const char *path, struct err *err)
{
	static const char *const ends[] = { "", "-wal", "-shm" };
	char *name;
	int rc = 0;

	for (size_t i = 0; i < sizeof(ends) / sizeof(*ends); i++) {
		name = mem_printf("%s%s", path, ends[i]);
		if (unlink(name) == -1 && errno != ENOENT)
			rc = err_sys(
			    err, ERR_LOCAL, errno, "removing %s", name);
		free(name);
	}
	return rc;
}

static int
open_fresh(struct search_fill *f, const char *path, const char *journal_path,
    struct err *err)
{
	int ready = open_search(f, path, journal_path, err);

	if (ready == 0) {
		log_warning(NULL, "search-anew", "path", path);
		db_close(f->search);
		f->search = NULL;
		ready = remove_search(path, err) == 0
		    ? open_search(f, path, journal_path, err)
		    : -1;
	}
	return ready == 1 ? 0 : -1;
}

static int
fill_all(struct search_fill *f, int64_t deadline_us, uint64_t *rows_r,
    struct err *err)
{
	struct err ignored;
	int64_t n;

	*rows_r = 0;
	do {
		if (db_exec(f->search, "BEGIN IMMEDIATE", err) == -1)
			return -1;
		n = search_fill_lot(f, err);
		if (n == -1 || db_exec(f->search, "COMMIT", err) == -1) {
			(void)db_exec(f->search, "ROLLBACK", &ignored);
			return -1;
		}
		*rows_r += (uint64_t)n;
	} while (n == SEARCH_LOT_ROWS && clock_mono_us() < deadline_us);
	if (n == SEARCH_LOT_ROWS)
		return err_set(err, ERR_TIMEOUT,
		    "there are more rows than the time allowed for");
	return 0;
}

static int
catch_up(const char *journal_path, int64_t deadline_us, uint64_t *rows_r,
    struct err *err)
{
	char *path = search_index_path(journal_path);
	struct search_fill f = { .journal = NULL };
	int rc = -1;

	if (search_fill_open(&f, journal_path, err) == 0 &&
	    open_fresh(&f, path, journal_path, err) == 0)
		rc = fill_all(&f, deadline_us, rows_r, err);
	if (rc == -1)
		(void)err_context(err, "%s", path);
	db_close(f.search);
	search_fill_close(&f);
	free(path);
	return rc;
}

/* The store's lock belongs to the process; this is for its threads. */
static pthread_mutex_t filling = PTHREAD_MUTEX_INITIALIZER;

int
search_catch_up(const char *journal_path, uint64_t *rows_r, struct err *err)
{
	int rc;

	(void)pthread_mutex_lock(&filling);
	rc = catch_up(journal_path, INT64_MAX, rows_r, err);
	(void)pthread_mutex_unlock(&filling);
	return rc;
}

int
search_catch_up_until(const char *journal_path, int64_t deadline_us,
    uint64_t *rows_r, struct err *err)
{
	int rc;

	if (pthread_mutex_trylock(&filling) != 0)
		return err_set(err, ERR_STATE,
		    "the search database is being caught up already");
	rc = catch_up(journal_path, deadline_us, rows_r, err);
	(void)pthread_mutex_unlock(&filling);
	return rc;
}

/* How long to wait for who is at it, and how often to look. */
#define DISCARD_US (10 * US_PER_SEC)
#define AGAIN_US (50 * US_PER_MS)

static int
lock_soon(struct err *err)
{
	int64_t until = clock_mono_us() + DISCARD_US;

	while (pthread_mutex_trylock(&filling) != 0) {
		if (clock_mono_us() >= until)
			return err_set(err, ERR_STATE,
			    "the search database is being caught up, and can't "
			    "be removed: try again when that is done");
		clock_sleep_until(clock_mono_us() + AGAIN_US);
	}
	return 0;
}

int
search_discard(const char *journal_path, struct err *err)
{
	char *path;
	int rc;

	if (lock_soon(err) == -1)
		return -1;
	path = search_index_path(journal_path);
	rc = remove_search(path, err);
	(void)pthread_mutex_unlock(&filling);
	free(path);
	return rc;
}
