/*
 * placeholder: names put back into the journal's texts, for people to read.
 *
 * The journal keeps {sender} and {recipient:3} where a text had a person's
 * address, and {ses-id} for the id that is in a column of its own
 * (postern-journal(5)).
 */
#ifndef CLI_PLACEHOLDER_H
#define CLI_PLACEHOLDER_H

#include <stdbool.h>
#include <stddef.h>

#include "core/buf.h"

/* What the mark of len bytes between the braces stands for; NULL when that is
 * not known, and the placeholder stays as it is. */
typedef const char *placeholder_fn(const void *arg, const char *mark, size_t len);

/* Append text to out, placeholders filled. */
void placeholder_fill(
    const char *text, placeholder_fn *, const void *arg, struct buf *out);

/* Whether a mark is this role's: role, or with n not 0 role:n. */
bool placeholder_is(const char *mark, size_t len, const char *role, unsigned n);

#endif
