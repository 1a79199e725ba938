/*
 * report_parts: what the files of the page share. report_html.c has the page
 * and the sections that are words and tables, report_charts.c those with
 * charts.
 */
#ifndef CLI_REPORT_PARTS_H
#define CLI_REPORT_PARTS_H

#include <stdio.h>

#include "cli/report.h"

/* Each writes its section, which may refer to figures of report_html. */
void report_volume(const struct report_page *, FILE *);
void report_delays(const struct report *, FILE *);
void report_rates(const struct report *, FILE *);

/* report_rate up to slot i, as charts ask for it. */
double report_bounce_rate(const void *report, size_t i);
double report_complaint_rate(const void *report, size_t i);

#endif
