/*
 * quota: what is spent of the account's limits.
 */
#ifndef CLI_QUOTA_H
#define CLI_QUOTA_H

#include <stdbool.h>

#include "cli/output.h"
#include "core/buf.h"
#include "core/conf.h"
#include "core/err.h"

/*
 * posternd's answer to the op "quota"; when it does not answer, what of it the
 * journal knows, *running_r is false, and err says why. -1 and err when neither
 * can be.
 */
int quota_answer(const struct conf *, struct buf *answer, bool *running_r,
    struct err *);

/* The same for people, line by line; why it comes from the journal, or NULL. */
void quota_print(
    const struct output *, const char *answer, const struct err *why);

#endif
