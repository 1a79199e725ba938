/*
 * header_encode: ASCII writings of text that is not ASCII, for header_repair.c.
 */
#ifndef CORE_HEADER_ENCODE_H
#define CORE_HEADER_ENCODE_H

#include <stdbool.h>
#include <stddef.h>

#include "core/buf.h"

/*
 * Append text as encoded words (RFC 2047), on lines of at most 76 characters
 * and folded between them. What out ends with is the line so far: when it has
 * little room left, a fold is put before the first word too, in place of the
 * blanks at its end. Fit for phrases, comments and unstructured text alike.
 * Text that is not utf8 is called unknown-8bit (RFC 1428); text in ASCII with
 * its escape sequences is ISO-2022-JP (RFC 1468).
 */
void header_encode_words(struct buf *out, const char *text, size_t len,
    bool utf8);

/* Append text with bytes over 127 as %XX; with all, also whatever may not stand
 * for itself in an extended parameter value (RFC 2231 section 7). */
void header_encode_percent(struct buf *out, const char *text, size_t len,
    bool all);

#endif
