/*
 * verdict: outcomes into LMTP replies. The one place that decides what the MTA
 * is told (design section 5, the table of replies).
 */
#ifndef LMTP_VERDICT_H
#define LMTP_VERDICT_H

#include <stdint.h>

#include "core/err.h"
#include "ses/reply.h"
#include "store/record.h"

/* SES's words and ours beside them. */
#define VERDICT_TEXT_MAX (SES_TEXT_MAX + 100)

struct verdict {
	enum record_state state; /* for the journal */
	unsigned code;
	char dsn[8];
	char text[VERDICT_TEXT_MAX + 1]; /* what follows code and status */
	char ses_id[SES_ID_MAX + 1]; /* RECORD_SENT */
};

/* What SES said, or what kept us from asking, about one delivery. */
void verdict_from_ses(const struct ses_result *, struct verdict *);

/* SES took it in an earlier attempt. at_us is wall time. */
void verdict_sent_before(const char *ses_id, int64_t at_us, struct verdict *);

/* In doubt, and store.doubtful = hold. */
void verdict_held(struct verdict *);

/*
 * Its turn did not come within answer-within: words with figures and the next
 * slot (wall time, 0 when not known).
 */
void verdict_no_turn(int64_t waited_us, double pace, int64_t next_at_us,
    struct verdict *);

/* The day is used up: the time of the next slot (wall). */
void verdict_day_full(int64_t spent, int64_t daily, int64_t next_at_us,
    struct verdict *);

/* posternd is stopping; the client went away. */
void verdict_stopping(struct verdict *);

/* An answer of our own: refused with 5xx, deferred with 4xx. */
void verdict_answer(unsigned code, const char *dsn, const char *words,
    struct verdict *);

/* Our own trouble: 452 4.3.1 when something is full, else 451 4.3.0. */
void verdict_local(const struct err *, struct verdict *);

#endif
