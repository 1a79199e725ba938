/*
 * journal/checkpoint: moving the write-ahead log into the database beside the
 * commits.
 *
 * A thread with a connection of its own does the bulk of it, which no commit
 * waits for. Under steady load it never meets the log's end, so what is left
 * when the log has grown long is done by the journal's thread between two
 * commits.
 */
#ifndef STORE_JOURNAL_CHECKPOINT_H
#define STORE_JOURNAL_CHECKPOINT_H

#include <stdbool.h>

#include "core/err.h"

struct checkpoint;

struct checkpoint *checkpoint_start(const char *path, struct err *);

/* Move all that can be moved, and no more after that. */
void checkpoint_end(struct checkpoint *);

/* checkpoint_end if that has not been, and free. NULL is fine. */
void checkpoint_stop(struct checkpoint *);

/*
 * After a commit that left this many pages in the log. True: the bulk is done
 * and the log is long; the caller should checkpoint what is left now, before
 * its next transaction.
 */
bool checkpoint_due(struct checkpoint *, int wal_pages);

#endif
