/* SPDX-License-Identifier: BSD-2-Clause */
#include "config.h"

#include <assert.h>
#include <stdint.h>
#include <string.h>

#include "core/buf.h"
#include "core/header.h"

/*
 * A header section of any bytes: what comes out of header_repair must be ASCII
 * in lines that SES takes.
 */

int LLVMFuzzerTestOneInput(const uint8_t *, size_t);

static int
mailbox(void *arg, const struct header_mailbox *m)
{
	size_t *n = arg;

	assert(m->spec != NULL && m->at != NULL);
	return ++*n > 1000;
}

static void
check(const char *data, size_t len)
{
	size_t line = 0;

	for (size_t i = 0; i < len; i++) {
		assert((unsigned char)data[i] < 0x80);
		if (data[i] == '\n')
			line = 0;
		else if (data[i] != '\r')
			assert(++line <= HEADER_LINE_MAX);
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
	const char *data = (const char *)bytes;
	struct header_field field;
	struct buf out, unfolded;
	size_t pos = 0, n = 0;
	bool encoded, folded;
	int found;

	buf_init(&out, 64 << 20);
	buf_init(&unfolded, 64 << 20);
	while ((found = header_next(data, len, &pos, &field)) != 0) {
		if (found == -1)
			continue;
		header_unfold(&field, &unfolded);
		(void)header_mailboxes(
		    field.value, field.value_len, mailbox, &n);
		buf_reset(&out);
		header_repair(&field, &out, &encoded, &folded);
		if (field.name_len <= HEADER_NAME_MAX)
			check(out.data, out.len);
		buf_reset(&unfolded);
	}
	buf_free(&unfolded);
	buf_free(&out);
	return 0;
}
