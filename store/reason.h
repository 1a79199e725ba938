/*
 * reason: why an address is suppressed, in words that hold in any message.
 *
 * They go into the refusals of mail to it and into the chain, so they name
 * nobody, and nothing in them may be filled from a message that they are shown
 * with.
 */
#ifndef STORE_REASON_H
#define STORE_REASON_H

#include <stddef.h>

/*
 * What of a text may be stored about an address (in lower case): at most max
 * bytes of it, cleaned as by party_clean, which become longer by what addresses
 * and placeholders are replaced with. A new string; NULL stays NULL.
 */
char *reason_storable(const char *text, const char *address, size_t max);

/*
 * Replace the placeholders of the message that made the reason (schema/README):
 * the recipient's is the address that is suppressed, all others are somebody's.
 * Journals have reasons that still have them. A new string; NULL stays NULL.
 */
char *reason_neutral(const char *text);

#endif
