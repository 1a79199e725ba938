/*
 * header: a message's header section, field by field (RFC 5322 section 2.2).
 *
 * Works on bytes in memory whose lines end in CRLF and are not dot-stuffed (see
 * message_header). Fields point into them, so nothing is copied until somebody
 * rewrites.
 */
#ifndef CORE_HEADER_H
#define CORE_HEADER_H

#include <stdbool.h>
#include <stddef.h>

#include "core/buf.h"

/* No line may be longer (RFC 5322 section 2.1.1), CRLF not counted. */
#define HEADER_LINE_MAX 998

/* Longest name with blanks before the colon. There is no limit of its own in
 * RFC 5322, but a name can't be folded, and the value needs some room. */
#define HEADER_NAME_MAX 256

struct header_field {
	const char *name; /* not NUL-terminated */
	size_t name_len;
	const char *raw; /* all of it with its last CRLF, folded as it came */
	size_t raw_len;
	const char *value; /* after the colon, up to the last CRLF */
	size_t value_len;
};

/*
 * The next field at *pos. 1 and *field_r; 0 at the end of the section (an empty
 * line, which is skipped, or the end of the bytes); -1 where a line is no field
 * (mbox "From " lines, garbage): then raw is that line with what is folded to
 * it, the rest is empty. *pos moves past what was read.
 */
int header_next(const char *data, size_t len, size_t *pos,
    struct header_field *field_r);

bool header_is(const struct header_field *, const char *name);

/* Append the value on one line: folding removed (RFC 5322 section 2.2.3),
 * blanks at both ends trimmed. */
void header_unfold(const struct header_field *, struct buf *out);

/* The same as printable ASCII, with "?" for what is not: for records. */
void header_text(const struct header_field *, struct buf *out);

/* Whether two fields have the same value once they are unfolded. */
bool header_same_value(const struct header_field *,
    const struct header_field *);

/* A mailbox of an address list. Pointers are into the value but for spec, which
 * is gone when the callback returns. */
struct header_mailbox {
	const char *name; /* before the angle bracket, trimmed; may be empty */
	size_t name_len;
	bool name_has_at; /* and has an @ outside quotes and comments */
	const char *at; /* "<" to ">" and what is inside, or the addr-spec */
	size_t at_len;
	const char *spec; /* addr-spec without comments, folding, route */
	size_t spec_len;
	bool in_group;
};

/*
 * Call fn for each mailbox of an address-list value (From, Sender, ...):
 * groups, comments, quoted strings, encoded words, obsolete routes, empty
 * elements. A spec may still be no address: whether there is a domain, whether
 * characters are right is for address_parse to say. fn returns non-zero to
 * stop. Returns the number of mailboxes seen, or -1 when the value does not
 * parse (fn may have been called for some before).
 */
typedef int header_mailbox_fn(void *arg, const struct header_mailbox *);
int header_mailboxes(const char *value, size_t len, header_mailbox_fn *,
    void *arg);

/*
 * Append the field to out, fit for SES, which is ASCII in lines of bounded
 * length. Raw UTF-8 becomes encoded words (RFC 2047; in structured fields where
 * these may stand), percent-encoding in parameters (RFC 2231), punycode in
 * domains; other 8-bit bytes the same as charset unknown-8bit (RFC 1428); raw
 * ISO-2022-JP in addresses (RFC 1468), whose bytes would be taken for syntax,
 * encoded words too. Lines over 998 bytes are folded at blanks, or harder where
 * there are none.
 * *encoded_r and *folded_r tell what was done; a field that needs nothing is
 * copied as it is.
 */
void header_repair(const struct header_field *, struct buf *out,
    bool *encoded_r, bool *folded_r);

/* Whether it is clear without much ado that header_repair copies it as it is. */
bool header_is_plain(const struct header_field *);

#endif
