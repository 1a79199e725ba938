/*
 * transaction: one message on its way in: sender, recipients, and what was
 * answered to each.
 */
#ifndef LMTP_TRANSACTION_H
#define LMTP_TRANSACTION_H

#include <stdbool.h>
#include <stddef.h>

#include "core/address.h"
#include "core/message.h"
#include "lmtp/verdict.h"

struct recipient {
	struct address address;
	char *raw;		/* what was written, where it is no address */
	bool accepted;		/* 250 at RCPT: gets an answer after the dot */
	bool counted_only;	/* refused for the full day: in metrics, not in the journal */
	struct recipient *same; /* the first naming of this address, or NULL */
	struct verdict verdict; /* of RCPT when not accepted, else after the dot */
	unsigned n;		/* its number in the message, from the journal */
};

struct transaction {
	struct address sender; /* "" for the null sender */
	struct recipient **rcpts;
	size_t nrcpts, cap;
	size_t naccepted;
	bool journalled;
};

struct transaction *transaction_new(const struct address *sender);
void transaction_free(struct transaction *);

/* Add a recipient; the transaction owns it. */
struct recipient *transaction_add(struct transaction *,
    const struct address *);

/* An accepted recipient with the same key, or NULL. */
struct recipient *transaction_find(const struct transaction *,
    const struct address *);

#endif
