/* SPDX-License-Identifier: BSD-2-Clause */
#include "config.h"

#include "store/place.h"

#include <sys/stat.h>

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/mem.h"

#define STORE_MODE 0640

static char *
directory_of(const char *path)
{
	const char *slash = strrchr(path, '/');

	if (slash == NULL)
		return mem_strdup(".");
	return mem_strndup(path, slash == path ? 1 : (size_t)(slash - path));
}

int
place_check_fs(const char *path, struct err *err)
{
	char name[64], *dir = directory_of(path);
	int rc;

	rc = place_fs_remote(dir, name, sizeof(name), err);
	if (rc == 1)
		rc = err_set(err, ERR_CONFIG,
		    "%s lies on a network file system (%s), where SQLite "
		    "can't keep its promises: put the store on a local disk",
		    dir, name);
	free(dir);
	return rc;
}

int
place_create(const char *path, struct err *err)
{
	int fd;

	fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, STORE_MODE);
	if (fd == -1 && errno == EEXIST)
		return 0;
	if (fd == -1)
		return err_sys(err, errno == ENOSPC ? ERR_FULL : ERR_LOCAL,
		    errno, "create %s", path);
	if (fchmod(fd, STORE_MODE) == -1) {
		(void)err_sys(err, ERR_LOCAL, errno, "chmod %s", path);
		(void)close(fd);
		return -1;
	}
	(void)close(fd);
	return 0;
}

/*
 * Root may run the CLI on a store that belongs to posternd; what it leaves
 * behind must not lock posternd out.
 */
void
place_adopt(const char *path, const char *journal)
{
	struct stat st;

	if (geteuid() != 0 || stat(journal, &st) == -1)
		return;
	if (lchown(path, st.st_uid, st.st_gid) == -1)
		return;
	(void)chmod(path, st.st_mode & 0777);
}

int
place_sync(const char *path, struct err *err)
{
	char *dir = directory_of(path);
	int fd = open(dir, O_RDONLY | O_CLOEXEC), rc = 0;

	if (fd == -1 || fsync(fd) == -1)
		rc = err_sys(err, ERR_LOCAL, errno, "sync %s", dir);
	if (fd != -1)
		(void)close(fd);
	free(dir);
	return rc;
}

int
place_inode(const char *path, struct place_inode *inode_r, struct err *err)
{
	struct stat st;

	if (stat(path, &st) == -1)
		return err_sys(err, ERR_STATE, errno, "%s", path);
	inode_r->dev = st.st_dev;
	inode_r->ino = st.st_ino;
	return 0;
}

bool
place_same(const struct place_inode *a, const struct place_inode *b)
{
	return a->dev == b->dev && a->ino == b->ino;
}

/* PATH and end are the file's name; -1 and err with the holder after words. */
static int
lock_beside(const char *path, const char *end, const char *words, int *fd_r,
    struct err *err)
{
	struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET };
	char *name = mem_printf("%s%s", path, end);
	int fd, rc = -1;

	fd = open(name, O_RDWR | O_CREAT | O_CLOEXEC, STORE_MODE);
	if (fd == -1) {
		(void)err_sys(err, ERR_LOCAL, errno, "open %s", name);
	} else if (fcntl(fd, F_SETLK, &lock) == 0) {
		place_adopt(name, path);
		*fd_r = fd;
		rc = 0;
	} else {
		lock.l_pid = 0;
		lock.l_type = F_WRLCK;
		(void)fcntl(fd, F_GETLK, &lock);
		(void)err_set(err, ERR_STATE, "%s %s by process %ld", path,
		    words, (long)lock.l_pid);
		(void)close(fd);
	}
	free(name);
	return rc;
}

int
store_lock(const char *path, int *fd_r, struct err *err)
{
	return lock_beside(path, "-lock", "is in use", fd_r, err);
}

int
store_lock_keeping(const char *path, int *fd_r, struct err *err)
{
	return lock_beside(
	    path, "-prune", "is being pruned or erased from", fd_r, err);
}
