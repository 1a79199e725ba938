/*
 * recipient: what RCPT is answered: that the address is none, that it is
 * suppressed, what the gate says to it, that the day is full, or 250.
 *
 * Both functions add the recipient to the session's transaction, which there
 * must be, with the verdict where it was refused: that is answered now, and
 * journalled when the message is known.
 */
#ifndef LMTP_RECIPIENT_H
#define LMTP_RECIPIENT_H

#include "core/address.h"
#include "lmtp/session.h"

/* No reply but this one; a second naming of an address is taken as such. */
void recipient_answer(struct session *, const struct address *);

/* path is no address, for the reason in err. */
void recipient_malformed(struct session *, const char *path,
    enum address_fault, const struct err *);

#endif
