/*
 * mail: a message on its way to SES, shared by its deliveries.
 */
#ifndef LMTP_MAIL_H
#define LMTP_MAIL_H

#include <stdatomic.h>
#include <stdint.h>

#include "core/address.h"
#include "core/buf.h"
#include "core/message.h"
#include "store/journal.h"

/*
 * Filled by one session, in part before the first delivery is offered, and
 * whole before one is submitted; constant from then on but for the references.
 */
struct mail {
	atomic_uint refs;
	struct message *message;
	struct buf head;   /* header section for SES */
	uint64_t body_off;
	struct address sender; /* for SES */
	char *tags;	       /* users' own X-SES-MESSAGE-TAGS, or "" */

	/* Not known before the journal is. */
	struct uuid id;
	char id_text[UUID_TEXT_LEN];
	char *received; /* our own Received field, with its CRLF */
};

struct mail *mail_new(struct message *); /* holds the message */
void mail_release(struct mail *);

#endif
