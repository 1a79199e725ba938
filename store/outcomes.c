/* SPDX-License-Identifier: BSD-2-Clause */
#include "config.h"

#include "store/outcomes.h"

#include <string.h>

const char *const outcome_names[OUTCOMES] = {
	[OUTCOME_DELIVERIES] = "deliveries",
	[OUTCOME_SENT] = "sent",
	[OUTCOME_DEFERRED] = "deferred",
	[OUTCOME_REFUSED] = "refused",
	[OUTCOME_DOUBTFUL] = "doubtful",
	[OUTCOME_OPEN] = "open",
	[OUTCOME_DELIVERED] = "delivered",
	[OUTCOME_DELAYED] = "delayed",
	[OUTCOME_REJECTED] = "rejected",
	[OUTCOME_BOUNCED] = "bounced",
	[OUTCOME_COMPLAINED] = "complained",
	[OUTCOME_ATTEMPTS] = "attempts",
};

static enum outcome_number
named(const char *name)
{
	for (int i = OUTCOME_SENT; i < OUTCOME_ATTEMPTS; i++)
		if (strcmp(outcome_names[i], name) == 0)
			return (enum outcome_number)i;
	return OUTCOME_OPEN;
}

void
outcome_count(
    int64_t n[], const char *state, const char *feedback, int64_t attempts)
{
	n[OUTCOME_DELIVERIES]++;
	n[named(state)]++;
	if (feedback != NULL)
		n[named(feedback)]++;
	n[OUTCOME_ATTEMPTS] += attempts;
}
