/*
 * hidden: a name that stands for an address that was erased.
 *
 * HMAC-SHA256 over the address in lower case, under a key of the store's own
 * (PATH-key, readable for posternd only): whoever has the journal but not the
 * key can't try addresses, yet a suppression stays in force.
 */
#ifndef STORE_HIDDEN_H
#define STORE_HIDDEN_H

#include "core/crypto.h"
#include "core/err.h"

#define HIDDEN_PREFIX "hmac:"
#define HIDDEN_LEN (sizeof(HIDDEN_PREFIX) + 2 * (size_t)SHA256_LEN)
#define HIDDEN_KEY_LEN 32

struct hidden_key {
	unsigned char bytes[HIDDEN_KEY_LEN];
};

/* The key of the journal at path: 1, 0 when it has none yet, -1 and err. */
int hidden_key_load(const char *path, struct hidden_key *, struct err *);

/*
 * The same, made at random and synced when there is none; all who make one at
 * the same time get the same. 0, or -1 and err.
 */
int hidden_key_make(const char *path, struct hidden_key *, struct err *);

/* The name of an address in lower case. Returns name. */
const char *hidden_name(
    const struct hidden_key *, const char *address, char name[HIDDEN_LEN]);

#endif
