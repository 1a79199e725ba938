/*
 * secret: the keys in rewrite.secret, from which SRS addresses are made and the
 * origin of a message is sealed.
 *
 * A file with a key a line; a line that begins with # is a comment. The first
 * key makes, all are accepted, so that a new one can be put in front of an old
 * one while addresses made with that are still about. What is derived from a
 * key for one purpose tells nothing of the key nor of what is derived for the
 * other (HKDF-SHA256). Read-only once loaded and may be shared by threads;
 * references are counted.
 */
#ifndef IDENTITY_SECRET_H
#define IDENTITY_SECRET_H

#include <stddef.h>

#include "core/crypto.h"
#include "core/err.h"
#include "identity/watched.h"

#define SECRET_KEYS_MAX 16
#define SECRET_KEY_MIN 16  /* bytes in a line; nobody can try 2^64 of them */
#define SECRET_KEY_MAX 500

struct secret;

/*
 * NULL and err (ERR_CONFIG with file and line, never with what stands there;
 * ERR_LOCAL when it can't be read) on failure: also when others than owner and
 * group may access the file, or there is no key in it.
 */
struct secret *secret_load(const char *file, struct err *);
void secret_release(struct secret *); /* NULL is fine */

/* The same for watched_open. */
extern const struct watched_kind secret_kind;

/* Never 0. Of key i, which is less, CRYPTO_KEY_LEN bytes for one purpose. */
size_t secret_count(const struct secret *);
const unsigned char *secret_srs_key(const struct secret *, size_t i);
const unsigned char *secret_origin_key(const struct secret *, size_t i);

#endif
