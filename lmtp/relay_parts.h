/*
 * relay_parts: what the files of relay share. relay.c has a message's way to
 * dispatch, relay_collect.c its deliveries' way back: their outcomes, awaited,
 * journalled where nobody has, and answered.
 */
#ifndef LMTP_RELAY_PARTS_H
#define LMTP_RELAY_PARTS_H

#include <stdbool.h>
#include <stdint.h>

#include "lmtp/gate.h"
#include "lmtp/session.h"

struct relay {
	struct session *s;
	struct turn *turn;
	struct mail *mail;
	struct delivery **deliveries; /* by recipient; NULL for second namings and refused ones */
	bool *joined;		      /* another session's */
	int64_t began_us, deadline_us;
	const struct gate_reply *refusal; /* of the gate, for whom SES has not taken it before */
	bool client_gone;
};

/* Accepted, and named for the first time. */
bool relay_goes_out(const struct recipient *);

/* Journal what the gate refused, in one go with nothing else to wait for. */
void relay_record_refusals(struct relay *);

/*
 * RFC 2033 section 4.2: a reply for each accepted RCPT, in their order, each as
 * soon as it is known. Leaves all deliveries that have no verdict yet, and ends
 * when they all have one; sets client_gone when nobody hears it.
 */
void relay_collect(struct relay *);

#endif
