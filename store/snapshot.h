/*
 * snapshot: a copy of the journal at one moment, whether posternd runs or not.
 */
#ifndef STORE_SNAPSHOT_H
#define STORE_SNAPSHOT_H

#include <stdint.h>

#include "core/err.h"
#include "store/chain.h"

/*
 * Copy the journal at path into a new file (mode 0640), which is one file
 * without a write-ahead log. Mail flows meanwhile. The head of the copy comes
 * back. ERR_STATE when the file exists; what was begun is removed on failure.
 */
int snapshot_take(const char *path, const char *file, int64_t *seq_r,
    unsigned char chain_r[CHAIN_LEN], struct err *);

#endif
