/*
 * rewrite_table: the file rewrite.senders, which says what becomes of which
 * unverified sender.
 *
 * A line has two words, LEFT and RIGHT (see lines.h for comments). The first
 * line whose left side matches counts:
 *
 *	user@example.com	this address
 *	@example.com		every address of this domain
 *	@.example.com		of its subdomains
 *	user@			this local part at any domain
 *	*			everyone
 *
 * all without regard to case, as MTAs look addresses up. On the right an
 * address, in which {local} and {domain} stand for the parts of the original,
 * or srs, reject, defer. A table is read-only once loaded and may be shared by
 * threads; references are counted.
 */
#ifndef IDENTITY_REWRITE_TABLE_H
#define IDENTITY_REWRITE_TABLE_H

#include <stdbool.h>
#include <stddef.h>

#include "core/address.h"
#include "core/err.h"
#include "identity/watched.h"

enum rewrite_to {
	REWRITE_TO_ADDRESS,
	REWRITE_TO_SRS,
	REWRITE_TO_REJECT,
	REWRITE_TO_DEFER
};

struct rewrite_rule {
	size_t line;
	char *left; /* both sides as written */
	char *right;
	char *local;	 /* what must match: NULL for any, without quoting */
	char *domain;	 /* the same, in ASCII */
	bool subdomains; /* of domain, but not itself */
	enum rewrite_to to;
};

struct rewrite_table;

/*
 * file "" makes an empty table. NULL and err (ERR_CONFIG with file, line and
 * what would be right; ERR_LOCAL) on failure.
 */
struct rewrite_table *rewrite_table_load(const char *file, struct err *);
void rewrite_table_release(struct rewrite_table *); /* NULL is fine */

/* The same for watched_open. */
extern const struct watched_kind rewrite_table_kind;

/*
 * The first rule for a sender, or NULL. local is without quoting. Either part
 * may be "", as in what is no address: then only rules without it match.
 */
const struct rewrite_rule *rewrite_table_find(const struct rewrite_table *,
    const char *local, const char *domain);

/*
 * The address that a rule with REWRITE_TO_ADDRESS makes of a sender's parts. -1
 * and err (ERR_POLICY) when the result is none (too long), or when a part that
 * it takes is "".
 */
int rewrite_rule_address(const struct rewrite_rule *, const char *local,
    const char *domain, struct address *address_r, struct err *);

/* The rules in the order of the file, NULL past the last. */
const struct rewrite_rule *rewrite_table_item(const struct rewrite_table *,
    size_t i);

/* Whether srs can come of it, which needs rewrite.secret. */
bool rewrite_table_has_srs(const struct rewrite_table *);

#endif
