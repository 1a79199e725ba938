/*
 * report_times: what only the journal's rows tell of a period.
 */
#ifndef STORE_REPORT_TIMES_H
#define STORE_REPORT_TIMES_H

#include "store/report.h"

/*
 * Fill in the phases REPORT_TURN, REPORT_ANSWER and REPORT_DELIVERED, the
 * number of rows, and the chain's ends.
 */
int report_times(const char *journal_path, struct report *, struct err *);

#endif
