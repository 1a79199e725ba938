/*
 * senders: From and Sender of a message, which Amazon SES checks as it checks
 * the envelope sender (RFC 5322 section 3.6.2).
 *
 * Each mailbox in them goes through the rules (rewrite.h); what needs no change
 * is not touched by a byte. A rewritten mailbox keeps its display name, and
 * where it has none its original address becomes that, so that the reader sees
 * who wrote. The original From is kept in X-Original-From, and in Reply-To when
 * the message has none, so that answers go where they would have.
 */
#ifndef IDENTITY_SENDERS_H
#define IDENTITY_SENDERS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/buf.h"
#include "core/header.h"
#include "identity/rewrite.h"

/* The fields of one message that matter here; begins zeroed. */
struct senders_fields {
	struct header_field from;   /* name_len 0: none */
	struct header_field sender; /* the same */
	bool reply_to;
	const char *differ; /* "From" or "Sender", which came twice and not
			     * with the same value; NULL */
};

/*
 * Note a field if it is one of these. Its bytes are not copied. Of From and
 * Sender the first counts; whoever replaces it removes the others.
 */
void senders_see(struct senders_fields *, const struct header_field *);

struct senders_input {
	const struct rewrite_rules *rules;
	const struct senders_fields *fields;
	const struct address *instead; /* NULL; else what stands in for each
					* mailbox that is not verified, in mail
					* with a null sender: no rule applies
					* and nothing is refused */
	int64_t wall_us;
};

struct senders_output {
	struct buf from;   /* the field that goes in place of From: all of it,
			    * CRLF included. Empty: it stays as it is */
	struct buf sender; /* the same for Sender */
	struct buf extra;  /* fields to add: X-Original-From, Reply-To */
	bool from_replaced;   /* an address in it, not only a display name */
	bool sender_replaced;
	bool from_quoted;     /* a display name with an @ was put in quotes */
	bool sender_quoted;
	unsigned code; /* of a refusal: 550 or 451 */
	char dsn[8];
	char text[500];
};

/*
 * Judge the fields and say what goes in their place. 0; or -1 when the message
 * must not be sent so, with code, dsn and text, one line of printable ASCII. A
 * message without From passes: whether it needs one is for others to say. In
 * each case senders_output_free frees what the output holds.
 *
 * What goes in their place is not yet fit for SES where it has 8-bit text (see
 * header_repair), but it has been made sure that it reads the same after that.
 */
int senders_judge(const struct senders_input *, struct senders_output *);
void senders_output_free(struct senders_output *);

/* Append the addresses of a From field as they came, comma between, everything
 * that is not printable ASCII as "?": for records. */
void senders_list(const struct header_field *from, struct buf *out);

#endif
