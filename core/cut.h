/*
 * cut: words that are too long, cut where no address is parted.
 *
 * Addresses in words are looked for and hidden before the words are stored where
 * nothing can be erased (store/record_party.h). What is left of one whose end
 * was cut off would not be found, then or ever.
 */
#ifndef CORE_CUT_H
#define CORE_CUT_H

#include <stddef.h>

/*
 * How much of the first len bytes of a text that goes on beyond them may be
 * kept: what may be the beginning of an address, or of the name before one, is
 * left out.
 */
size_t cut_length(const char *text, size_t len);

/* Copy text to to, which holds size bytes (at least 1), cut if it is too long. */
void cut_copy(char *to, size_t size, const char *text);

#endif
