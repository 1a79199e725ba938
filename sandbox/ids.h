/*
 * ids: identifiers of the shapes that SES uses.
 *
 * Unique within and over runs of the sandbox. Safe from any thread.
 */
#ifndef SANDBOX_IDS_H
#define SANDBOX_IDS_H

#include <stdint.h>

#define IDS_LEN 61

/* 0107017033dbb64d-be13a01e-dbf1-44b7-b876-3622165dacc1-000000: a region, a
 * time, and a random number. */
void ids_message(const char *region, int64_t wall_us, char out[IDS_LEN]);

/* n characters that look random, from the given alphabet. out holds n + 1. */
void ids_word(const char *alphabet, unsigned n, char *out);

#endif
