/*
 * header_scan: the lexical parts of structured header fields (RFC 5322 section
 * 3.2), for header_mailbox.c and header_repair.c.
 *
 * Raw text in the charsets of Japan has bytes that look like ASCII specials:
 * the second byte of a Shift_JIS character may be "@", "[", "\" or "]", and
 * ISO-2022-JP is ASCII throughout. Stepping goes by characters so that these
 * are not taken for syntax.
 */
#ifndef CORE_HEADER_SCAN_H
#define CORE_HEADER_SCAN_H

#include <stdbool.h>
#include <stddef.h>

#include "core/buf.h"

struct header_scan {
	const char *p;
	const char *end;
	bool utf8; /* all of the field is; else Shift_JIS is looked for */
};

/* Space, tab, or part of a line end. */
bool header_scan_is_blank(char);

void header_scan_init(struct header_scan *, const char *data, size_t len);

/* Length of the character at p, which must be before the end. */
size_t header_scan_char(const struct header_scan *);

/* Skip blanks and line ends. */
void header_scan_blanks(struct header_scan *);

/* Skip a comment, domain literal or quoted string that begins at p. -1 when it
 * has no end. */
int header_scan_comment(struct header_scan *);
int header_scan_literal(struct header_scan *);
int header_scan_quoted(struct header_scan *);

/* Skip blanks, line ends and comments. -1 when a comment has no end. */
int header_scan_cfws(struct header_scan *);

/* Skip an encoded word (RFC 2047), even one with specials in it, which phrases
 * should not have and do have. Whether there was one. */
bool header_scan_encoded(struct header_scan *);

/* Skip a word: quoted string or atom, encoded words among them. 1, 0 when there
 * is none, -1 when it has no end. */
int header_scan_word(struct header_scan *);

/* Append what s covers (a word, or the inside of a comment) without quotes,
 * backslashes and line ends. */
void header_scan_unquote(struct header_scan s, bool comment, struct buf *out);

#endif
