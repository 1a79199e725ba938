/*
 * sender_parts: what the files of sender share.
 *
 * sender.c has the threads and their connections, sender_carry.c the way of one
 * delivery up to SES's answer, sender_outcome.c what that answer comes to.
 */
#ifndef LMTP_SENDER_PARTS_H
#define LMTP_SENDER_PARTS_H

#include <stdbool.h>
#include <stdint.h>

#include "lmtp/sender.h"
#include "ses/ses.h"

struct sender {
	struct server *server;
	struct ses *ses; /* held: what the connection was made by */
	const struct conf *conf; /* the account's */
	struct connection *connection;
};

#define TRIES_MAX 3

/*
 * What no message can get past defers all that wait: the operator has to act,
 * and the MTA keeps the mail. A network that is down may be back within
 * answer-within: those wait.
 */
void sender_fail_waiting(struct sender *, const struct ses_result *);

/* A delivery that was taken, to its outcome or back to dispatch. */
void sender_carry(struct sender *, struct delivery *);

/* attempt is 0 when no dot was sent, nor `sending` written. */
int sender_record(struct sender *, const struct delivery *,
    const struct verdict *, unsigned attempt, int64_t within_us, struct err *);

/* An outcome that nothing is to be done about any more. */
void sender_conclude(struct sender *, struct delivery *, struct verdict *,
    unsigned attempt);

/* Another try within this transaction: journalled when it has an attempt. */
void sender_again(struct sender *, struct delivery *,
    const struct ses_result *, int64_t after_us, unsigned attempt);

/* SES, or the way to it, said no. */
void sender_refused(struct sender *, struct delivery *,
    const struct ses_result *, unsigned attempt);

/* AWS's advice for a service failure (SES facts 1.5). */
int64_t sender_backoff_us(unsigned tries);

#endif
