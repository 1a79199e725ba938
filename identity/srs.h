/*
 * srs: the Sender Rewriting Scheme, by which a sender in a foreign domain
 * becomes one in ours, and a bounce to that finds the way back.
 *
 *	SRS0=HASH=DAY=domain=local@ours		for local@domain
 *	SRS1=HASH=first==REST@ours		for SRS0=REST@first, which another
 *						host made; and for SRS1=...
 *						whose SRS0 is first's
 *
 * as Shevek's paper has it and others write it; the tag may be followed by =, +
 * or -, and is read without regard to case. DAY counts from the epoch modulo
 * 1024 in two digits of base32 (RFC 4648, A-Z2-7). HASH is an HMAC-SHA256 under
 * a key of rewrite.secret, over tag and all that follows, in lower case. An
 * address that an MTA has put into lower case therefore still verifies, and
 * comes back so; one that travelled as it was made comes back exactly (but that
 * a tag of the original is always read as SRS0).
 *
 * HASH has 6 digits of base32, 30 bits, where others take 4 of base64 and lose
 * some of these to case: who guesses one can have mail sent on to an address of
 * his choice, and at 100 tries a second that takes months. Each digit more
 * would cost the local parts, which have 64 bytes for all, one of theirs.
 *
 * Nothing here looks at a clock: time is an argument.
 */
#ifndef IDENTITY_SRS_H
#define IDENTITY_SRS_H

#include <stdbool.h>
#include <stdint.h>

#include "core/address.h"
#include "core/err.h"
#include "identity/secret.h"

#define SRS_HASH_LEN 6

/* How long an SRS0 address is good for: longer than mail servers try, which is
 * five days by custom (RFC 5321 section 4.5.4.1), and readers may be away. */
#define SRS_VALID_DAYS 21

/*
 * The SRS address in domain of an original sender, which is not the null sender.
 * -1 and err (ERR_POLICY) when it would be too long: a local part has 64 bytes.
 */
int srs_forward(const struct secret *, const struct address *original,
    const char *domain, int64_t wall_us, struct address *srs_r, struct err *);

/* Whether the local part looks like that of an SRS address, anybody's. */
bool srs_tagged(const struct address *);

enum srs_result {
	SRS_OK,
	SRS_NONE,      /* not in this domain, or without a tag */
	SRS_MALFORMED,
	SRS_FORGED,    /* the hash fits none of the keys */
	SRS_EXPIRED
};

/* The way back. Unless SRS_OK or SRS_NONE, err (ERR_POLICY) has words for a
 * reply. */
enum srs_result srs_reverse(const struct secret *, const struct address *srs,
    const char *domain, int64_t wall_us, struct address *original_r,
    struct err *);

#endif
