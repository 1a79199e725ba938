/*
 * settle: deliveries that SES turns out to have accepted.
 *
 * An event that bears the tag of an attempt says that SES took it, whatever the
 * connection or a later attempt came to.
 */
#ifndef STORE_SETTLE_H
#define STORE_SETTLE_H

#include "store/journal.h"

/*
 * Inside an op: a delivery that is doubtful, deferred or refused becomes sent if
 * an event has been taken that says so, and `settled` is journalled; *settled_r
 * says whether (NULL: nobody asks).
 */
int settle_delivery(struct journal_tx *, const struct uuid *, unsigned n,
    bool *settled_r, struct err *);

#endif
