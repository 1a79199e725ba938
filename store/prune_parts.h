/*
 * prune_parts: what the files of prune share.
 */
#ifndef STORE_PRUNE_PARTS_H
#define STORE_PRUNE_PARTS_H

#include "store/db.h"
#include "store/prune.h"

/* What `pruned` says last. */
#define PRUNE_BOUND "(SELECT max(last_seq) FROM pruned)"

/* The one value that a statement gives. */
int prune_get_int(struct db *, const struct db_sql *, size_t which,
    int64_t *value_r, struct err *);

/* As archive_has; who asked the journal's writer is told that it has looked. */
int prune_look_at_archive(const char *file, const struct uuid *ids, size_t n,
    struct archive *archive_r, struct err *);
int prune_looked_in_vain(struct err *);

/* When a row of the journal at path was written; ERR_STATE when it has none. */
int prune_time_of(
    const char *path, int64_t seq, int64_t *at_r, struct err *);

#endif
