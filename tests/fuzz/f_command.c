/* SPDX-License-Identifier: BSD-2-Clause */
#include "config.h"

#include <assert.h>
#include <stdint.h>
#include <string.h>

#include "lmtp/command.h"

/* A command line of any bytes, with its path and parameters as MAIL and RCPT
 * take them apart. */

int LLVMFuzzerTestOneInput(const uint8_t *, size_t);

static void
take_apart(const char *arg, const char *keyword)
{
	char key[32], value[512], written[ADDRESS_WRITTEN_MAX + 1];
	struct address address;
	enum address_fault fault;
	const char *params;
	struct err err;

	if (command_path(arg, keyword, &address, &params, &fault, &err) == -1)
		return;
	assert(params >= arg && params <= arg + strlen(arg));
	if (fault != ADDRESS_OK) {
		assert(address.text[0] == '\0');
		address_written(arg + strlen(keyword), written);
		assert(strlen(written) < sizeof(written));
	}
	while (command_param(&params, key, value)) {
		assert(strlen(key) < sizeof(key));
		assert(strlen(value) < sizeof(value));
		command_xtext(value);
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
	struct command command;
	const uint8_t *end = memchr(bytes, '\n', len);

	/* The session's stream hands over a line, and never more than this. */
	if (end != NULL)
		len = (size_t)(end - bytes) + 1;
	if (len > COMMAND_LINE_MAX ||
	    command_parse((const char *)bytes, len, &command) == -1)
		return 0;
	assert(memchr(command.verb, '\0', sizeof(command.verb)) != NULL);
	assert(strpbrk(command.arg, "\r\n") == NULL);
	take_apart(command.arg, "FROM:");
	take_apart(command.arg, "TO:");
	return 0;
}
