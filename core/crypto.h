/*
 * crypto: digests, keyed hashes, sealing and random bytes.
 *
 * Thin over the TLS library's own (crypto_openssl.c or crypto_gnutls.c; what
 * needs neither is in crypto.c). A failure inside the library is a broken installation: the program ends, since there is
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

/*
 * HKDF with SHA-256 and no salt (RFC 5869): out_len bytes, at most 255 *
 * SHA256_LEN, of key material for the purpose that info names. The key must be
 * hard to guess: this is no function for passwords.
 */
void crypto_hkdf_sha256(const void *key, size_t key_len, const char *info,
    unsigned char *out, size_t out_len);

/*
 * AES-256-GCM (NIST SP 800-38D). A nonce may be used once only with one key;
 * random ones are good for some 2^32 messages. seal writes len +
 * CRYPTO_TAG_LEN bytes. open takes as many as seal wrote and writes len; -1 when
 * they, or bound, are not what was sealed under this key and nonce, and then
 * what out holds is worth nothing. bound is authenticated, not encrypted.
 */
#define CRYPTO_KEY_LEN 32
#define CRYPTO_NONCE_LEN 12
#define CRYPTO_TAG_LEN 16

struct crypto_aead {
	const unsigned char *key;   /* CRYPTO_KEY_LEN */
	const unsigned char *nonce; /* CRYPTO_NONCE_LEN */
	const void *bound;
	size_t bound_len;
};

void crypto_seal(const struct crypto_aead *, const void *data, size_t len,
    unsigned char *out);
int crypto_open(const struct crypto_aead *, const unsigned char *sealed,
    size_t sealed_len, unsigned char *out);

/* Whether two secrets of len bytes are equal, in time that does not tell where
 * they differ. 0 equal, otherwise not. */
int crypto_differ(const void *, const void *, size_t len);

#endif
