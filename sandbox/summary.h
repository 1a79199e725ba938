/*
 * summary: everything that was seen, as one JSON object on one line.
 */
#ifndef SANDBOX_SUMMARY_H
#define SANDBOX_SUMMARY_H

#include <stdint.h>

#include "core/buf.h"
#include "core/err.h"
#include "sandbox/sandbox.h"

/* Entries of lists with numbers above since. out should be able to hold
 * hundreds of MB. */
void summary_json(struct sandbox *, uint64_t since, struct buf *out);

/* Into a file, whole or not at all; "-" is standard output. */
int summary_write(struct sandbox *, const char *file, struct err *);

#endif
