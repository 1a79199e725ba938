/*
 * chain: what ties each row of the journal to the one before (schema/README).
 *
 * SHA-256 over the previous row's chain (32 bytes, zeros before the first row),
 * then seq, at, boot, mono, event, message, n, detail, each preceded by its
 * length in 4 bytes; numbers are 8 bytes; all big-endian; message is 16 raw
 * bytes or nothing.
 */
#ifndef STORE_CHAIN_H
#define STORE_CHAIN_H

#include <stddef.h>
#include <stdint.h>

#include "core/buf.h"
#include "core/crypto.h"

#define CHAIN_LEN SHA256_LEN
#define CHAIN_TEXT_LEN (2 * CHAIN_LEN + 1)

struct chain_row {
	int64_t seq, at, boot, mono, n;
	const void *event; /* bytes, as stored */
	size_t event_len;
	const void *message;
	size_t message_len; /* 16, or 0 for none */
	const void *detail;
	size_t detail_len;
};

/* scratch is any buffer that may hold the row; its contents are lost. */
void chain_next(const unsigned char previous[CHAIN_LEN],
    const struct chain_row *, struct buf *scratch,
    unsigned char chain_r[CHAIN_LEN]);

/* In lower-case hexadecimal. Returns text. */
const char *chain_text(
    const unsigned char chain[CHAIN_LEN], char text[CHAIN_TEXT_LEN]);
int chain_parse(const char *text, unsigned char chain_r[CHAIN_LEN]);

/*
 * What a party's value is known by in the chain: SHA-256 of salt and value, in
 * base64.
 */
#define COMMITMENT_SALT_LEN 16
char *chain_commitment(const void *salt, size_t salt_len, const void *value,
    size_t len);

#endif
