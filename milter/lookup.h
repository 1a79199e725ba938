/*
 * lookup: Postfix's socketmap protocol (socketmap_table(5)), which Sendmail
 * invented, and what is answered: the originals of SRS addresses.
 *
 *	request	"LEN:NAME KEY,"		NAME is srs
 *	reply	"LEN:OK ADDRESS,"	or NOTFOUND, TEMP REASON, PERM REASON
 */
#ifndef MILTER_LOOKUP_H
#define MILTER_LOOKUP_H

#include <stddef.h>
#include <stdint.h>

#include "core/buf.h"
#include "identity/rewrite.h"

/* Most bytes in a request: an address, and a name that somebody made up. */
#define LOOKUP_MAX 1000

struct lookup {
	const char *name; /* these point into the request */
	size_t name_len;
	const char *key; /* all that follows the first blank */
	size_t key_len;
};

enum lookup_parse {
	LOOKUP_MORE, /* more bytes are needed */
	LOOKUP_READY,
	LOOKUP_BAD /* no netstring, too long, or without a blank */
};

/* Take the first request apart; READY: *used_r bytes belong to it. */
enum lookup_parse lookup_parse(const char *data, size_t len, struct lookup *,
    size_t *used_r);

/* How a reply begins. */
enum lookup_status { LOOKUP_OK, LOOKUP_NOTFOUND, LOOKUP_TEMP, LOOKUP_PERM };

/*
 * Append the reply as a netstring. What is no SRS address of ours is not found,
 * and neither is one that was forged or has expired: the MTA then treats it as
 * any other address of its domain that does not exist. While no domain is known
 * in which they are made, SRS addresses are put off. why (of 200 bytes) says,
 * for the log, why an SRS address was not found, else it is "".
 */
#define LOOKUP_WHY 200
enum lookup_status lookup_answer(const struct lookup *,
    const struct rewrite_rules *, int64_t wall_us, struct buf *out,
    char why[LOOKUP_WHY]);

#endif
