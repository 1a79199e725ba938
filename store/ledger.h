/*
 * ledger: what the journal says was spent of the day.
 */
#ifndef STORE_LEDGER_H
#define STORE_LEDGER_H

#include <stdint.h>

#include "core/err.h"

/*
 * How long the dot may go out after its `sending` row became durable. One that
 * got no reply is taken to have gone out that late.
 */
#define LEDGER_DOT_LAG_US INT64_C(5000000)

/*
 * Call fn for each recipient that still counts, in no order, with the
 * clock_mono_us time at which it stops to: accepted ones window_us after SES's
 * reply was journalled; those without a known reply window_us + doubt_us +
 * LEDGER_DOT_LAG_US after their `sending` row. What SES refused or put off does
 * not count, nor what was marked so (the mailbox simulator). The journal at
 * path may be in use. Not 0 from fn stops. 0, or -1 and err.
 */
int ledger_read(const char *path, int64_t window_us, int64_t doubt_us,
    int (*fn)(void *arg, int64_t until_mono_us), void *arg, struct err *);

#endif
