/*
 * event_unmatched: events that belong to no delivery that is known.
 *
 * They are kept as rows of the journal without a message, and found again by
 * their SES id. On the journal's connection, in an op.
 */
#ifndef STORE_EVENT_UNMATCHED_H
#define STORE_EVENT_UNMATCHED_H

#include <stdint.h>

#include "core/err.h"
#include "store/db.h"
#include "store/event.h"

/* The seq of its row, or 0. */
int event_unmatched_seq(struct db *, const char *ses_id, int64_t key,
    int64_t *seq_r, struct err *);

int event_unmatched_add(struct db *, const char *ses_id, int64_t key,
    int64_t seq, struct err *);
int event_unmatched_drop(
    struct db *, const char *ses_id, int64_t key, struct err *);

/*
 * Any one of an SES id, as its row has it, to be event_free'd, and its key: 1, 0
 * when there is none, or -1.
 */
int event_unmatched_get(struct db *, const char *ses_id, struct event *,
    int64_t *key_r, struct err *);

#endif
