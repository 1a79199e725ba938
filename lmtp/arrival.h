/*
 * arrival: a transaction into the journal: who the message is from and for,
 * what is known of it from before, and what was refused at RCPT.
 */
#ifndef LMTP_ARRIVAL_H
#define LMTP_ARRIVAL_H

#include "lmtp/gate.h"
#include "lmtp/session.h"

/*
 * Journal the arrival of all recipients; gate may be NULL (no DATA came). Sets
 * each recipient's n. What is known of each recipient that is not a second
 * naming, in order, is in rcpts, to be freed by arrival_free. -1 and err when
 * it could not be made durable.
 */
struct arrival {
	struct record_arrival record;
	struct record_rcpt *rcpts;
};
int arrival_journal(struct session *, const struct message *,
    const struct gate_output *gate, struct arrival *, struct err *);
void arrival_free(struct arrival *);

#endif
