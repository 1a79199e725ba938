/* SPDX-License-Identifier: BSD-2-Clause */
#include "config.h"

#include "sandbox/body.h"

#include <pthread.h>
#include <string.h>

/*
 * A message arrives in pieces of any size. Runs of ordinary bytes are found by
 * memchr and handed on whole, so that large messages cost little; the states
 * only tell the ends of lines apart.
 *
 * CRC-32 so that a test can compare contents with a line of Python; sliced by
 * four, since a byte at a time would be the most expensive part of it all.
 */
enum { LINE_MAX_BYTES = 1000 }; /* RFC 5321 section 4.5.3.1.6 */

static uint32_t crc_table[4][256];
static pthread_once_t crc_once = PTHREAD_ONCE_INIT;

static void
crc_prepare(void)
{
	uint32_t c;

	for (uint32_t i = 0; i < 256; i++) {
		c = i;
		for (int k = 0; k < 8; k++)
			c = (c & 1) ? UINT32_C(0xedb88320) ^ c >> 1 : c >> 1;
		crc_table[0][i] = c;
	}
	for (int k = 1; k < 4; k++)
		for (int i = 0; i < 256; i++) {
			c = crc_table[k - 1][i];
			crc_table[k][i] = c >> 8 ^ crc_table[0][c & 0xff];
		}
}

static uint32_t
crc_add(uint32_t crc, const char *data, size_t len)
{
	const unsigned char *p = (const unsigned char *)data;

	crc = ~crc;
	for (; len >= 4; len -= 4, p += 4) {
		crc ^= (uint32_t)p[0] | (uint32_t)p[1] << 8 |
		       (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
		crc = crc_table[3][crc & 0xff] ^ crc_table[2][crc >> 8 & 0xff] ^
		      crc_table[1][crc >> 16 & 0xff] ^ crc_table[0][crc >> 24];
	}
	for (; len > 0; len--, p++)
		crc = crc_table[0][(crc ^ *p) & 0xff] ^ crc >> 8;
	return ~crc;
}

void
body_init(struct body *b, uint64_t limit, bool keep)
{
	(void)pthread_once(&crc_once, crc_prepare);
	*b = (struct body){
		.state = BODY_LINE_START,
		.in_header = true,
		.keep = keep,
	};
	buf_init(&b->header, BODY_HEADER_MAX);
	buf_init(&b->content, (size_t)limit);
}

void
body_free(struct body *b)
{
	buf_free(&b->header);
	buf_free(&b->content);
}

/* Eight bytes at a time: this looks at every byte of large messages. */
static bool
has_eightbit(const char *data, size_t len)
{
	uint64_t all = 0, word;

	for (; len >= sizeof(word); data += sizeof(word), len -= sizeof(word)) {
		memcpy(&word, data, sizeof(word));
		all |= word;
	}
	for (; len > 0; data++, len--)
		all |= (unsigned char)*data;
	return (all & UINT64_C(0x8080808080808080)) != 0;
}

/* memmem(3) prepares a table for each call, which costs more than a line of
 * mail does. */
static bool
contains(const char *data, size_t len, const char *what, size_t what_len)
{
	const char *p;

	while (len >= what_len &&
	       (p = memchr(data, what[0], len - what_len + 1)) != NULL) {
		if (memcmp(p, what, what_len) == 0)
			return true;
		len -= (size_t)(p + 1 - data);
		data = p + 1;
	}
	return false;
}

/* EICAR's string in clear, and the part of it that survives base64 at the
 * start of an attachment. */
static bool
finds_virus(const char *data, size_t len)
{
	static const char clear[] = "EICAR-STANDARD-ANTIVIRUS-TEST-FILE";
	static const char coded[] = "JEVJQ0FSLVNUQU5EQVJELUFOVElWSVJVUy1U";

	return contains(data, len, clear, sizeof(clear) - 1) ||
	       contains(data, len, coded, sizeof(coded) - 1);
}

/* Neither crosses the end of a line, but a line may come in pieces: its last
 * bytes are kept to be joined with the next piece. */
static void
scan_virus(struct body *b, const char *data, size_t len)
{
	char joint[2 * sizeof(b->tail)];
	size_t head = len < sizeof(b->tail) ? len : sizeof(b->tail), keep;

	if (b->line == 0)
		b->tail_len = 0;
	b->virus |= finds_virus(data, len);
	memcpy(joint, b->tail, b->tail_len);
	memcpy(joint + b->tail_len, data, head);
	if (b->tail_len > 0)
		b->virus |= finds_virus(joint, b->tail_len + head);
	if (head == sizeof(b->tail)) {
		memcpy(b->tail, data + len - head, head);
		b->tail_len = head;
		return;
	}
	keep = b->tail_len + len;
	if (keep > sizeof(b->tail))
		keep = sizeof(b->tail);
	memcpy(b->tail, joint + b->tail_len + len - keep, keep);
	b->tail_len = keep;
}

/* A run of content, in the order in which it stands in the message. */
static void
emit(struct body *b, const char *data, size_t len)
{
	if (len > 2 && !b->virus) /* not the ends of lines */
		scan_virus(b, data, len);
	b->size += len;
	b->line += len;
	b->crc = crc_add(b->crc, data, len);
	if (b->in_header)
		buf_add(&b->header, data, len);
	if (has_eightbit(data, len)) {
		b->eightbit = true;
		b->header_eightbit |= b->in_header;
	}
	if (memchr(data, '\0', len) != NULL)
		b->nuls++;
	if (b->keep)
		buf_add(&b->content, data, len);
}

static void
end_line(struct body *b)
{
	bool empty = b->line == 0;

	emit(b, "\r\n", 2);
	if (b->line > LINE_MAX_BYTES)
		b->long_lines++;
	b->line = 0;
	b->state = BODY_LINE_START;
	if (empty)
		b->in_header = false;
}

/* Bytes of a line up to a CR or LF. */
static size_t
text(struct body *b, const char *data, size_t len)
{
	const char *lf = memchr(data, '\n', len), *cr;
	size_t run = lf != NULL ? (size_t)(lf - data) : len;

	if ((cr = memchr(data, '\r', run)) != NULL)
		run = (size_t)(cr - data);
	if (run > 0)
		emit(b, data, run);
	if (run == len)
		return len;
	if (data[run] == '\r') {
		b->state = BODY_CR;
	} else {
		b->bare_lf++;
		emit(b, "\n", 1);
	}
	return run + 1;
}

/* One byte after a CR; returns how many were used. */
static size_t
after_cr(struct body *b, char c)
{
	if (c == '\n') {
		end_line(b);
		return 1;
	}
	b->bare_cr++;
	emit(b, "\r", 1);
	b->state = BODY_TEXT;
	return 0;
}

static size_t
after_dot(struct body *b, char c)
{
	if (c == '\r') {
		b->state = BODY_DOT_CR;
		return 1;
	}
	/* Stuffing undone: this dot is not content (section 4.5.2). */
	b->state = BODY_TEXT;
	return 0;
}

static size_t
after_dot_cr(struct body *b, char c)
{
	if (c == '\n') {
		b->state = BODY_END;
		return 1;
	}
	b->state = BODY_CR;
	return 0;
}

bool
body_feed(struct body *b, const char *data, size_t len, size_t *used_r)
{
	size_t i = 0;

	while (i < len && b->state != BODY_END) {
		switch (b->state) {
		case BODY_LINE_START:
			b->state = data[i] == '.' ? BODY_DOT : BODY_TEXT;
			i += data[i] == '.';
			break;
		case BODY_DOT:
			i += after_dot(b, data[i]);
			break;
		case BODY_DOT_CR:
			i += after_dot_cr(b, data[i]);
			break;
		case BODY_TEXT:
			i += text(b, data + i, len - i);
			break;
		case BODY_CR:
			i += after_cr(b, data[i]);
			break;
		case BODY_END:
			break;
		}
	}
	*used_r = i;
	return b->state == BODY_END;
}
