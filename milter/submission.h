/*
 * submission: one message on its way into the MTA, as the milter sees it.
 *
 * Takes what matters of envelope and header as the MTA tells it, and says at
 * the end what is to be changed. Knows nothing of libmilter; for one thread.
 */
#ifndef MILTER_SUBMISSION_H
#define MILTER_SUBMISSION_H

#include <stdbool.h>
#include <stdint.h>

#include "core/address.h"
#include "identity/origin.h"
#include "identity/rewrite.h"
#include "identity/senders.h"

struct submission;

/*
 * path is the sender as MAIL has it, with or without angle brackets and source
 * route. resolved is what the MTA makes of it ({mail_addr}) or NULL: where that
 * is a whole address it counts, since Postfix puts it into its queue only after
 * it has told the milter the other.
 */
struct submission *submission_new(const char *path, const char *resolved);
void submission_free(struct submission *); /* NULL is fine */

/*
 * A header field in its order: the value as it came after the colon, without
 * leading blanks, line ends within it LF.
 */
void submission_field(struct submission *, const char *name,
    const char *value);

/* What becomes of it. */
struct submission_outcome {
	unsigned code;	 /* 0, or that of a refusal: 550, 552 or 451 */
	char dsn[8];
	char text[900];	 /* of a refusal: one line of printable ASCII */
	bool new_sender; /* the envelope gets `sender` */
	struct address sender;
	struct senders_output fields;
	unsigned nfrom, nsender; /* how many of these there are: whoever
				  * replaces the first removes the others */
	char why[400];	/* new_sender: by what rule */
};

/*
 * Judge it, once. A message with the null sender is left alone: the MTA's own
 * rules for bounces hold as long as it is inside, and posternd gives it a sender
 * on its way out. submission_outcome_free in each case.
 */
void submission_judge(struct submission *, const struct rewrite_rules *,
    int64_t wall_us, struct submission_outcome *);
void submission_outcome_free(struct submission_outcome *);

/* Sender as it came, without angle brackets and route; addresses in From, comma between:
 * printable ASCII, for the log. */
const char *submission_sender(const struct submission *);
void submission_from(struct submission *, struct buf *);

/* What the message says of its origin, and how it leaves: `original`, and the
 * marks. */
void submission_origin(struct submission *, const struct submission_outcome *,
    struct origin *);

#endif
