/*
 * body: a message's content as it arrives after DATA.
 *
 * Only CRLF "." CRLF ends it. The header section is kept; of the rest only what
 * the summary tells, unless it is saved to a file.
 */
#ifndef SANDBOX_BODY_H
#define SANDBOX_BODY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/buf.h"

/* SES takes no longer header section; nobody has found out how long (an
 * assumption). */
#define BODY_HEADER_MAX (1024 * 1024)

enum body_state {
	BODY_LINE_START,
	BODY_DOT,    /* "." at the start of a line */
	BODY_DOT_CR, /* ".\r" there */
	BODY_TEXT,
	BODY_CR, /* a CR, whose LF may follow */
	BODY_END
};

struct body {
	enum body_state state;
	struct buf header; /* with its empty line; overflow when too long */
	bool in_header;
	uint64_t size; /* without dot stuffing and without the final dot */
	uint32_t crc;  /* CRC-32 as in zlib, over the same bytes */
	uint64_t line; /* bytes of the current line */
	unsigned long_lines, bare_cr, bare_lf, nuls;
	bool eightbit, header_eightbit;
	bool virus;    /* holds the EICAR test file */
	char tail[64]; /* the last bytes, to find what lies across two pieces */
	size_t tail_len;
	bool keep;
	struct buf content; /* all of it, when it is to be kept */
};

/* keep: hold up to limit bytes of content in memory. */
void body_init(struct body *, uint64_t limit, bool keep);
void body_free(struct body *);

/* Bytes of the wire, up to the end at most; *used_r tells how many. True once
 * the end was reached. */
bool body_feed(struct body *, const char *, size_t len, size_t *used_r);

#endif
