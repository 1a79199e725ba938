/*
 * origin: who a message really came from, which the milter learns at submission
 * and posternd writes into the journal.
 *
 * It travels in a header field, X-Postern-Origin:
 *
 *	v=1; q=QUEUEID; s=BASE64
 *
 * where BASE64 is sealed with AES-256-GCM under a key of rewrite.secret, bound
 * to the queue id that stands before it. A field made by somebody else does not
 * open; one taken from another message names a queue id that this one has not;
 * one that is kept grows stale. White space in it means nothing, since mail
 * servers fold.
 *
 * So it proves who submitted the message with that queue id. Who can read it,
 * which is whoever gets mail that is delivered on the way, can put it on another
 * message together with the Received field that has the id, until it is stale.
 * That it has been seen before says nothing: an alias sends the same message on,
 * and rightly so. The marks tell whether it still looks as it did.
 */
#ifndef IDENTITY_ORIGIN_H
#define IDENTITY_ORIGIN_H

#include <stddef.h>
#include <stdint.h>

#include "core/buf.h"
#include "identity/secret.h"

#define ORIGIN_FIELD "X-Postern-Origin"
#define ORIGIN_TEXT_MAX 320
#define ORIGIN_QUEUE_ID_MAX 64
#define ORIGIN_MARK_LEN 16

/* Texts are set with origin_text, marks with origin_mark. */
struct origin {
	int64_t wall_us; /* when it was submitted */
	char queue_id[ORIGIN_QUEUE_ID_MAX + 1];
	char original[ORIGIN_TEXT_MAX + 1]; /* envelope sender as submitted; ""
					     * for the null sender */
	char user[ORIGIN_TEXT_MAX + 1];	  /* who was authenticated, or "" */
	char client[ORIGIN_TEXT_MAX + 1]; /* NAME [ADDRESS] */
	/* How it left the milter. Mail servers may rewrite all three on the
	 * way, so a difference is worth a note and no more. */
	unsigned char sender[ORIGIN_MARK_LEN];
	unsigned char from[ORIGIN_MARK_LEN]; /* of senders_list() */
	unsigned char message_id[ORIGIN_MARK_LEN];
};

/* Copy a text: what is not printable as "?", what is longer cut and ended with
 * three dots. */
void origin_text(char to[ORIGIN_TEXT_MAX + 1], const char *);

/* What two texts are compared by, without regard to case and to blanks at both
 * ends. */
void origin_mark(unsigned char to[ORIGIN_MARK_LEN], const char *);

/*
 * Append the value of a header field to out, folded into short lines with "\n "
 * between them, as libmilter wants it. -1 when the queue id is empty, too long or has other
 * characters than mail servers use: then nothing binds the origin to the
 * message.
 */
int origin_seal(const struct secret *, const struct origin *, struct buf *out);

enum origin_result {
	ORIGIN_OK,
	ORIGIN_MALFORMED,
	ORIGIN_FORGED,	 /* opens with none of the keys */
	ORIGIN_REPLAYED, /* its queue id is not among the message's */
	ORIGIN_STALE	 /* older than window_us, or from the future */
};

/*
 * Open the value of a header field of len bytes, folded as it came. queue_ids
 * are those of the message's Received fields, blank between. *origin_r is
 * filled for REPLAYED and STALE as well.
 */
enum origin_result origin_open(const struct secret *, const char *value,
    size_t len, const char *queue_ids, int64_t wall_us, int64_t window_us,
    struct origin *origin_r);

#endif
