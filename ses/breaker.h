/*
 * breaker: stop asking SES for what is known to be in trouble, and find out
 * when it is mended.
 *
 * Keyed by what is in trouble: "account", "endpoint HOST:PORT", "identity
 * ADDRESS", "configuration-set NAME"; case does not count. An open breaker lets one caller through
 * as a probe after 15 s, then after twice that, up to 5 min. Each change of
 * state is reported once. Safe from any thread.
 */
#ifndef SES_BREAKER_H
#define SES_BREAKER_H

#include <stdbool.h>
#include <stdint.h>

#include "ses/reply.h"

#define BREAKER_PROBE_FIRST_US (15 * INT64_C(1000000))
#define BREAKER_PROBE_MAX_US (300 * INT64_C(1000000))

struct breakers;

/* Why it opened: the class decides what the MTA is told meanwhile. */
struct trouble {
	enum ses_class class;
	char text[SES_TEXT_MAX + 1];
};

/*
 * Called for each change of state, without locks held, by the thread that found
 * it. cause is "" when it closes because SES works, else what made it close.
 */
typedef void breaker_changed_fn(void *arg, const char *key, bool open,
    const char *cause);

struct breakers *breakers_new(breaker_changed_fn *, void *arg);
void breakers_free(struct breakers *);

/*
 * May I try? true: closed, or open and this caller is the probe, who must
 * report with breaker_ok or breaker_fail (a probe that never reports is
 * replaced at the next interval). false: open, and trouble_r, which may be
 * NULL, says why.
 */
bool breaker_ask(struct breakers *, const char *key, struct trouble *trouble_r);

/*
 * Like breaker_ask, but becomes no probe: false while one would be turned away.
 */
bool breaker_peek(struct breakers *, const char *key, struct trouble *trouble_r);

/* Is it open, probe due or not? */
bool breaker_is_open(struct breakers *, const char *key);

void breaker_fail(struct breakers *, const char *key, enum ses_class,
    const char *cause);
void breaker_ok(struct breakers *, const char *key);

/*
 * Close all, and tell why: the operator has changed something (SIGHUP), and
 * hears anew of what is still in trouble.
 */
void breakers_reset(struct breakers *, const char *why);

/*
 * Call fn for each open breaker: key, cause, clock_mono_us of the next probe.
 */
void breakers_each(struct breakers *,
    void (*fn)(void *arg, const char *key, const char *cause, int64_t probe_us),
    void *arg);

#endif
