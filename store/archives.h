/*
 * archives: those that a journal's rows have gone into.
 */
#ifndef STORE_ARCHIVES_H
#define STORE_ARCHIVES_H

#include <stddef.h>

#include "core/err.h"

/*
 * Call fn with the name that each archive of the journal at path had when it
 * was made, in their order, which none of these files is, whatever they are
 * called now. What was lost and made again (prune --archive-lost) is left out.
 */
int archives_besides(const char *path, char *const *files, size_t n,
    void (*fn)(void *arg, const char *name), void *arg, struct err *);

#endif
