/*
 * report: what the verb knows beside the figures, and the page it can make.
 */
#ifndef CLI_REPORT_H
#define CLI_REPORT_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "cli/cli.h"
#include "store/report.h"

/* Rows of the tables of senders, domains and reasons. */
#define REPORT_TOP 20

struct report_page {
	const struct report *report;
	const char *host;
	const char *journal; /* its path */
	int64_t made_at;     /* wall time */
	int64_t daily;	     /* the account's limit; negative: none */
	bool verified;	     /* the whole chain was checked ... */
	uint64_t faults;     /* ... and that is what was found */
};

/* One page that needs nothing else: no script, no picture, no font. */
void report_html(const struct report_page *, FILE *);

/* The same figures as tables for a terminal. */
void report_text(const struct report_page *, const struct output *);

/* The same figures as one JSON object. */
void report_json(const struct report_page *, const struct output *);

extern const char report_style[]; /* its style sheet */

extern const char *const report_phases[REPORT_PHASES];

/* The rates that SES judges by, over the `over` slots that end with slot i (a
 * week, or a day for short periods); negative when nothing was sent. */
double report_rate(
    const struct report *, size_t i, enum outcome_number, size_t over);
size_t report_rate_slots(const struct report *);

/* The slot's day, or its hour. */
const char *report_slot_name(const struct report *, size_t i, char text[24]);

#endif
