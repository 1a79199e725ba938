/*
 * record/digest: which message has come before, told by its digest.
 *
 * Kept for as long as a message that comes again is the same one. All inside an
 * op.
 */
#ifndef STORE_RECORD_DIGEST_H
#define STORE_RECORD_DIGEST_H

#include <stdint.h>

#include "core/crypto.h"
#include "store/journal.h"

/*
 * The message that came with a digest at a time (microseconds, wall) or later:
 * 1, 0 when there is none, -1 and err.
 */
int digest_find(struct journal_tx *, const unsigned char digest[SHA256_LEN],
    int64_t since_us, struct uuid *id_r, struct err *);

/* A message has come with it now; one that came with it before is let go. */
int digest_put(struct journal_tx *, const unsigned char digest[SHA256_LEN],
    const struct uuid *, struct err *);

/* Clear away some of the digests of messages older than a time: more than one
 * message adds. */
int digest_clear(struct journal_tx *, int64_t before_us, struct err *);

#endif
