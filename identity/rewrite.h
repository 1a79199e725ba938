/*
 * rewrite: what becomes of a sender.
 *
 * Amazon SES takes mail only from senders that it has verified. The rules say
 * what stands in for others: a verified sender passes untouched; otherwise the
 * table decides (rewrite.senders), and where it says nothing rewrite.default.
 * Pure decisions, each with its reason in words, for the milter, the gate and
 * `postern rewrite`.
 */
#ifndef IDENTITY_REWRITE_H
#define IDENTITY_REWRITE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/address.h"
#include "core/conf.h"
#include "identity/rewrite_table.h"
#include "identity/secret.h"
#include "identity/srs.h"
#include "identity/verified.h"

/* What the rules are; all of it outlives the calls (see also rules.h). */
struct rewrite_rules {
	struct conf *conf; /* identities.file, rewrite.* */
	struct verified *verified;
	struct rewrite_table *table;
	struct secret *secret; /* NULL: none, so no SRS */
	const char *host; /* the MTA's own name, which completes addresses
			   * without a domain; NULL: those are no addresses */
};

enum rewrite_action {
	REWRITE_PASS,	 /* as it is, or the null sender */
	REWRITE_REPLACE, /* by `to` */
	REWRITE_REJECT,	 /* 5xx */
	REWRITE_DEFER	 /* 4xx */
};

struct rewrite_decision {
	enum rewrite_action action;
	struct address original; /* parsed and completed; "" where it is no
				  * address, and for the null sender */
	struct address to;	 /* PASS: the same; REPLACE: what stands in */
	bool completed; /* REPLACE: only the host's name was added */
	char dsn[8];	/* REJECT and DEFER: RFC 3463 */
	char why[400];	/* words: by what identity, rule or default it is so.
			 * REJECT and DEFER: what follows "From <ADDRESS> " in
			 * a reply. Printable ASCII. */
};

/*
 * Decide about an address of len bytes as it was found: `user@example.com`, or
 * in angle brackets and with a source route, as MAIL has it. It need not be one
 * that SES would take: a local part that is not ASCII, an address literal, no
 * domain. wall_us dates SRS addresses. With no identities known every address
 * passes.
 *
 * A replacement that is not verified itself, or srs without a secret, is the
 * operator's error and defers. One that can't be made of this sender (too long,
 * nothing to put for {local}) rejects; but for what is too long to become an SRS
 * address the null sender's replacement stands in, if there is one.
 */
void rewrite_sender(const struct rewrite_rules *, const char *address,
    size_t len, int64_t wall_us, struct rewrite_decision *);

/* What stands between angle brackets, where there are any, and behind a source
 * route: that is all that rewrite_sender goes by. */
void rewrite_bare(const char **address, size_t *len);

/* What stands in for the null sender: rewrite.null-sender, else what the
 * identities give. -1 and err (ERR_CONFIG, the operator's) when there is none
 * that is verified. */
int rewrite_null_sender(const struct rewrite_rules *, struct address *sender_r,
    struct err *);

/* Whether SES would let us send as this address, as far as we know. */
bool rewrite_covered(const struct rewrite_rules *, const struct address *);

/* Where SRS addresses are made: rewrite.srs-domain, else the first verified
 * domain, else NULL. */
const char *rewrite_srs_domain(const struct conf *, const struct verified *);

/* srs_reverse for wherever one may have been made: in rewrite.srs-domain and in
 * each verified domain, since a list may be put into another order while what
 * was made is on its way. Needs the secret. */
enum srs_result rewrite_srs_reverse(const struct rewrite_rules *,
    const struct address *srs, int64_t wall_us, struct address *original_r,
    struct err *);

#endif
