/*
 * journal/doubt: deliveries that a crash left in the middle.
 */
#ifndef STORE_JOURNAL_DOUBT_H
#define STORE_JOURNAL_DOUBT_H

#include "store/journal.h"

/*
 * Inside an op, before anything is sent: deliveries found `sending` become
 * `doubtful`, or `sent` where SES has reported on them. Counts them.
 */
int journal_doubt(struct journal_tx *, unsigned *count_r, struct err *);

#endif
