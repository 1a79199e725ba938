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
 * Filled by one session before the first delivery is submitted, constant from
 * then on but for the references.
 */
struct mail {
	atomic_uint refs;
	struct uuid id;
	char id_text[UUID_TEXT_LEN];
	struct message *message;
	struct buf head;   /* header section for SES */
	uint64_t body_off;
	struct address sender; /* for SES */
	char *received;	       /* our own Received field, with its CRLF */
	char *tags;	       /* users' own X-SES-MESSAGE-TAGS, or "" */
};

struct mail *mail_new(struct message *); /* holds the message */
void mail_release(struct mail *);

#endif
