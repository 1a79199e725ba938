/*
 * record_party: the people in a message, and keeping them out of the chain.
 */
#ifndef STORE_RECORD_PARTY_H
#define STORE_RECORD_PARTY_H

#include <stdbool.h>
#include <stddef.h>

#include "core/buf.h"
#include "store/journal.h"

/*
 * Texts as they are stored: valid UTF-8 without control characters (U+FFFD
 * instead), at most max bytes, cut as core/cut.h does. A new string; NULL stays
 * NULL.
 */
char *party_clean(const char *text, size_t max);

/* Random salt, its commitment to value in base64 (to be freed). */
char *party_commit(const char *value, unsigned char *salt_r);

/*
 * Append text to out with every address in it replaced: by {ROLE} or
 * {recipient:N} when it is a party's, by {address} when it is nobody's. A name
 * before an address in angle brackets goes with it. Of one whose text it is, as
 * of a remote server's words about a recipient, also LOCAL=DOMAIN, LOCAL%40DOMAIN
 * and, from 4 bytes on, LOCAL as a word.
 */
struct party_name {
	const char *value;
	const char *role;
	unsigned n; /* 0 for the message's own */
	bool in_words;
};
void party_hide(const char *text, const struct party_name *, size_t n,
    struct buf *out);

#endif
