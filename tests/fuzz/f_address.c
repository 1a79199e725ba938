/* SPDX-License-Identifier: BSD-2-Clause */
#include "config.h"

#include <assert.h>
#include <stdint.h>
#include <string.h>

#include "core/address.h"

/*
 * Whatever an address is written like, what is understood of it is ASCII
 * without anything that could end a command, and reads the same once more.
 */

int LLVMFuzzerTestOneInput(const uint8_t *, size_t);
int LLVMFuzzerInitialize(int *, char ***);

static void
check(const struct address *a)
{
	struct address again, key;
	struct err err;

	if (a->text[0] == '\0')
		return;
	assert(strlen(a->text) < sizeof(a->text));
	assert(a->text[a->local_len] == '@');
	for (const char *p = a->text; *p != '\0'; p++)
		assert((unsigned char)*p < 0x80 && *p != '\r' && *p != '\n');
	assert(address_parse(a->text, strlen(a->text), &again, &err) ==
	    ADDRESS_OK);
	assert(strcmp(a->text, again.text) == 0);
	address_key(a, &key);
	(void)address_is_simulator(a);
}

/* That addresses are understood at all. */
int
LLVMFuzzerInitialize(int *argc, char ***argv)
{
	struct address a;
	struct err err;
	size_t used;

	(void)argc;
	(void)argv;
	assert(address_parse_path("<@r:\"a\"@B.c> X", 13, &a, &used, &err) ==
	    ADDRESS_OK);
	assert(used == 12 && strcmp(a.text, "a@B.c") == 0);
	return 0;
}

int
LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
	const char *data = (const char *)bytes;
	struct address a;
	struct err err;
	size_t used;

	if (address_parse(data, len, &a, &err) == ADDRESS_OK)
		check(&a);
	if (address_parse_path(data, len, &a, &used, &err) == ADDRESS_OK)
		check(&a);
	assert(used <= len);
	return 0;
}
