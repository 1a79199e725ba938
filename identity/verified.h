/*
 * verified: the domains and addresses that SES has verified for this account.
 *
 * A verified domain covers its subdomains, whatever the case; a verified
 * address covers itself, case included (domain part too), and its `+label`
 * forms (SES facts 3.2). With no identities known nothing is refused for being
 * unverified. The mailbox simulator may always be written to (see
 * address_is_simulator). A set is read-only once loaded and may be shared by
 * threads; references are counted.
 */
#ifndef IDENTITY_VERIFIED_H
#define IDENTITY_VERIFIED_H

#include <stdbool.h>
#include <stddef.h>

#include "core/address.h"
#include "core/err.h"
#include "identity/watched.h"

struct verified;

/*
 * A file with one domain or address a line (see lines.h). file "" makes an
 * empty set. NULL and err (ERR_CONFIG with file and line for what is neither;
 * ERR_LOCAL) on failure.
 */
struct verified *verified_load(const char *file, struct err *);
void verified_release(struct verified *); /* NULL is fine */

bool verified_none(const struct verified *); /* no identities known */

/* The identity that covers an address, the most specific one, or NULL. */
const char *verified_by(const struct verified *, const struct address *);

/* What rewrite.null-sender stands for when it is not set: mailer-daemon@ the
 * first domain, else the first address; -1 when there is neither. */
int verified_null_sender(const struct verified *, struct address *sender_r);

/* The identities in the order of the file, NULL past the last. */
const char *verified_item(const struct verified *, size_t i);

/* A set that is re-read when its file changes, for watched_open. */
extern const struct watched_kind verified_kind;

#endif
