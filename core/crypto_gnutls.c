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

int
crypto_differ(const void *a, const void *b, size_t len)
{
	return gnutls_memcmp(a, b, len);
}
