/*
 * apply: put into effect by libmilter what was decided about a message. At its
 * end only, as the protocol has it.
 */
#ifndef MILTER_APPLY_H
#define MILTER_APPLY_H

#include <stdbool.h>

#include <libmilter/mfapi.h>

#include "identity/origin.h"
#include "milter/submission.h"

/* What the MTA has to let a milter do. */
#define APPLY_ACTIONS (SMFIF_ADDHDRS | SMFIF_CHGHDRS | SMFIF_CHGFROM)

/* The changes to envelope and header. -1 when the MTA does not take one. */
int apply_outcome(SMFICTX *, const struct submission_outcome *);

/*
 * Seal the origin and put it on top of the header, so that it is the first of
 * its name. id is the queue id or NULL: then nothing binds it to the message,
 * and the log is told that there is none. -1 as above.
 */
int apply_origin(SMFICTX *, const struct secret *, struct origin *,
    const char *id);

/* Tell the submitter why not; what the callback returns. */
sfsistat apply_refusal(SMFICTX *, const struct submission_outcome *);

#endif
