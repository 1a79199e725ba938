/*
 * limits: how much the account may send, as SES counts it: by recipients.
 *
 * A message is judged and paid for in one step under the lock, at the time that
 * is handed back, so that the times in the summary are those by which the
 * limits were judged. What is refused costs nothing. Safe from any thread.
 */
#ifndef SANDBOX_LIMITS_H
#define SANDBOX_LIMITS_H

#include <stdbool.h>
#include <stdint.h>

#include "core/buf.h"

/*
 * SES does not say how it counts. STRICT wants all of a message's tokens (but
 * never more than the bucket holds) to be there; DEBT wants one, and lets the
 * bucket go below zero.
 */
enum limits_reading { LIMITS_STRICT, LIMITS_DEBT };

enum limits_answer { LIMITS_OK, LIMITS_RATE, LIMITS_DAY };

struct limits;

/* A new account's: 1 a second, 200 a day. */
struct limits *limits_new(void);
void limits_free(struct limits *);

/* Ask for rate_n recipients, of which day_n count towards the day; *now_us_r is
 * the time of judgement. */
enum limits_answer limits_spend(
    struct limits *, unsigned rate_n, unsigned day_n, int64_t *now_us_r);

/* What another sender of the same account has sent just now, whatever the
 * limits. */
void limits_spend_other(struct limits *, unsigned n);

/* 0 or less: unlimited. */
void limits_set_rate(struct limits *, double per_sec);
void limits_set_burst(struct limits *, unsigned);
void limits_set_tolerance(struct limits *, int64_t us);
void limits_set_reading(struct limits *, enum limits_reading);
/* 0 or less: unlimited, and nothing is remembered meanwhile. */
void limits_set_day(struct limits *, int64_t recipients);
void limits_set_window(struct limits *, int64_t us);

/* Forget what was spent. */
void limits_reset(struct limits *);

/* The limits and what is used of them, as a JSON object. */
void limits_json(struct limits *, struct buf *);

#endif
