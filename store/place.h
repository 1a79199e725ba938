/*
 * place: where a store lives, and who may touch it.
 */
#ifndef STORE_PLACE_H
#define STORE_PLACE_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "core/err.h"

/*
 * Refuse (ERR_CONFIG) a network file system for the directory of path: SQLite's
 * WAL wants memory shared by all who have the file open, and locks that hold.
 */
int place_check_fs(const char *path, struct err *);

/*
 * Whether the file system at dir is remote: name_r gets its type in words. 0
 * local, 1 remote,
 * -1 and err. One implementation per system (place_linux.c, place_bsd.c).
 */
int place_fs_remote(const char *dir, char *name_r, size_t size, struct err *);

/*
 * Create an empty file with mode 0640 whatever the umask, unless there is one.
 */
int place_create(const char *path, struct err *);

/*
 * Make what SQLite or we created at path belong to whom the journal belongs
 * to, 0640. Best effort.
 */
void place_adopt(const char *path, const char *journal);

/* Sync the directory of path, so that a new name in it lasts. */
int place_sync(const char *path, struct err *);

/* The identity of a file, to notice that it was moved or replaced. */
struct place_inode {
	dev_t dev;
	ino_t ino;
};
int place_inode(const char *path, struct place_inode *, struct err *);
bool place_same(const struct place_inode *, const struct place_inode *);

/*
 * The store's lock, in a file beside it (PATH-lock): whoever holds it is the
 * one who writes. *fd_r is closed to let go. ERR_STATE with the holder's pid
 * when it is taken. The lock belongs to the process (fcntl), so a program opens
 * it once.
 */
int store_lock(const char *path, int *fd_r, struct err *);

/*
 * The same for PATH-prune: whoever takes rows or persons out of the journal and
 * its archives is the only one who does, whoever writes.
 */
int store_lock_keeping(const char *path, int *fd_r, struct err *);

#endif
