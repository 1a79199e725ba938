/* SPDX-License-Identifier: BSD-2-Clause */
#include "config.h"

#include <assert.h>
#include <stdint.h>
#include <string.h>

#include "identity/origin.h"
#include "tests/unit/secrettest.h"

/*
 * The bytes as the value of a header field, which opens only if it is the one
 * that was sealed; and as what the milter seals, which opens and is the same,
 * whatever texts it has.
 */

int LLVMFuzzerTestOneInput(const uint8_t *, size_t);
int LLVMFuzzerInitialize(int *, char ***);

#define NOW INT64_C(1700000000000000)
#define WINDOW INT64_C(864000000000)

static struct secret *secret;

static void
there_and_back(const char *text)
{
	struct origin o = { .wall_us = NOW, .queue_id = "4XyZ1" }, got;
	size_t len = strlen(text);
	struct buf value;

	origin_text(o.original, text);
	origin_text(o.user, text + len / 2);
	origin_text(o.client, text + len / 3);
	origin_mark(o.from, text);
	buf_init(&value, 8192);
	assert(origin_seal(secret, &o, &value) == 0);
	assert(origin_open(secret, value.data, value.len, "1 4XyZ1", NOW,
		   WINDOW, &got) == ORIGIN_OK);
	assert(strcmp(o.original, got.original) == 0);
	assert(strcmp(o.user, got.user) == 0);
	assert(strcmp(o.client, got.client) == 0);
	assert(memcmp(o.from, got.from, sizeof(o.from)) == 0);
	buf_free(&value);
}

int
LLVMFuzzerInitialize(int *argc, char ***argv)
{
	(void)argc;
	(void)argv;
	secret = secret_of("a key for the fuzzer");
	assert(secret != NULL);
	there_and_back("who@elsewhere.example");
	return 0;
}

int
LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
	enum origin_result result;
	struct origin got;
	char *text;

	result = origin_open(secret, (const char *)bytes, len, "4XyZ1", NOW,
	    WINDOW, &got);
	assert(result == ORIGIN_MALFORMED || result == ORIGIN_FORGED);
	text = strndup((const char *)bytes, len);
	assert(text != NULL);
	there_and_back(text);
	free(text);
	return 0;
}
