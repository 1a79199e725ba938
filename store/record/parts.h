/*
 * record/parts: what the files of record share, all of it inside an op.
 *
 * record.c has what becomes of a delivery, record/arrival.c what comes in and
 * its recipients, record/message.c a new message and who is in it.
 */
#ifndef STORE_RECORD_PARTS_H
#define STORE_RECORD_PARTS_H

#include "core/buf.h"
#include "store/record.h"

/* A detail names every recipient of one message. */
#define RECORD_DETAIL_MAX_BYTES (size_t)(64 * 1024 * 1024)

/* The other way round; DOUBTFUL for what is no state's name. */
enum record_state record_state_from(const char *name);

/* What became of recipient n, in the journal and in its delivery. */
int record_append_outcome(struct journal_tx *, const struct uuid *, unsigned n,
    const struct record_outcome *, struct err *);

/*
 * Somebody in a message; n is 0 but for recipients. The commitment to value,
 * which is what may enter the chain, is to be freed.
 */
int record_add_party(struct journal_tx *, const struct uuid *, unsigned n,
    const char *role, const char *value, char **commitment_r, struct err *);

/*
 * A message that was not known, under its id, with all who are in it but the
 * recipients. Adds to the open object in detail what `received` says of it.
 */
int record_add_message(struct journal_tx *, const struct record_arrival *,
    struct buf *detail, struct err *);

#endif
