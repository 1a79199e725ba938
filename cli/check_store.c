/* SPDX-License-Identifier: BSD-2-Clause */
#include "config.h"

#include "cli/check.h"

#include <sys/stat.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/mem.h"
#include "store/ledger.h"
#include "store/place.h"

/*
 * The journal's place: its directory, file system, permissions, and the size of
 * its write-ahead log.
 */

/* A log that long has not been moved into the database for a while. */
#define WAL_MAX ((off_t)256 * 1024 * 1024)

static bool
check_dir(struct check *c)
{
	const char *path = c->conf->store.path;
	const char *slash = strrchr(path, '/');
	char *dir =
	    mem_strndup(path, slash > path ? (size_t)(slash - path) : 1);
	bool good = false;
	struct stat st;
	struct err err;

	if (stat(dir, &st) == -1 || !S_ISDIR(st.st_mode))
		check_wrong(c, "\"postern init\" makes it",
		    "%s: there is no such directory", dir);
	else if (place_check_fs(path, &err) == -1)
		check_wrong(
		    c, "put store.path on a local disk", "%s", err.text);
	else if (check_access(c, dir, W_OK | X_OK) != 0)
		check_wrong(c, "\"postern init\" sets its owner and mode",
		    "%s: %s can't write to it", dir, check_user(c));
	else {
		check_fine(c, "directory %s", dir);
		good = true;
	}
	free(dir);
	return good;
}

static void
check_wal(struct check *c)
{
	char *wal = mem_printf("%s-wal", c->conf->store.path);
	struct stat st;

	if (stat(wal, &st) == 0 && st.st_size > WAL_MAX)
		check_warn(c,
		    "end the reader that holds it: an open sqlite3 session, or "
		    "a backup",
		    "%s: %lld MB, so somebody has been reading for long", wal,
		    (long long)(st.st_size / (1024 * 1024)));
	free(wal);
}

static int
first(void *arg, int64_t until_us)
{
	(void)arg;
	(void)until_us;
	return 1;
}

/* Whether it is a journal, and one that this program knows. */
static bool
check_reads(struct check *c)
{
	struct err err;

	if (ledger_read(c->conf->store.path, 1, 1, first, NULL, &err) == 0)
		return true;
	if (geteuid() != 0 && access(c->conf->store.path, R_OK) == -1)
		check_warn(c, "run this as root to see more", "%s", err.text);
	else if (err.class == ERR_STATE)
		check_wrong(c,
		    "nothing is sent until then: do what the words say, or let "
		    "store.path name another file",
		    "%s", err.text);
	else
		check_wrong(c,
		    "nothing is sent until it can be read: mend what the words "
		    "say, or take it back from a snapshot",
		    "%s", err.text);
	return false;
}

void
check_store(struct check *c)
{
	const char *path = c->conf->store.path;
	struct stat st;

	check_area(c, "Journal");
	if (!check_dir(c))
		return;
	if (stat(path, &st) == -1) {
		check_warn(c, "posternd makes it when it is first started",
		    "%s: there is no journal yet", path);
		return;
	}
	if ((st.st_mode & S_IRWXO) != 0)
		check_wrong(c, "chmod o= on it and on its -wal and -shm files",
		    "%s: others may access it (mode %03o), and it holds "
		    "addresses of people",
		    path, (unsigned)st.st_mode & 0777);
	else if (check_reads(c))
		check_fine(c, "%s", path);
	check_wal(c);
}
