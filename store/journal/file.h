/*
 * journal/file: the database that the journal's thread writes to.
 *
 * The file at its path, locked, and one connection to it, which is let go in
 * trouble and made anew. Nothing here knows of requests; all of it belongs to
 * one thread at a time.
 */
#ifndef STORE_JOURNAL_FILE_H
#define STORE_JOURNAL_FILE_H

#include <stdbool.h>

#include "store/db.h"
#include "store/journal/checkpoint.h"
#include "store/journal/tx.h"
#include "store/place.h"

struct journal_file {
	char *path;
	struct db *db; /* NULL: let go */
	struct journal_tx tx;
	struct checkpoint *checkpoint;
	struct place_inode inode;
	int lock_fd;
};

/* As journal_open; journal_file_close is due even after -1. */
int journal_file_open(struct journal_file *, const char *path, bool create,
    struct err *);
void journal_file_close(struct journal_file *);

/* Let the connection go, if there is one. */
void journal_file_let_go(struct journal_file *);

/*
 * A connection made anew, after an I/O error or on a file system that was
 * read-only for a time. A head other than the last durable one is logged.
 */
int journal_file_reopen(struct journal_file *,
    const struct journal_head *durable, struct err *);

/* -1 and err when the file at the path is not the one that is written to. */
int journal_file_check(const struct journal_file *, struct err *);

/* Between two transactions: what checkpoint_due asks for. */
void journal_file_checkpoint(struct journal_file *);

#endif
