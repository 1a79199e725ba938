/*
 * report: a period of the journal in figures.
 *
 * Deliveries belong to the time at which their message was first received. The
 * journal is only read, in one pass over each table and in the order that they
 * share, so the cost is that of the period and not of the journal.
 */
#ifndef STORE_REPORT_H
#define STORE_REPORT_H

#include <stddef.h>
#include <stdint.h>

#include "core/err.h"
#include "core/histogram.h"
#include "core/tally.h"
#include "store/chain.h"
#include "store/journal.h"
#include "store/outcomes.h"

/*
 * SES reviews an account whose rates are that high, and pauses it at the second
 * figure (SES's Developer Guide, "Sending review process FAQs").
 */
#define REPORT_BOUNCE_REVIEW 0.05
#define REPORT_BOUNCE_PAUSE 0.10
#define REPORT_COMPLAINT_REVIEW 0.001
#define REPORT_COMPLAINT_PAUSE 0.005

/* What a delivery's time goes into. */
enum report_phase {
	REPORT_TURN,	 /* from its arrival to its first dot */
	REPORT_ANSWER,	 /* from a dot to SES's acceptance */
	REPORT_ACCEPTED, /* from its arrival to SES's acceptance */
	REPORT_DELIVERED, /* from there to the recipient's server, as SES tells */
	REPORT_PHASES
};

struct report_doubt {
	struct uuid message;
	unsigned n;
	int64_t received_at;
	char *recipient, *reply; /* NULL: erased; none */
};
#define REPORT_DOUBTS_MAX 50

struct report_slot {
	int64_t at, n[OUTCOMES];
};

struct report {
	int64_t since_us, until_us; /* [since, until), wall time */
	int64_t slot_us;	    /* a day, or an hour for short periods */
	struct report_slot *slots;
	size_t nslots;
	int64_t messages, bytes;
	int64_t total[OUTCOMES];
	struct tally *senders; /* as they were before anybody rewrote them */
	struct tally *domains;
	/* By code and words, numbers in them as #: n[OUTCOME_REFUSED] and
	 * n[OUTCOME_DEFERRED]. */
	struct tally *reasons;
	struct histogram phase[REPORT_PHASES];
	struct report_doubt doubts[REPORT_DOUBTS_MAX];
	size_t ndoubts; /* told; total[OUTCOME_DOUBTFUL] has them all */

	int64_t rows;		/* of the journal in the period */
	int64_t first_seq, head_seq;
	unsigned char head[CHAIN_LEN];
};

/* The period's report, to be freed; NULL and err. */
struct report *report_new(const char *journal_path, int64_t since_us,
    int64_t until_us, struct err *);
void report_free(struct report *);

#endif
