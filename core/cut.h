/*
 * cut: words that are too long, cut where no address is parted.
 *
 * Addresses in words are looked for and hidden before the words are stored where
 * nothing can be erased (store/record_party.h). What is left of one whose end
 * was cut off would not be found, then or ever.
 */
#ifndef CORE_CUT_H
#define CORE_CUT_H

#include <stdarg.h>
#include <stddef.h>

/*
 * How much of the first len bytes of a text that goes on beyond them may be
 * kept: what may be the beginning of an address, or of the name before one, is
 * left out.
 */
size_t cut_length(const char *text, size_t len);

/* Copy text to to, which holds size bytes (at least 1), cut if it is too long. */
void cut_copy(char *to, size_t size, const char *text);

/* snprintf and vsnprintf, cut in the same way. */
void cut_printf(char *to, size_t size, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
void cut_vprintf(char *to, size_t size, const char *fmt, va_list)
    __attribute__((format(printf, 3, 0)));

/* cut_copy for what words go on behind: "..." (in size, too) tells of the rest
 * of a text that is too long. Returns to. */
const char *cut_mark(char *to, size_t size, const char *text);

#endif
