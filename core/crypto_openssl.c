/* SPDX-License-Identifier: BSD-2-Clause */
#include "config.h"

#include "core/crypto.h"

#include <limits.h>
#include <string.h>

#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/rand.h>

#include "core/log.h"

/*
 * crypto.h over OpenSSL. A struct sha256 is an EVP_MD_CTX by another name, so
 * that callers need no OpenSSL header.
 */

static void
need(int ok, const char *what)
{
	if (ok != 1)
		log_fatal("OpenSSL: %s failed (out of memory, or a broken "
			  "installation): %s", what,
		    ERR_error_string(ERR_peek_last_error(), NULL));
}

struct sha256 *
sha256_new(void)
{
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();

	need(ctx != NULL && EVP_DigestInit_ex(ctx, EVP_sha256(), NULL) == 1,
	    "SHA-256");
	return (struct sha256 *)ctx;
}

void
sha256_add(struct sha256 *s, const void *data, size_t len)
{
	need(EVP_DigestUpdate((EVP_MD_CTX *)s, data, len), "SHA-256");
}

void
sha256_end(struct sha256 *s, unsigned char out[SHA256_LEN])
{
	need(EVP_DigestFinal_ex((EVP_MD_CTX *)s, out, NULL), "SHA-256");
	EVP_MD_CTX_free((EVP_MD_CTX *)s);
}

void
crypto_sha256(const void *data, size_t len, unsigned char out[SHA256_LEN])
{
	need(EVP_Digest(data, len, out, NULL, EVP_sha256(), NULL), "SHA-256");
}

void
crypto_hmac_sha256(const void *key, size_t key_len, const void *data,
    size_t len, unsigned char out[SHA256_LEN])
{
	/* An empty key may be NULL to a caller, but not to OpenSSL. */
	need(key_len <= INT_MAX &&
		HMAC(EVP_sha256(), key != NULL ? key : "", (int)key_len, data,
		    len, out, NULL) != NULL,
	    "HMAC-SHA-256");
}

void
crypto_random(void *out, size_t len)
{
	need(len <= INT_MAX && RAND_bytes(out, (int)len) == 1,
	    "the random number generator");
}

static EVP_CIPHER_CTX *
aead_new(const struct crypto_aead *a, size_t len, int encrypt)
{
	EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
	int n;

	need(len <= INT_MAX && a->bound_len <= INT_MAX && ctx != NULL &&
		EVP_CipherInit_ex(ctx, EVP_aes_256_gcm(), NULL, a->key,
		    a->nonce, encrypt) == 1 &&
		EVP_CipherUpdate(ctx, NULL, &n, a->bound,
		    (int)a->bound_len) == 1,
	    "AES-256-GCM");
	return ctx;
}

void
crypto_seal(const struct crypto_aead *a, const void *data, size_t len,
    unsigned char *out)
{
	EVP_CIPHER_CTX *ctx = aead_new(a, len, 1);
	int n;

	need(EVP_EncryptUpdate(ctx, out, &n, data, (int)len) == 1 &&
		EVP_EncryptFinal_ex(ctx, out + len, &n) == 1 &&
		EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_GET_TAG,
		    CRYPTO_TAG_LEN, out + len) == 1,
	    "AES-256-GCM");
	EVP_CIPHER_CTX_free(ctx);
}

int
crypto_open(const struct crypto_aead *a, const unsigned char *sealed,
    size_t sealed_len, unsigned char *out)
{
	EVP_CIPHER_CTX *ctx;
	unsigned char tag[CRYPTO_TAG_LEN];
	size_t len;
	int n, ok;

	if (sealed_len < CRYPTO_TAG_LEN)
		return -1;
	len = sealed_len - CRYPTO_TAG_LEN;
	memcpy(tag, sealed + len, sizeof(tag));
	ctx = aead_new(a, len, 0);
	need(EVP_DecryptUpdate(ctx, out, &n, sealed, (int)len) == 1 &&
		EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_SET_TAG, sizeof(tag),
		    tag) == 1,
	    "AES-256-GCM");
	ok = EVP_DecryptFinal_ex(ctx, out + len, &n);
	EVP_CIPHER_CTX_free(ctx);
	return ok == 1 ? 0 : -1;
}

int
crypto_differ(const void *a, const void *b, size_t len)
{
	return CRYPTO_memcmp(a, b, len);
}
