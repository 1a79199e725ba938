/*
 * message: one mail's content, received once and sent many times.
 *
 * Kept in the form in which it goes over the wire, so that sending needs no
 * second pass: every line ends in CRLF, there is no other CR or LF, and a line
 * that begins with a dot has one more in front (RFC 5321 section 4.5.2). Up to
 * a bound in memory, beyond it in an unlinked temporary file. After message_end
 * it is read-only and may be read from several threads at once; references are
 * counted.
 */
#ifndef CORE_MESSAGE_H
#define CORE_MESSAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/crypto.h"
#include "core/err.h"

struct message;

/*
 * dir is where a temporary file may go; salt (the envelope sender) is digested
 * before the content, with its NUL, so that no two pairs of them look alike.
 */
struct message *message_new(const char *dir, const char *salt);
struct message *message_hold(struct message *);
void message_release(struct message *); /* NULL is fine */

/*
 * Bytes as they came after DATA. Only CRLF "." CRLF ends the content; a bare LF
 * becomes CRLF, a bare CR and a NUL go, before dots are looked at, so that
 * nothing that ends the content at the next hop can pass. *used_r tells how many
 * bytes were taken, in each case. Returns 1 when the end was reached, 0 to be called
 * again, -1 and err (ERR_FULL: no space; ERR_LOCAL) once on failure: from then
 * on nothing is kept, but the rest still has to be fed to find the end.
 */
int message_feed(struct message *, const char *data, size_t len,
    size_t *used_r, struct err *);

/* Forget what is kept and keep no more: the message is too large. Feeding goes
 * on to find the end. */
void message_discard(struct message *);

/* Finish: the content can be read. -1 and err when feeding failed or the
 * temporary file can't be completed; then only message_release is left. */
int message_end(struct message *, struct err *);

/* These grow while feeding, so that a bound can be kept. */
uint64_t message_size(const struct message *);	/* stuffing not counted */
bool message_8bit(const struct message *);	/* any byte over 127? */
unsigned message_bare(const struct message *);	/* bare CR and LF mended */
unsigned message_nuls(const struct message *);	/* NULs taken out */

void message_digest(const struct message *, unsigned char out[SHA256_LEN]);

/*
 * The header section without dot-stuffing, up to and with its empty line if
 * there is one; neither NUL-terminated nor with a NUL in it. NULL when it is larger than
 * MESSAGE_HEADER_MAX.
 */
#define MESSAGE_HEADER_MAX (256 * 1024)
const char *message_header(const struct message *, size_t *len_r);

/* Where in the stored form the body begins (after the empty line). Of use only
 * when message_header is not NULL. */
uint64_t message_body_off(const struct message *);

/*
 * Some of the stored form from offset off, at most 256 KB. *data_r points into
 * the message or into scratch (of MESSAGE_CHUNK bytes). 1, 0 at the end, -1 and
 * err.
 */
#define MESSAGE_CHUNK (64 * 1024)
int message_read(const struct message *, uint64_t off, char *scratch,
    const char **data_r, size_t *len_r, struct err *);

#endif
