/* SPDX-License-Identifier: BSD-2-Clause */
#include "config.h"

#include "store/chain.h"

#include <string.h>

#include "core/base64.h"

/*
 * The input is exact: changing a byte of it makes every journal that exists
 * unverifiable. schema/README repeats it for those who write a verifier.
 */

static void
put_be(unsigned char *p, uint64_t v, int bytes)
{
	for (int i = bytes - 1; i >= 0; i--, v >>= 8)
		p[i] = (unsigned char)v;
}

static void
add_bytes(struct buf *b, const void *data, size_t len)
{
	unsigned char prefix[4];

	put_be(prefix, len, 4);
	buf_add(b, prefix, sizeof(prefix));
	buf_add(b, data, len);
}

static void
add_int(struct buf *b, int64_t v)
{
	unsigned char bytes[8];

	put_be(bytes, (uint64_t)v, 8);
	add_bytes(b, bytes, sizeof(bytes));
}

void
chain_next(const unsigned char previous[CHAIN_LEN], const struct chain_row *row,
    struct buf *scratch, unsigned char chain_r[CHAIN_LEN])
{
	buf_reset(scratch);
	buf_add(scratch, previous, CHAIN_LEN);
	add_int(scratch, row->seq);
	add_int(scratch, row->at);
	add_int(scratch, row->boot);
	add_int(scratch, row->mono);
	add_bytes(scratch, row->event, row->event_len);
	add_bytes(scratch, row->message, row->message_len);
	add_int(scratch, row->n);
	add_bytes(scratch, row->detail, row->detail_len);
	crypto_sha256(scratch->data, scratch->len, chain_r);
}

const char *
chain_text(const unsigned char chain[CHAIN_LEN], char text[CHAIN_TEXT_LEN])
{
	static const char digits[] = "0123456789abcdef";

	for (size_t i = 0; i < CHAIN_LEN; i++) {
		text[2 * i] = digits[chain[i] >> 4];
		text[2 * i + 1] = digits[chain[i] & 15];
	}
	text[2 * CHAIN_LEN] = '\0';
	return text;
}

static int
hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

int
chain_parse(const char *text, unsigned char chain_r[CHAIN_LEN])
{
	int high, low;

	if (strlen(text) != 2 * CHAIN_LEN)
		return -1;
	for (size_t i = 0; i < CHAIN_LEN; i++) {
		high = hex_digit(text[2 * i]);
		low = hex_digit(text[2 * i + 1]);
		if (high == -1 || low == -1)
			return -1;
		chain_r[i] = (unsigned char)(high << 4 | low);
	}
	return 0;
}

char *
chain_commitment(
    const void *salt, size_t salt_len, const void *value, size_t len)
{
	unsigned char digest[SHA256_LEN];
	struct sha256 *sha = sha256_new();

	sha256_add(sha, salt, salt_len);
	sha256_add(sha, value, len);
	sha256_end(sha, digest);
	return base64_text(digest, sizeof(digest));
}
