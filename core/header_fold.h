/*
 * header_fold: lines of bounded length, for header_repair.c.
 */
#ifndef CORE_HEADER_FOLD_H
#define CORE_HEADER_FOLD_H

#include <stdbool.h>
#include <stddef.h>

#include "core/buf.h"

/*
 * Append a field of len bytes, in ASCII, with its lines over HEADER_LINE_MAX
 * folded: at blanks, so that unfolding gives the same value; where there are
 * none after a comma or semicolon, else hard. start is where the value begins.
 * Returns whether any was.
 */
bool header_fold(const char *field, size_t len, size_t start, struct buf *out);

#endif
