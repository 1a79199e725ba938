/*
 * crypto: digests, keyed hashes, sealing and random bytes.
 *
 * Thin over the TLS library's own (crypto_openssl.c or crypto_gnutls.c). A
 * failure inside the library is a broken installation: the program ends, since there is
 * no safe way on. Safe from any thread, but for one struct sha256.
 */
#ifndef CORE_CRYPTO_H
#define CORE_CRYPTO_H

#include <stddef.h>
#include <stdint.h>

#define SHA256_LEN 32

struct sha256; /* a digest under way */

struct sha256 *sha256_new(void);
void sha256_add(struct sha256 *, const void *, size_t);
/* Write the digest and free the object. */
void sha256_end(struct sha256 *, unsigned char out[SHA256_LEN]);

void crypto_sha256(const void *, size_t, unsigned char out[SHA256_LEN]);
void crypto_hmac_sha256(const void *key, size_t key_len, const void *data,
    size_t len, unsigned char out[SHA256_LEN]);
void crypto_random(void *, size_t);

/* Whether two secrets of len bytes are equal, in time that does not tell where
 * they differ. 0 equal, otherwise not. */
int crypto_differ(const void *, const void *, size_t len);

#endif
