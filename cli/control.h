/*
 * control: asking posternd, from the command line.
 */
#ifndef CLI_CONTROL_H
#define CLI_CONTROL_H

#include "core/buf.h"
#include "core/clock.h"
#include "core/conf.h"
#include "core/err.h"

/* posternd gives its journal half a minute for what it is asked. */
#define CONTROL_WITHIN_US (40 * US_PER_SEC)

/*
 * Send one request (a JSON object) and take the answer (likewise). 0 when it
 * says "ok"; -1 and err: ERR_NET when posternd can't be reached, ERR_TIMEOUT
 * when it has not answered within_us, ERR_STATE with posternd's own words when
 * it says no.
 */
int control_ask(const struct conf *, const char *request, int64_t within_us,
    struct buf *answer, struct err *);

/* A request that has no more to say than what it is about. */
int control_op(const struct conf *, const char *op, int64_t within_us,
    struct buf *answer, struct err *);

/*
 * Bring the search database up to the journal's end: by ourselves when nobody
 * writes the store and we may, else through posternd. -1 and err when neither
 * can be; what is there can be searched all the same. It takes as long as it
 * takes, up to 10 minutes of posternd's; the other one gives up after
 * CONTROL_SOON_US, and at once when somebody else is at it, ERR_TIMEOUT or
 * ERR_STATE.
 */
int control_catch_up(const struct conf *, struct err *);
#define CONTROL_SOON_US (5 * US_PER_SEC)
int control_catch_up_soon(const struct conf *, struct err *);

#endif
