/*
 * forget_steps: what the journal's writer has to do for a forget, through the
 * keeper (store/forget.h).
 */
#ifndef CLI_FORGET_STEPS_H
#define CLI_FORGET_STEPS_H

#include "cli/keeper.h"
#include "core/err.h"
#include "store/forget.h"

/* As forget_erase; posternd says nothing of *done but the seqs. */
int forget_steps_erase(struct keeper *, const struct forget_ask *,
    struct forget_done *done, struct err *);

/*
 * forget_wipe, from the first page to the last. The search database, which has
 * what was erased, too, is made anew.
 */
int forget_steps_wipe(struct keeper *, struct err *);

#endif
