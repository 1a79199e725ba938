/*
 * gate: what must be true of a message before any quota is spent on it (design: "The gate").
 *
 * Pure but for its inputs: takes what was received and says what will be sent to SES, or
 * why it can't be. Senders that SES has not verified are stopped here, and what SES refuses in
 * headers is mended or refused with the header's name.
 */
#ifndef LMTP_GATE_H
#define LMTP_GATE_H

#include <stdbool.h>
#include <stddef.h>

#include "core/address.h"
#include "core/buf.h"
#include "core/conf.h"
#include "core/err.h"
#include "core/message.h"
#include "identity/verified.h"

struct gate_input {
	const struct conf *conf;
	const struct verified *verified;
	const struct message *message;
	const struct address *sender; /* text "" for the null sender */
	const char *id;		      /* the message's UUID in text */
	const char *received;	      /* our own Received field, with its CRLF, put on top */
};

#define GATE_QUEUE_IDS 64

struct gate_output {
	struct buf head;	  /* the header section as it goes to SES, dot-stuffed, empty line included */
	uint64_t body_off;	  /* where the body begins in the message's stored form */
	struct address sender;	  /* envelope sender for SES */
	struct buf from;	  /* addresses of the From field, comma between, for the journal */
	char *message_id;	  /* the Message-ID field's value or NULL */
	struct buf queue_ids;	  /* ids of the MTA hops from Received fields, newest first, blank between */
	struct buf repairs;	  /* words for the journal: "dkim-signature-dropped bare-lf=3 encoded=Subject,From", may be empty */
	bool has_received;	  /* whether the message has a Received field (then its digest is unique) */
};

enum gate_result { GATE_PASS, GATE_REFUSE, GATE_DEFER };

/* What a refusal says to the MTA. */
struct gate_reply {
	unsigned code;
	char dsn[8];
	char text[400];
};

/*
 * PASS fills out; REFUSE and DEFER fill reply (and from, message_id, queue_ids of out, for the journal). In each case
 * gate_output_free frees what out holds.
 */
enum gate_result gate_check(const struct gate_input *, struct gate_output *,
    struct gate_reply *);
void gate_output_free(struct gate_output *);

/*
 * May this recipient be written to (RCPT)? With identities.sandbox only verified ones and the mailbox simulator.
 */
enum gate_result gate_recipient(const struct conf *, const struct verified *,
    const struct address *, struct gate_reply *);

#endif
