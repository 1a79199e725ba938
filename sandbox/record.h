/*
 * record: what the sandbox saw, by which tests judge.
 *
 * Counters, and the latest accepted messages, refusals and violations, each
 * kept as the JSON text that the summary shows. Safe from any thread.
 */
#ifndef SANDBOX_RECORD_H
#define SANDBOX_RECORD_H

#include <stdbool.h>
#include <stdint.h>

#include "core/buf.h"

enum counter {
	COUNTER_CONNECTIONS,
	COUNTER_OPEN,	     /* connections at this moment */
	COUNTER_TURNED_AWAY, /* 421 at connect */
	COUNTER_TLS,
	COUNTER_TLS_FAILED,
	COUNTER_AUTH,
	COUNTER_AUTH_FAILED,
	COUNTER_TRANSACTIONS, /* MAIL accepted */
	COUNTER_MESSAGES,     /* accepted after the dot */
	COUNTER_RECIPIENTS,   /* of those messages */
	COUNTER_BYTES,	      /* of those messages */
	COUNTER_REFUSALS,     /* 4xx and 5xx of every phase */
	COUNTER_THROTTLED_RATE,
	COUNTER_THROTTLED_DAY,
	COUNTER_THROTTLED_SIGV2,
	COUNTER_VIOLATIONS,
	COUNTER_FAULTS,
	COUNTER_TIMEOUTS,     /* 451 4.4.2 */
	COUNTER_SESSION_CAPS, /* 421 after many messages */
	COUNTER_QUITS,
	COUNTER_HANGUPS, /* closed by the client without QUIT */
	COUNTER_EVENTS,
	COUNTER_COUNT
};

enum record_list {
	RECORD_MESSAGES,
	RECORD_REFUSALS,
	RECORD_VIOLATIONS,
	RECORD_LISTS
};

struct record;

/* Of each list the latest keep entries are kept. */
struct record *record_new(uint64_t keep);
void record_free(struct record *);

void record_count(struct record *, enum counter, int64_t n);
int64_t record_counter(struct record *, enum counter);

/* The counter of a name, or COUNTER_COUNT. */
enum counter record_counter_named(const char *);

/*
 * Append an entry and count it. json is an object without its closing bracket,
 * which the record takes over; it gets its number in the list as the member
 * "n", from 1.
 */
void record_add(struct record *, enum record_list, struct buf *json);

/* Count a violation of this kind (a constant string). */
void record_violation_kind(struct record *, const char *kind);

/* Wait until a counter has reached n; returns its value, which is less than n
 * when the time has come. */
int64_t record_wait(
    struct record *, enum counter, int64_t n, int64_t until_mono_us);

/* End all waits, now and later. */
void record_stop(struct record *);

/* Counters as a JSON object; the violations by kind; and a list's entries with
 * numbers above since, as an array. */
void record_counters_json(struct record *, struct buf *);
void record_kinds_json(struct record *, struct buf *);
void record_list_json(
    struct record *, enum record_list, uint64_t since, struct buf *);

/* Forget everything but the connections that are open. */
void record_reset(struct record *);

#endif
