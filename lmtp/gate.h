/*
 * gate: what must be true of a message before any quota is spent on it (design:
 * "The gate").
 *
 * Pure but for its inputs: takes what was received and says what will be sent
 * to SES, or why it can't be. Senders that SES has not verified are rewritten or
 * stopped here, and what SES refuses in headers is mended or refused with the
 * header's name. Nothing else in the header changes by a byte, and nothing in
 * the body.
 */
#ifndef LMTP_GATE_H
#define LMTP_GATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/address.h"
#include "core/buf.h"
#include "core/message.h"
#include "identity/origin.h"
#include "identity/rewrite.h"

struct gate_input {
	const struct rewrite_rules *rules; /* and the configuration */
	const struct message *message;	/* after message_end */
	const struct address *sender;	/* text "" for the null sender */
	int64_t wall_us; /* now: it dates SRS addresses */
	const char *queue_id; /* what the MTA itself calls the message, by
			       * XFORWARD; "" or NULL when it has not said */
};

#define GATE_QUEUE_IDS 64

struct gate_output {
	struct buf head;   /* the header section as it goes to SES, dot-stuffed,
			    * empty line included; without our own Received
			    * field, since that carries an id which is known
			    * only once the message is journalled */
	uint64_t body_off; /* where the body begins in the stored form */
	struct address sender; /* envelope sender for SES */
	struct buf tags;   /* the user's own X-SES-MESSAGE-TAGS, `k=v, k=v`,
			    * where allowed: not in head, since the sender
			    * has tags of its own to put beside them */
	struct buf from;   /* addresses of From as received, comma between,
			    * for the journal; printable ASCII */
	char *message_id;  /* Message-ID's value in printable ASCII, or NULL */
	struct origin *origin; /* what the milter knew, or NULL */
	struct buf queue_ids; /* of the MTA hops: queue_id, and from Received
			       * fields, newest first, blank between */
	struct buf repairs;   /* words for the journal, see below */
	bool has_received;    /* is there a Received field? (Then the digest
			       * is unique.) */
};

/*
 * Repairs, as `word word`, each only when it happened:
 *
 *	null-sender		SES gets null-sender instead of <>
 *	envelope=replaced	the envelope sender was rewritten by the rules
 *	from=replaced		so was From, or an address in it
 *	sender=replaced		and Sender
 *	quoted=From,Sender	a display name with an @ was put in quotes
 *	from-line		an mbox "From " line on top was dropped
 *	dropped=NAME,...	these fields were dropped
 *	collapsed=NAME,...	of identical ones the first was kept
 *	encoded=NAME,...	8-bit text was encoded
 *	folded=NAME,...		overlong lines were folded
 *	bare=N			so many bare CR and LF were mended
 *	nul=N			so many NULs were taken out
 *	origin=WORD,...		there was an X-Postern-Origin field: sealed (it
 *				counts), duplicated (as good, but below that),
 *				replayed (another message's), stale, forged,
 *				malformed, unread (there is no rewrite.secret)
 *	differ=sender,from,message-id	these are not as the milter left them
 */

enum gate_result { GATE_PASS, GATE_REFUSE, GATE_DEFER };

/* What a refusal says to the MTA: one line of printable ASCII. */
struct gate_reply {
	unsigned code;
	char dsn[8];
	char text[400];
};

/*
 * PASS fills out; REFUSE and DEFER fill reply (and from, message_id, origin,
 * queue_ids, repairs, has_received of out, for the journal). In each case gate_output_free frees
 * what out holds.
 */
enum gate_result gate_check(const struct gate_input *, struct gate_output *,
    struct gate_reply *);
void gate_output_free(struct gate_output *);

/*
 * May this recipient be written to (RCPT)? With identities.sandbox only
 * verified ones and the mailbox simulator.
 */
enum gate_result gate_recipient(const struct rewrite_rules *,
    const struct address *, struct gate_reply *);

#endif
