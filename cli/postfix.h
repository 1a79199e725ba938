/*
 * postfix: what Postfix on this host has been told, by asking its postconf(1).
 */
#ifndef CLI_POSTFIX_H
#define CLI_POSTFIX_H

#include <stdbool.h>
#include <stdint.h>

#include "core/buf.h"
#include "core/err.h"

bool postfix_there(void);

/* The value of a parameter of main.cf, all $names in it resolved. */
int postfix_param(const char *name, struct buf *value, struct err *);

/* A parameter that is a time, in microseconds (Postfix writes 600s, 10m, 1h,
 * 5d, 1w). */
int postfix_time(const char *name, int64_t *us_r, struct err *);

/* A parameter that is a number. */
int postfix_number(const char *name, int64_t *n_r, struct err *);

/*
 * Whether a transport's delivery agents see the queue directory as the root
 * (master.cf).
 */
bool postfix_chrooted(const char *transport);

/*
 * The limits that keep what Postfix hands over at one time within rate x
 * within: 20 deliveries at once (Postfix's own default), or as many as the rate
 * keeps busy when SES is far away, of at most 50 recipients each.
 */
void postfix_limits(double rate, int64_t within_us, unsigned *concurrency_r,
    unsigned *recipients_r);

#endif
