/*
 * outcomes: deliveries counted by what became of them.
 */
#ifndef STORE_OUTCOMES_H
#define STORE_OUTCOMES_H

#include <stdint.h>

#include "core/tally.h"

/* Places in tally_row's n. Each delivery is in one state; feedback comes on
 * top of that. */
enum outcome_number {
	OUTCOME_DELIVERIES,
	OUTCOME_SENT,
	OUTCOME_DEFERRED,
	OUTCOME_REFUSED,
	OUTCOME_DOUBTFUL,
	OUTCOME_OPEN, /* waiting or sending */
	OUTCOME_DELIVERED,
	OUTCOME_DELAYED,
	OUTCOME_REJECTED,
	OUTCOME_BOUNCED,
	OUTCOME_COMPLAINED,
	OUTCOME_ATTEMPTS, /* dots */
	OUTCOMES
};
_Static_assert(OUTCOMES <= TALLY_NUMBERS, "a tally holds all outcomes");

/* As in delivery.state and delivery.feedback; those without a name there have
 * one in the same style. */
extern const char *const outcome_names[OUTCOMES];

/* Count one delivery; feedback may be NULL. */
void outcome_count(
    int64_t n[], const char *state, const char *feedback, int64_t attempts);

#endif
