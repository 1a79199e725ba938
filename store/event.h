/*
 * event: what SES reports of a message after it has accepted it.
 *
 * Of a record only this is kept: no headers, no subject, no address but in
 * texts, where it is replaced before it is stored.
 */
#ifndef STORE_EVENT_H
#define STORE_EVENT_H

#include <stdbool.h>
#include <stdint.h>

#include "core/buf.h"
#include "core/err.h"
#include "store/journal.h"

/* Texts are printable, bounded, and NULL where SES gave none. */
struct event {
	char *type;	   /* as SES names it: Send, Delivery, Bounce ... */
	char *kind;	   /* bounceType, complaintFeedbackType, delayType */
	char *subtype;	   /* bounceSubType, complaintSubType */
	char *action;	   /* of a bounce, where it is not "failed" */
	char *ses_id;	   /* never NULL */
	char *feedback_id;
	char *dsn;	   /* enhanced status of the remote server */
	char *text;	   /* its words, or the reason; addresses not replaced */
	int64_t time;	   /* of the event, SES's clock */
	int64_t accepted;  /* when SES accepted the message, or 0 */

	/* From the message tag postern=ID-N-ATTEMPT. */
	bool tagged;
	struct uuid message;
	unsigned n, attempt;
};

#define EVENT_TEXT_MAX 1000

/* Free what it holds. */
void event_free(struct event *);

/*
 * What it means for delivery.feedback: complained, bounced, rejected,
 * delivered, delayed, or NULL for nothing.
 */
const char *event_feedback(const struct event *);

/*
 * Whether nobody should write to the recipient again: "bounce", "complaint", as
 * in events.suppress, or NULL. A permanent bounce is such a reason unless a list
 * or choice of the account's at SES made it, which whoever made it can take
 * back there; a complaint is, unless it says that the mail was no spam.
 */
const char *event_suppresses(const struct event *);

/*
 * The same for every report of the same thing: over type, SES id, and feedback
 * id, or without one the time.
 */
int64_t event_key(const char *type, const char *ses_id,
    const char *feedback_id, int64_t time);

/* Its tag, "" without one. */
#define EVENT_TAG_LEN 64
void event_tag(const struct event *, char tag[EVENT_TAG_LEN]);
/* Take the value of a tag named postern; what is none leaves it untagged. */
void event_set_tag(struct event *, const char *value);

/* As an array for posternd's control socket, and back: -1 and err. */
void event_json(const struct event *, struct buf *out);
int event_parse(const char *json, struct event *, struct err *);

#endif
