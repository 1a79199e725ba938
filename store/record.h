/*
 * record: what befalls messages and recipients, written to the journal.
 *
 * Each call waits until it is durable (as journal_do does, with the same
 * deadline and errors). Personal data goes to `party` and enters the chain only
 * as a commitment; replies are stored with addresses replaced by the number of
 * their party (store/record_text.h).
 */
#ifndef STORE_RECORD_H
#define STORE_RECORD_H

#include "core/address.h"
#include "core/crypto.h"
#include "store/journal.h"

enum record_state {
	RECORD_WAITING,
	RECORD_SENDING,
	RECORD_SENT,
	RECORD_DEFERRED,
	RECORD_REFUSED,
	RECORD_DOUBTFUL
};
const char *record_state_name(enum record_state);

/*
 * One recipient of a message that arrives. In: address, and for one that was
 * refused before DATA its reply.
 */
struct record_rcpt {
	/*
	 * As address_key writes it; for a malformed one address_written's.
	 */
	const char *address;
	/*
	 * Already answered at RCPT: journalled as refused (5xx) or deferred
	 * (4xx).
	 */
	bool refused;
	unsigned code;
	const char *dsn, *reply; /* for refused */

	/* Out. */
	unsigned n; /* its number in the message, from 1, one for each address */
	enum record_state state; /* before this arrival; WAITING when new */
	unsigned attempts;	 /* dots so far */
	char *ses_id;		 /* when SENT, to be freed by the caller */
	int64_t sent_at;	 /* when SENT: wall time of SES's acceptance */
};

struct record_arrival {
	/*
	 * SHA256_LEN bytes; NULL when there is no Received field, or no DATA.
	 */
	const unsigned char *digest;
	uint64_t size;
	const char *sender;	     /* envelope's, as received; "" for null */
	const char *rewritten;	     /* for SES when it differs, else NULL */
	const char *original;	     /* before a milter rewrote it, or NULL */
	const char *from;	     /* addresses of From, or NULL */
	const char *client;	     /* who handed it to the MTA, or NULL */
	const char *user;	     /* who logged in there, or NULL */
	const char *queue_ids;	     /* blank between, or NULL */
	const char *message_id;	     /* Message-ID field, or NULL */
	const char *repairs;	     /* gate's words, or NULL */
	int64_t repeat_window_us;
	struct record_rcpt *rcpts;
	size_t nrcpts;

	/* In: a proposed id; out: the one it has, older when it is known. */
	struct uuid id;
	bool known; /* out: the digest was known within repeat_window */
};

/*
 * A message has arrived (or only its envelope). Finds it by its digest, gives
 * recipients their numbers, and says what became of each before. Appends
 * `received` or `offered` (again), `refused`/`deferred` for those refused
 * already, and `repeat` for those sent before.
 */
int record_arrival(struct journal *, struct record_arrival *,
    int64_t deadline_us, struct err *);

/*
 * The dot is about to go out: attempt counts from 1; counts tells whether it
 * spends the day (not the simulator).
 */
int record_sending(struct journal *, const struct uuid *, unsigned n,
    unsigned attempt, bool counts, int64_t deadline_us, struct err *);

/* What became of a delivery. */
struct record_outcome {
	enum record_state state; /* SENT, DEFERRED, REFUSED or DOUBTFUL */
	const char *ses_id;	 /* SENT */
	unsigned code;		 /* of the reply to the MTA */
	const char *dsn;	 /* enhanced status of that reply */
	const char *reply;	 /* SES's words or ours */
	const char *endpoint;	 /* HOST[ADDR]:PORT used, or NULL */
	unsigned attempt;	 /* its dot; 0 when there was none */
};
int record_outcome(struct journal *, const struct uuid *, unsigned n,
    const struct record_outcome *, int64_t deadline_us, struct err *);

/* The same for several recipients of one message, all or none. */
int record_outcomes(struct journal *, const struct uuid *, const unsigned *n,
    const struct record_outcome *, size_t count, int64_t deadline_us,
    struct err *);

#endif
