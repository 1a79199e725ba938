/* SPDX-License-Identifier: BSD-2-Clause */
#include "config.h"

#include "ses/password.h"

#include <stdlib.h>
#include <string.h>

#include "core/base64.h"
#include "core/crypto.h"
#include "core/mem.h"

/*
 * The keys of AWS Signature Version 4 in a row, with a constant where that has
 * the date, and a version byte in front of the last. Keys leave this function
 * only as the password.
 */

#define FORM 0x04
#define DATE "11111111"

char *
password_derive(const char *secret_key, const char *region)
{
	const char *const step[] = { DATE, region, "ses", "aws4_request",
		"SendRawEmail" };
	unsigned char versioned[1 + SHA256_LEN], next[SHA256_LEN];
	unsigned char *key = versioned + 1;
	char *first = mem_printf("AWS4%s", secret_key), *password;
	size_t i;

	crypto_hmac_sha256(first, strlen(first), step[0], strlen(step[0]), key);
	for (i = 1; i < sizeof(step) / sizeof(step[0]); i++) {
		crypto_hmac_sha256(
		    key, SHA256_LEN, step[i], strlen(step[i]), next);
		memcpy(key, next, SHA256_LEN);
	}
	versioned[0] = FORM;
	password = base64_text(versioned, sizeof(versioned));
	mem_wipe(first, strlen(first));
	mem_wipe(versioned, sizeof(versioned));
	mem_wipe(next, sizeof(next));
	free(first);
	return password;
}
