/* SPDX-License-Identifier: BSD-2-Clause */
#include "config.h"

#include "core/crypto.h"

#include <string.h>

#include "core/log.h"
#include "core/mem.h"

/* What is built from the library's parts in the same way for each of them. */

#define HKDF_INFO_MAX 64

void
crypto_hkdf_sha256(const void *key, size_t key_len, const char *info,
    unsigned char *out, size_t out_len)
{
	static const unsigned char no_salt[SHA256_LEN];
	unsigned char prk[SHA256_LEN], block[SHA256_LEN];
	unsigned char input[SHA256_LEN + HKDF_INFO_MAX + 1];
	size_t info_len = strlen(info), before = 0, n;

	if (info_len > HKDF_INFO_MAX || out_len > (size_t)255 * SHA256_LEN)
		log_fatal("HKDF asked for too much");
	crypto_hmac_sha256(no_salt, sizeof(no_salt), key, key_len, prk);
	for (unsigned char counter = 1; out_len > 0; counter++) {
		/* T(n) = HMAC(PRK, T(n - 1) | info | n), T(0) is empty */
		memcpy(input, block, before);
		memcpy(input + before, info, info_len);
		input[before + info_len] = counter;
		crypto_hmac_sha256(prk, sizeof(prk), input,
		    before + info_len + 1, block);
		before = sizeof(block);
		n = out_len < sizeof(block) ? out_len : sizeof(block);
		memcpy(out, block, n);
		out += n;
		out_len -= n;
	}
	mem_wipe(prk, sizeof(prk));
	mem_wipe(block, sizeof(block));
	mem_wipe(input, sizeof(input));
}
