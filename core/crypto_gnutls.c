/* SPDX-License-Identifier: BSD-2-Clause */
#include "config.h"

#include "core/crypto.h"

#include <gnutls/crypto.h>
#include <gnutls/gnutls.h>

#include "core/log.h"

/*
 * crypto.h over GnuTLS. A struct sha256 is what a gnutls_hash_hd_t points to,
 * by another name.
 */

static void
need(int rc, const char *what)
{
	if (rc < 0)
		log_fatal("GnuTLS: %s failed (out of memory, or a broken "
			  "installation): %s", what, gnutls_strerror(rc));
}

struct sha256 *
sha256_new(void)
{
	gnutls_hash_hd_t hash;

	need(gnutls_hash_init(&hash, GNUTLS_DIG_SHA256), "SHA-256");
	return (struct sha256 *)hash;
}

void
sha256_add(struct sha256 *s, const void *data, size_t len)
{
	need(gnutls_hash((gnutls_hash_hd_t)s, data, len), "SHA-256");
}

void
sha256_end(struct sha256 *s, unsigned char out[SHA256_LEN])
{
	gnutls_hash_deinit((gnutls_hash_hd_t)s, out);
}

void
crypto_sha256(const void *data, size_t len, unsigned char out[SHA256_LEN])
{
	need(gnutls_hash_fast(GNUTLS_DIG_SHA256, data, len, out), "SHA-256");
}

void
crypto_hmac_sha256(const void *key, size_t key_len, const void *data,
    size_t len, unsigned char out[SHA256_LEN])
{
	need(gnutls_hmac_fast(
		 GNUTLS_MAC_SHA256, key, key_len, data, len, out),
	    "HMAC-SHA-256");
}

void
crypto_random(void *out, size_t len)
{
	need(gnutls_rnd(GNUTLS_RND_KEY, out, len),
	    "the random number generator");
}

static gnutls_aead_cipher_hd_t
aead_new(const struct crypto_aead *a)
{
	gnutls_aead_cipher_hd_t aead;
	gnutls_datum_t key = { (unsigned char *)(uintptr_t)a->key,
		CRYPTO_KEY_LEN };

	need(gnutls_aead_cipher_init(&aead, GNUTLS_CIPHER_AES_256_GCM, &key),
	    "AES-256-GCM");
	return aead;
}

void
crypto_seal(const struct crypto_aead *a, const void *data, size_t len,
    unsigned char *out)
{
	gnutls_aead_cipher_hd_t aead = aead_new(a);
	size_t out_len = len + CRYPTO_TAG_LEN;

	need(gnutls_aead_cipher_encrypt(aead, a->nonce, CRYPTO_NONCE_LEN,
		 a->bound, a->bound_len, CRYPTO_TAG_LEN, data, len, out,
		 &out_len),
	    "AES-256-GCM");
	gnutls_aead_cipher_deinit(aead);
}

int
crypto_open(const struct crypto_aead *a, const unsigned char *sealed,
    size_t sealed_len, unsigned char *out)
{
	gnutls_aead_cipher_hd_t aead;
	size_t out_len;
	int rc;

	if (sealed_len < CRYPTO_TAG_LEN)
		return -1;
	out_len = sealed_len - CRYPTO_TAG_LEN;
	aead = aead_new(a);
	rc = gnutls_aead_cipher_decrypt(aead, a->nonce, CRYPTO_NONCE_LEN,
	    a->bound, a->bound_len, CRYPTO_TAG_LEN, sealed, sealed_len, out,
	    &out_len);
	gnutls_aead_cipher_deinit(aead);
	if (rc != GNUTLS_E_DECRYPTION_FAILED)
		need(rc, "AES-256-GCM");
	return rc < 0 ? -1 : 0;
}

int
crypto_differ(const void *a, const void *b, size_t len)
{
	return gnutls_memcmp(a, b, len);
}
