/*
 * utf8: the little that mail needs to know about UTF-8 (RFC 3629).
 */
#ifndef CORE_UTF8_H
#define CORE_UTF8_H

#include <stdbool.h>
#include <stddef.h>

/*
 * Length in bytes of the well-formed character at s of at most len bytes, or 0.
 */
size_t utf8_char(const char *s, size_t len);

/* The same for a NUL-terminated string, and 0 for control characters too. */
size_t utf8_printable(const char *s);

bool utf8_valid(const char *s, size_t len);
bool utf8_is_ascii(const char *s, size_t len);

#endif
