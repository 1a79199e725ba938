/*
 * dialogue: one message to one recipient over a ready connection, up to the dot
 * and past it.
 *
 * Cut in two at the final dot, since that is what SES counts and what can't be
 * taken back: what comes before it can be repeated freely.
 */
#ifndef SES_DIALOGUE_H
#define SES_DIALOGUE_H

#include "core/address.h"
#include "core/buf.h"
#include "core/message.h"
#include "ses/connection.h"

/*
 * What goes to SES: extra header fields of this attempt, the header, the body.
 */
struct ses_mail {
	const char *sender;
	const char *recipient;
	const char *extra;	       /* complete fields with CRLF, or "" */
	const struct buf *head;	       /* dot-stuffed, empty line included */
	const struct message *message; /* the body, from body_off of its stored form */
	uint64_t body_off;
};

/*
 * MAIL, RCPT, DATA, header and body, everything but the dot. 0: SES waits for
 * the dot. -1: result says why; nothing was sent as far as SES is concerned,
 * and the connection, unless broken, can take the next message. No step takes
 * longer than the configuration allows, and none goes past deadline_us.
 */
int dialogue_prepare(struct connection *, const struct ses_mail *,
    int64_t deadline_us, struct ses_result *);

/*
 * The dot and its reply, before deadline_us. result says it all: SES_OK with
 * the id, or why not, or SES_DOUBTFUL.
 */
void dialogue_dot(struct connection *, int64_t deadline_us,
    struct ses_result *);

/*
 * Get the connection ready for the next message after a refusal: RSET where SES
 * is in mid-message.
 */
void dialogue_reset(struct connection *);

#endif
