/* SPDX-License-Identifier: BSD-2-Clause */
#include "config.h"

#include "identity/origin.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "core/base64.h"
#include "core/clock.h"
#include "core/mem.h"
#include "core/utf8.h"

/*
 * What is sealed: the time in eight bytes, the texts each with its length in
 * two, the marks; numbers big-endian, nothing in between and nothing after.
 * Before it goes the nonce, in the clear.
 */

#define TEXTS 3
#define MARKS 3
#define PLAIN_MAX \
	(8 + TEXTS * (2 + ORIGIN_TEXT_MAX) + MARKS * ORIGIN_MARK_LEN)
#define SEALED_MAX (CRYPTO_NONCE_LEN + PLAIN_MAX + CRYPTO_TAG_LEN)

/* The value without white space; base64 makes four bytes of three. */
#define VALUE_MAX (sizeof("v=1;q=;s=") + ORIGIN_QUEUE_ID_MAX + SEALED_MAX * 2)

#define LINE_LEN 76

/* Clocks of two hosts may differ, but not by more. */
#define FUTURE_US (INT64_C(86400) * US_PER_SEC)

static const char id_chars[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
			       "abcdefghijklmnopqrstuvwxyz0123456789-._";

void
origin_text(char to[ORIGIN_TEXT_MAX + 1], const char *s)
{
	static const char dots[] = "...";
	size_t n = 0, cut = 0, len;

	for (; *s != '\0'; s += len, n += len) {
		if ((len = utf8_printable(s)) == 0)
			len = 1;
		if (n + len > ORIGIN_TEXT_MAX) {
			memcpy(to + cut, dots, sizeof(dots));
			return;
		}
		memcpy(to + n, utf8_printable(s) == 0 ? "?" : s, len);
		if (n + len + strlen(dots) <= ORIGIN_TEXT_MAX)
			cut = n + len;
	}
	to[n] = '\0';
}

void
origin_mark(unsigned char to[ORIGIN_MARK_LEN], const char *s)
{
	unsigned char sum[SHA256_LEN];
	char *lower;
	size_t len;

	s += strspn(s, " \t");
	len = strlen(s);
	while (len > 0 && (s[len - 1] == ' ' || s[len - 1] == '\t'))
		len--;
	lower = mem_strndup(s, len);
	for (char *p = lower; *p != '\0'; p++)
		if (*p >= 'A' && *p <= 'Z')
			*p = (char)(*p - 'A' + 'a');
	crypto_sha256(lower, len, sum);
	memcpy(to, sum, ORIGIN_MARK_LEN);
	free(lower);
}

static bool
is_queue_id(const char *s, size_t len)
{
	return len > 0 && len <= ORIGIN_QUEUE_ID_MAX &&
	    strspn(s, id_chars) >= len;
}

static void
add_text(struct buf *out, const char *s)
{
	size_t len = strlen(s);

	buf_addc(out, (char)(len >> 8));
	buf_addc(out, (char)(len & 0xff));
	buf_add(out, s, len);
}

static void
write_plain(const struct origin *o, struct buf *out)
{
	for (int shift = 56; shift >= 0; shift -= 8)
		buf_addc(out, (char)((uint64_t)o->wall_us >> shift & 0xff));
	add_text(out, o->original);
	add_text(out, o->user);
	add_text(out, o->client);
	buf_add(out, o->sender, ORIGIN_MARK_LEN);
	buf_add(out, o->from, ORIGIN_MARK_LEN);
	buf_add(out, o->message_id, ORIGIN_MARK_LEN);
}

/* What the seal is bound to: all that stands before it, without blanks. */
static void
write_bound(const char *queue_id, size_t len, struct buf *out)
{
	buf_adds(out, "v=1;q=");
	buf_add(out, queue_id, len);
}

/* Lines for a libmilter, which wants no CR (smfi_insheader). */
static void
add_folded(struct buf *out, const char *s)
{
	size_t len = strlen(s), n;

	for (; len > 0; s += n, len -= n) {
		n = len < LINE_LEN ? len : LINE_LEN;
		buf_adds(out, "\n ");
		buf_add(out, s, n);
	}
}

int
origin_seal(const struct secret *s, const struct origin *o, struct buf *out)
{
	unsigned char sealed[SEALED_MAX];
	struct crypto_aead aead = { secret_origin_key(s, 0), sealed, NULL, 0 };
	size_t id_len = strlen(o->queue_id);
	struct buf plain, bound;
	char *base64, *tag;

	if (!is_queue_id(o->queue_id, id_len))
		return -1;
	buf_init(&plain, PLAIN_MAX);
	buf_init(&bound, VALUE_MAX);
	write_plain(o, &plain);
	write_bound(o->queue_id, id_len, &bound);
	aead.bound = bound.data;
	aead.bound_len = bound.len;
	crypto_random(sealed, CRYPTO_NONCE_LEN);
	crypto_seal(&aead, plain.data, plain.len, sealed + CRYPTO_NONCE_LEN);
	base64 = base64_text(sealed,
	    CRYPTO_NONCE_LEN + plain.len + CRYPTO_TAG_LEN);
	tag = mem_printf("s=%s", base64);
	buf_addf(out, "v=1; q=%s;", o->queue_id);
	add_folded(out, tag);
	free(tag);
	free(base64);
	buf_free(&plain);
	buf_free(&bound);
	return 0;
}

/* What is read from, and how much of it is left. */
struct reader {
	const unsigned char *p;
	size_t left;
	bool failed;
};

static const unsigned char *
take(struct reader *r, size_t len)
{
	const unsigned char *p = r->p;

	if (r->failed || len > r->left) {
		r->failed = true;
		return NULL;
	}
	r->p += len;
	r->left -= len;
	return p;
}

static void
take_text(struct reader *r, char to[ORIGIN_TEXT_MAX + 1])
{
	const unsigned char *p = take(r, 2);
	size_t len = p != NULL ? (size_t)p[0] << 8 | p[1] : 0;
	char text[ORIGIN_TEXT_MAX + 1] = "";

	p = take(r, len);
	if (p == NULL || len > ORIGIN_TEXT_MAX || memchr(p, '\0', len) != NULL)
		r->failed = true;
	else
		memcpy(text, p, len);
	origin_text(to, text);
}

static void
take_mark(struct reader *r, unsigned char to[ORIGIN_MARK_LEN])
{
	const unsigned char *p = take(r, ORIGIN_MARK_LEN);

	if (p != NULL)
		memcpy(to, p, ORIGIN_MARK_LEN);
}

static int
read_plain(const unsigned char *plain, size_t len, struct origin *o)
{
	struct reader r = { plain, len, false };
	const unsigned char *p = take(&r, 8);
	uint64_t at = 0;

	for (size_t i = 0; p != NULL && i < 8; i++)
		at = at << 8 | p[i];
	o->wall_us = (int64_t)(at & INT64_MAX);
	take_text(&r, o->original);
	take_text(&r, o->user);
	take_text(&r, o->client);
	take_mark(&r, o->sender);
	take_mark(&r, o->from);
	take_mark(&r, o->message_id);
	return r.failed || r.left > 0 ? -1 : 0;
}

/* The value without white space; how much there is of it, 0 when it is too
 * much. */
static size_t
squeeze(const char *value, size_t len, char out[VALUE_MAX])
{
	size_t n = 0;

	for (size_t i = 0; i < len; i++) {
		if (value[i] == ' ' || value[i] == '\t' || value[i] == '\r' ||
		    value[i] == '\n')
			continue;
		if (value[i] == '\0' || n == VALUE_MAX - 1)
			return 0;
		out[n++] = value[i];
	}
	out[n] = '\0';
	return n;
}

/* v=1;q=QUEUEID;s=BASE64 taken apart. */
static int
parse(const char *value, struct origin *o, struct buf *bound,
    unsigned char sealed[SEALED_MAX], size_t *sealed_len_r)
{
	const char *id, *base64;
	size_t len;

	if (strncmp(value, "v=1;q=", strlen("v=1;q=")) != 0)
		return -1;
	id = value + strlen("v=1;q=");
	len = strcspn(id, ";");
	if (!is_queue_id(id, len) || strncmp(id + len, ";s=", 3) != 0)
		return -1;
	base64 = id + len + strlen(";s=");
	if (base64_bytes(base64, strlen(base64), sealed, SEALED_MAX,
		sealed_len_r) == -1 ||
	    *sealed_len_r < CRYPTO_NONCE_LEN + CRYPTO_TAG_LEN)
		return -1;
	memcpy(o->queue_id, id, len);
	o->queue_id[len] = '\0';
	write_bound(id, len, bound);
	return 0;
}

/* Is the word there, with blanks around? */
static bool
among(const char *word, const char *words)
{
	size_t len = strlen(word), n;

	for (;; words += n) {
		words += strspn(words, " ");
		if ((n = strcspn(words, " ")) == 0)
			return false;
		if (n == len && memcmp(words, word, len) == 0)
			return true;
	}
}

static enum origin_result
unseal(const struct secret *s, const struct buf *bound,
    const unsigned char *sealed, size_t sealed_len, struct origin *o)
{
	struct crypto_aead aead = { NULL, sealed, bound->data, bound->len };
	unsigned char plain[PLAIN_MAX];

	sealed += CRYPTO_NONCE_LEN;
	sealed_len -= CRYPTO_NONCE_LEN;
	for (size_t i = 0; i < secret_count(s); i++) {
		aead.key = secret_origin_key(s, i);
		if (crypto_open(&aead, sealed, sealed_len, plain) == 0)
			return read_plain(plain, sealed_len - CRYPTO_TAG_LEN,
				   o) == 0 ? ORIGIN_OK : ORIGIN_MALFORMED;
	}
	return ORIGIN_FORGED;
}

enum origin_result
origin_open(const struct secret *s, const char *value, size_t len,
    const char *queue_ids, int64_t wall_us, int64_t window_us,
    struct origin *o)
{
	enum origin_result result = ORIGIN_MALFORMED;
	unsigned char sealed[SEALED_MAX];
	char text[VALUE_MAX];
	size_t sealed_len;
	struct buf bound;

	memset(o, 0, sizeof(*o));
	buf_init(&bound, VALUE_MAX);
	if (squeeze(value, len, text) > 0 &&
	    parse(text, o, &bound, sealed, &sealed_len) == 0)
		result = unseal(s, &bound, sealed, sealed_len, o);
	buf_free(&bound);
	if (result != ORIGIN_OK)
		return result;
	if (!among(o->queue_id, queue_ids))
		return ORIGIN_REPLAYED;
	if (o->wall_us > wall_us + FUTURE_US ||
	    o->wall_us < wall_us - window_us)
		return ORIGIN_STALE;
	return ORIGIN_OK;
}
