/*
 * prune_steps: what the journal's writer has to do for a prune, bit by bit
 * through the keeper (store/prune.h).
 *
 * file is the archive, by its whole path.
 */
#ifndef CLI_PRUNE_STEPS_H
#define CLI_PRUNE_STEPS_H

#include "cli/keeper.h"
#include "core/err.h"
#include "store/prune.h"

/* Step 2, which looks at all deliveries of that time first. */
int prune_steps_begin(
    struct keeper *, const struct prune_ask *, struct err *);

/* Step 3. ERR_STATE when mail is faster. */
int prune_steps_messages(struct keeper *, const char *file,
    const struct archive *, struct err *);

/* Step 4. */
int prune_steps_rows(struct keeper *, const char *file, struct err *);

#endif
