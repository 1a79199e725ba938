/*
 * header: a message's header section, field by field (RFC 5322 section 2.2).
 *
 * Works on bytes in memory that end every line in CRLF. Fields point into them, so
 * nothing is copied until somebody rewrites.
 */
#ifndef CORE_HEADER_H
#define CORE_HEADER_H

#include <stdbool.h>
#include <stddef.h>

#include "core/address.h"
#include "core/buf.h"

struct header_field {
	const char *name; /* not NUL-terminated */
	size_t name_len;
	const char *raw; /* name, colon, value and its last CRLF, folded as it came */
	size_t raw_len;
	const char *value; /* after the colon, up to the last CRLF */
	size_t value_len;
};

/*
 * The next field at *pos. 1 and *field_r; 0 at the end of the section (an empty line, which is
 * skipped, or the end of the bytes); -1 where a line is no field (mbox "From " lines, garbage).
 * *pos moves past what was read.
 */
int header_next(const char *data, size_t len, size_t *pos,
    struct header_field *field_r);

bool header_is(const struct header_field *, const char *name);

/* The value on one line: folding removed (RFC 5322 section 2.2.3), blanks at both ends trimmed. */
void header_unfold(const struct header_field *, struct buf *out);

/*
 * Call fn for each mailbox of an address-list header value (From, Sender, ...): groups, comments, quoted
 * strings, encoded words, obsolete routes. spec is the addr-spec as bytes; name what precedes it, trimmed, may be
 * empty. fn returns non-zero to stop. Returns the number of mailboxes, or -1 when the value does not parse.
 */
typedef int header_mailbox_fn(void *arg, const char *name, size_t name_len,
    const char *spec, size_t spec_len);
int header_mailboxes(const char *value, size_t len, header_mailbox_fn *,
    void *arg);

/*
 * Append the field to out, fit for SES: raw UTF-8 becomes encoded words (RFC 2047; in phrases and
 * comments only where the field is structured), other 8-bit bytes become =?unknown-8bit?Q?...?=, lines over 998 bytes are folded at
 * white space (RFC 5322 section 2.1.1), or hard where there is none. *encoded_r and
 * *folded_r tell what was done; a field that needs nothing is copied as it is.
 */
void header_repair(const struct header_field *, struct buf *out,
    bool *encoded_r, bool *folded_r);

#endif
