/*
 * sender_parts: what the files of the sender share. sender.c has the thread and
 * a delivery's way up to SES's answer, sender_outcome.c what that answer comes
 * to.
 */
#ifndef LMTP_SENDER_PARTS_H
#define LMTP_SENDER_PARTS_H

#include <stdbool.h>
#include <stdint.h>

#include "lmtp/sender.h"
#include "ses/dialogue.h"

#define SENDER_TRIES_MAX 3

struct sender {
	struct server *server;
	struct ses *ses; /* held: what the connection was made by */
	const struct conf *conf; /* the account's */
	struct connection *connection;
};

/* Whether the account and the ways to it are still those of the configuration
 * in force. */
bool sender_in_force(struct sender *);

/* An outcome that nothing is to be done about any more: journalled, and the
 * answer of whoever waits. attempt is 0 when no dot was sent. */
void sender_conclude(struct sender *, struct delivery *, struct verdict *,
    unsigned attempt);

/* Another try within this transaction, journalled when it spent an attempt. */
void sender_again(struct sender *, struct delivery *,
    const struct ses_result *, int64_t after_us, unsigned attempt);

/* SES, or the way to it, said no. */
void sender_refused(struct sender *, struct delivery *,
    const struct ses_result *, unsigned attempt);

/* What no message can get past defers all that wait. */
void sender_fail_waiting(struct sender *, const struct ses_result *);

/* AWS's advice for a service failure (SES facts 1.5). */
int64_t sender_backoff_us(unsigned tries);

#endif
