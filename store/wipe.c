/* SPDX-License-Identifier: BSD-2-Clause */
#include "config.h"

#include "store/wipe.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "core/mem.h"

/*
 * Database file format, https://www.sqlite.org/fileformat2.html, 1.6: a page of
 * a tree has a header, pointers to its cells, the space that is left, and the
 * cells, up to its end. Readers never look at that space, so it can be changed
 * under them, and a write that is cut short has harmed nothing.
 *
 * Who must not have an older copy of such a page is who would write it: the log
 * is empty and locked meanwhile, and the connection has let go of its cache.
 * Freed pages and free blocks within the cells are zeros by secure_delete.
 */
#define SLICE_BYTES ((size_t)4 * 1024 * 1024)

/* 65536 is told as 1, and its sizes in two bytes as 0: those are not read. */
#define PAGE_BYTES_MAX 32768
#define PAGE_BYTES_MIN 512

/* Of the file's header, 1.3. */
#define HEADER_BYTES 100
#define AT_PAGE_SIZE 16
#define AT_AUTO_VACUUM 52

enum {
	INTERIOR_INDEX = 2,
	INTERIOR_TABLE = 5,
	LEAF_INDEX = 10,
	LEAF_TABLE = 13
};
#define INTERIOR_HEADER 12
#define LEAF_HEADER 8
#define AT_CELLS 3
#define AT_CONTENT 5

/*
 * A page of what no cell has room for begins with the next one's number: as
 * long as these are smaller, it can't be taken for one of a tree.
 */
#define PAGES_MAX 0x01ffffff

struct wiping {
	sqlite3_file *file;
	size_t page_size;
	uint32_t pages;
	unsigned char *page;
	bool written;
};

static const unsigned char zeros[PAGE_BYTES_MAX];

static size_t
be16(const unsigned char *p)
{
	return (size_t)p[0] << 8 | p[1];
}

/*
 * The space that no cell has. False for pages of other kinds: those begin with
 * a page's number, and what they go on with can't be taken for sizes.
 */
static bool
find_space(const struct wiping *w, size_t *from_r, size_t *to_r)
{
	const unsigned char *p = w->page;

	switch (p[0]) {
	case INTERIOR_INDEX:
	case INTERIOR_TABLE:
		*from_r = INTERIOR_HEADER;
		break;
	case LEAF_INDEX:
	case LEAF_TABLE:
		*from_r = LEAF_HEADER;
		break;
	default:
		return false;
	}
	*from_r += 2 * be16(p + AT_CELLS);
	*to_r = be16(p + AT_CONTENT);
	return *from_r <= *to_r && *to_r <= w->page_size;
}

static int
io_failed(const char *what, int rc, struct err *err)
{
	return err_set(err, (rc & 0xff) == SQLITE_FULL ? ERR_FULL : ERR_LOCAL,
	    "%s pages: %s", what, sqlite3_errstr(rc));
}

static int
wipe_page(struct wiping *w, uint32_t n, struct err *err)
{
	const sqlite3_io_methods *io = w->file->pMethods;
	sqlite3_int64 at = (sqlite3_int64)(n - 1) * (sqlite3_int64)w->page_size;
	size_t from, to;
	int rc;

	rc = io->xRead(w->file, w->page, (int)w->page_size, at);
	if (rc != SQLITE_OK)
		return io_failed("reading", rc, err);
	if (!find_space(w, &from, &to) ||
	    memcmp(w->page + from, zeros, to - from) == 0)
		return 0;
	rc = io->xWrite(
	    w->file, zeros, (int)(to - from), at + (sqlite3_int64)from);
	if (rc != SQLITE_OK)
		return io_failed("overwriting", rc, err);
	w->written = true;
	return 0;
}

/* Page 1 has the schema, and nobody's rows. */
static int
wipe_slice(struct wiping *w, uint32_t *page_r, struct err *err)
{
	uint32_t n = *page_r > 1 ? *page_r : 2;
	uint32_t end = n + (uint32_t)(SLICE_BYTES / w->page_size);
	int rc;

	for (; n < end && n <= w->pages; n++)
		if (wipe_page(w, n, err) == -1)
			return -1;
	*page_r = n <= w->pages ? n : 0;
	if (!w->written)
		return 0;
	rc = w->file->pMethods->xSync(w->file, SQLITE_SYNC_NORMAL);
	return rc == SQLITE_OK ? 0 : io_failed("syncing", rc, err);
}

static sqlite3_file *
file_of(struct db *db, int which)
{
	sqlite3_file *file = NULL;

	(void)sqlite3_file_control(db_handle(db), "main", which, (void *)&file);
	return file != NULL && file->pMethods != NULL ? file : NULL;
}

/* Pages that map others (auto_vacuum) look like those of trees. */
static int
read_header(struct wiping *w, struct err *err)
{
	unsigned char header[HEADER_BYTES];
	sqlite3_int64 size;
	int rc;

	rc = w->file->pMethods->xRead(w->file, header, HEADER_BYTES, 0);
	if (rc == SQLITE_OK)
		rc = w->file->pMethods->xFileSize(w->file, &size);
	if (rc != SQLITE_OK)
		return io_failed("reading", rc, err);
	if (memcmp(header + AT_AUTO_VACUUM, zeros, 4) != 0)
		return err_set(err, ERR_STATE,
		    "it was given auto_vacuum, with which it can't be wiped");
	w->page_size = be16(header + AT_PAGE_SIZE);
	if (w->page_size < PAGE_BYTES_MIN || w->page_size > PAGE_BYTES_MAX)
		return err_set(err, ERR_STATE,
		    "it was given pages of a size with which it can't be wiped");
	if (size / (sqlite3_int64)w->page_size > PAGES_MAX)
		return err_set(err, ERR_STATE,
		    "it has more than %d pages, with which it can't be wiped",
		    PAGES_MAX);
	w->pages = (uint32_t)(size / (sqlite3_int64)w->page_size);
	return 0;
}

static int
in_the_way(struct err *err)
{
	return err_set(err, ERR_STATE,
	    "somebody reads or writes it as it was before: try again when they "
	    "are done");
}

/* To wait for readers here would hold up who writes: the caller tries again. */
static int
empty_log(struct db *db, struct err *err)
{
	int64_t wait_ms;
	int rc;

	if (db_get_int(db, "PRAGMA busy_timeout", &wait_ms, err) == -1)
		return -1;
	(void)sqlite3_busy_timeout(db_handle(db), 0);
	rc = sqlite3_wal_checkpoint_v2(
	    db_handle(db), NULL, SQLITE_CHECKPOINT_TRUNCATE, NULL, NULL);
	(void)sqlite3_busy_timeout(db_handle(db), (int)wait_ms);
	if ((rc & 0xff) == SQLITE_BUSY)
		return in_the_way(err);
	if (rc != SQLITE_OK)
		return err_set(err,
		    (rc & 0xff) == SQLITE_FULL ? ERR_FULL : ERR_LOCAL,
		    "emptying its write-ahead log: %s",
		    sqlite3_errmsg(db_handle(db)));
	(void)sqlite3_db_release_memory(db_handle(db));
	return 0;
}

/* Once it is locked, nobody has added to it. */
static int
check_log(struct db *db, struct err *err)
{
	sqlite3_file *log = file_of(db, SQLITE_FCNTL_JOURNAL_POINTER);
	sqlite3_int64 size = 0;

	if (log != NULL && log->pMethods->xFileSize(log, &size) != SQLITE_OK)
		return err_set(err, ERR_LOCAL, "its log's size can't be told");
	return size == 0 ? 0 : in_the_way(err);
}

static int
wipe_locked(struct db *db, uint32_t *page_r, struct err *err)
{
	struct wiping w = { .file = file_of(db, SQLITE_FCNTL_FILE_POINTER) };
	int rc;

	if (w.file == NULL)
		return err_set(err, ERR_LOCAL, "it is not open");
	if (check_log(db, err) == -1 || read_header(&w, err) == -1)
		return -1;
	w.page = mem_array(w.page_size, 1);
	rc = wipe_slice(&w, page_r, err);
	free(w.page);
	return rc;
}

int
wipe_pages(struct db *db, uint32_t *page_r, struct err *err)
{
	struct err ignored;
	int rc;

	if (empty_log(db, err) == -1 ||
	    db_exec(db, "BEGIN IMMEDIATE", err) == -1)
		return -1;
	rc = wipe_locked(db, page_r, err);
	if (db_exec(db, "ROLLBACK", rc == 0 ? err : &ignored) == -1)
		rc = -1;
	return rc;
}
