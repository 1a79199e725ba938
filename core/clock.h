/*
 * clock: the times that Postern goes by.
 *
 * All in int64_t microseconds. Deadlines and pacing use clock_mono_us, which
 * counts through suspend and can't be stepped; records for people use
 * clock_wall_us. Safe from any thread.
 */
#ifndef CORE_CLOCK_H
#define CORE_CLOCK_H

#include <stdint.h>
#include <stddef.h>

#define US_PER_MS INT64_C(1000)
#define US_PER_SEC INT64_C(1000000)

/* Since the epoch, UTC. May step. */
int64_t clock_wall_us(void);

/* Since boot, suspend included (CLOCK_BOOTTIME, or CLOCK_MONOTONIC where that
 * counts suspend or is all there is). Comparable within one clock_boot_id. */
int64_t clock_mono_us(void);

/* A positive number that differs from boot to boot, the same for all
 * processes of one boot; 0 when the system does not tell. */
int64_t clock_boot_id(void);

/* Sleep until clock_mono_us() has reached the given time. */
void clock_sleep_until(int64_t mono_us);

#define CLOCK_RFC3339_LEN 28
/* 2026-11-22T03:22:12.123456Z, in UTC. Returns buf. */
const char *clock_rfc3339(int64_t wall_us, char buf[CLOCK_RFC3339_LEN]);

#define CLOCK_RFC5322_LEN 40
/* Sun, 22 Nov 2026 03:22:12 +0000, for header fields. Returns buf. */
const char *clock_rfc5322(int64_t wall_us, char buf[CLOCK_RFC5322_LEN]);

/* Initialise a condition variable whose timed waits use clock_mono_us times;
 * see clock_cond_wait. */
#include <pthread.h>
void clock_cond_init(pthread_cond_t *);

/* Wait for a signal until the given clock_mono_us time; INT64_MAX waits without
 * end. Returns 0, or -1 when the time has come. */
int clock_cond_wait(pthread_cond_t *, pthread_mutex_t *, int64_t until_mono_us);

#endif
