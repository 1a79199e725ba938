/* SPDX-License-Identifier: BSD-2-Clause */
#include "config.h"

#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "core/buf.h"
#include "core/message.h"

/*
 * Content after DATA, of any bytes. Fed whole and in pieces it must give the
 * same message, and the form that goes over the wire must hold nothing that
 * any server could take for the end: no bare CR or LF, no line with one dot, no
 * NUL.
 */

int LLVMFuzzerTestOneInput(const uint8_t *, size_t);
int LLVMFuzzerInitialize(int *, char ***);

static struct message *
feed(const char *data, size_t len, size_t piece, size_t *used_r)
{
	struct message *m = message_new("/tmp", "sender@example.com");
	struct err err;
	size_t used, n;
	int ended = 0;

	for (*used_r = 0; ended == 0 && *used_r < len; *used_r += used) {
		n = len - *used_r < piece ? len - *used_r : piece;
		ended = message_feed(m, data + *used_r, n, &used, &err);
		assert(ended >= 0 && used <= n);
	}
	if (ended == 1 && message_end(m, &err) == 0)
		return m;
	message_release(m);
	return NULL;
}

static void
check_wire(const struct message *m)
{
	char scratch[MESSAGE_CHUNK];
	struct buf all;
	const char *data;
	struct err err;
	uint64_t off = 0;
	size_t len;
	int more;

	buf_init(&all, 64 << 20);
	while ((more = message_read(m, off, scratch, &data, &len, &err)) == 1) {
		buf_add(&all, data, len);
		off += len;
	}
	assert(more == 0);
	for (size_t i = 0; i < all.len; i++) {
		assert(all.data[i] != '\0');
		if (all.data[i] == '\r')
			assert(all.data[i + 1] == '\n');
		if (all.data[i] == '\n')
			assert(i > 0 && all.data[i - 1] == '\r');
		if (all.data[i] == '.' && (i == 0 || all.data[i - 1] == '\n'))
			assert(all.data[i + 1] != '\r');
	}
	buf_free(&all);
}

/* That the end is found at all. */
int
LLVMFuzzerInitialize(int *argc, char ***argv)
{
	struct message *m;
	size_t used;

	(void)argc;
	(void)argv;
	m = feed("a\n.\r\nb\r\n.\r\nc", 12, 12, &used);
	assert(m != NULL && used == 11 && message_size(m) == 9);
	message_release(m);
	return 0;
}

int
LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
	unsigned char digest[2][SHA256_LEN];
	struct message *m[2];
	size_t used[2], header_len;
	const char *data = (const char *)bytes;

	if (len < 1)
		return 0;
	/* The first byte says how small the pieces are. */
	m[0] = feed(data + 1, len - 1, len, &used[0]);
	m[1] = feed(data + 1, len - 1, (size_t)(bytes[0] % 16) + 1, &used[1]);
	assert((m[0] == NULL) == (m[1] == NULL));
	if (m[0] != NULL) {
		assert(used[0] == used[1]);
		message_digest(m[0], digest[0]);
		message_digest(m[1], digest[1]);
		assert(memcmp(digest[0], digest[1], SHA256_LEN) == 0);
		assert(message_size(m[0]) == message_size(m[1]));
		(void)message_header(m[0], &header_len);
		check_wire(m[0]);
	}
	message_release(m[0]);
	message_release(m[1]);
	return 0;
}
