/* SPDX-License-Identifier: BSD-2-Clause */
#include "config.h"

#include <assert.h>
#include <stdint.h>
#include <string.h>
#include <strings.h>

#include "identity/srs.h"
#include "tests/unit/secrettest.h"

/*
 * Of any address an SRS address is made that comes back, on the same day and
 * for three weeks, as the same address unless it was an SRS address itself; and
 * nothing that was not made here goes anywhere.
 */

int LLVMFuzzerTestOneInput(const uint8_t *, size_t);
int LLVMFuzzerInitialize(int *, char ***);

#define OURS "relay.example"
#define NOW INT64_C(1700000000000000)
#define DAY INT64_C(86400000000)

static struct secret *secret, *other;

static void
there_and_back(const struct address *a)
{
	struct address srs, back, again;
	struct err err;

	if (srs_forward(secret, a, OURS, NOW, &srs, &err) == -1)
		return;
	assert(strcmp(address_domain(&srs), OURS) == 0);
	assert(srs.local_len <= ADDRESS_LOCAL_MAX);
	assert(srs_reverse(secret, &srs, OURS, NOW + SRS_VALID_DAYS * DAY,
		   &back, &err) == SRS_OK);
	assert(address_parse(back.text, strlen(back.text), &again, &err) ==
	    ADDRESS_OK);
	assert(strcmp(back.text, again.text) == 0);
	if (strncasecmp(a->text + (a->text[0] == '"'), "SRS", 3) != 0)
		assert(strcmp(back.text, a->text) == 0);
	assert(srs_reverse(other, &srs, OURS, NOW, &back, &err) == SRS_FORGED);
}

/* That both ways are gone at all. */
int
LLVMFuzzerInitialize(int *argc, char ***argv)
{
	struct address a, srs, back;
	struct err err;

	(void)argc;
	(void)argv;
	secret = secret_of("a key for the fuzzer");
	other = secret_of("another key for the fuzzer");
	assert(secret != NULL && other != NULL);
	assert(address_parse("a@b.example", 11, &a, &err) == ADDRESS_OK);
	assert(srs_forward(secret, &a, OURS, NOW, &srs, &err) == 0);
	assert(srs_reverse(secret, &srs, OURS, NOW, &back, &err) == SRS_OK);
	assert(strcmp(back.text, "a@b.example") == 0);
	return 0;
}

int
LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
	struct address a, back;
	struct err err;

	if (address_parse((const char *)bytes, len, &a, &err) != ADDRESS_OK)
		return 0;
	there_and_back(&a);
	/* 30 bits are within a fuzzer's reach, so this one has no assertion. */
	(void)srs_reverse(secret, &a, address_domain(&a), NOW, &back, &err);
	return 0;
}
