/* SPDX-License-Identifier: BSD-2-Clause */
#include "config.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/clock.h"
#include "core/crypto.h"
#include "core/log.h"
#include "core/mem.h"
#include "store/record.h"

/*
 * journalfill: write a journal as posternd would after many deliveries, by the
 * calls that posternd makes.
 *
 *	journalfill FILE DELIVERIES [DAYS]
 *
 * One recipient a message. Without DAYS each is sent at once. With it they are
 * spread over the days before now, come from many senders and go to many
 * domains, and some are deferred, refused or doubtful: the clocks that the
 * store reads are ours then (linked with --wrap), in a boot of its own.
 *
 * A lot arrives in one transaction, is sending in the next and has its outcome
 * in the one after, each with rows of three lots: what so many sessions would
 * write, without their waking each other.
 */
#define LOT 400L
#define STAGES 3

struct one {
	unsigned char digest[SHA256_LEN];
	char sender[64], rcpt[64], queue_id[32], message_id[64];
	char reply[120]; /* ends with the SES id */
	struct record_rcpt to;
	struct record_arrival a;
	struct record_outcome o;
};

struct fill {
	struct journal *journal;
	long deliveries;
	bool varied;
	struct one lots[STAGES][LOT];
	long lot; /* that arrives; the one before is sending */
};

/* The clocks: what is real, and how far the deliveries have come. */
static atomic_long started;
static int64_t step_us, began_wall, began_mono;

int64_t __real_clock_wall_us(void);
int64_t __real_clock_mono_us(void);
int64_t __real_clock_boot_id(void);
int64_t __wrap_clock_wall_us(void);
int64_t __wrap_clock_mono_us(void);
int64_t __wrap_clock_boot_id(void);

int64_t
__wrap_clock_wall_us(void)
{
	return step_us == 0 ? __real_clock_wall_us()
			    : began_wall + atomic_load(&started) * step_us;
}

int64_t
__wrap_clock_mono_us(void)
{
	return step_us == 0 ? __real_clock_mono_us()
			    : began_mono + atomic_load(&started) * step_us;
}

int64_t
__wrap_clock_boot_id(void)
{
	return step_us == 0 ? __real_clock_boot_id() : 1;
}

static void
spread(long deliveries, long days)
{
	int64_t span = days * 86400 * US_PER_SEC;

	step_us = span / deliveries;
	/* What is under way at the end is not to lie in the future. */
	began_wall =
	    __real_clock_wall_us() - span - (STAGES + 1) * LOT * step_us;
	began_mono = __real_clock_mono_us();
}

/* Small numbers come more often than large ones. */
static unsigned
skewed(const unsigned char *random, unsigned n)
{
	unsigned x = (unsigned)random[0] << 8 | random[1];
	unsigned long long cube = (unsigned long long)x * x * x;

	return (unsigned)((cube >> 16) * n >> 32);
}

static void
vary(const unsigned char *random, struct record_outcome *o)
{
	switch (random[8] % 100) {
	case 0:
	case 1:
		o->state = RECORD_REFUSED;
		o->code = 554;
		o->dsn = "5.7.1";
		o->reply = random[9] % 2 == 0
		    ? "Message rejected: Email address is not verified."
		    : "Transaction failed: Invalid domain name";
		break;
	case 2:
		o->state = RECORD_DEFERRED;
		o->code = 451;
		o->dsn = "4.4.5";
		o->reply = "Throttling failure: Maximum sending rate exceeded.";
		break;
	case 3:
		if (random[9] % 10 == 0) {
			o->state = RECORD_DOUBTFUL;
			o->code = 451;
			o->dsn = "4.4.2";
			o->reply = "lost connection after the final dot";
		}
		break;
	default:
		break;
	}
	if (o->state != RECORD_SENT)
		o->ses_id = NULL;
}

/* In a lot's transaction its parts are not requests of their own. */
static struct journal_tx *tx_now;

int __real_journal_do(struct journal *, journal_op *, void *, int64_t,
    struct err *);
int __wrap_journal_do(struct journal *, journal_op *, void *, int64_t,
    struct err *);

int
__wrap_journal_do(struct journal *j, journal_op *op, void *arg,
    int64_t deadline_us, struct err *err)
{
	return tx_now != NULL
	    ? op(tx_now, arg, err)
	    : __real_journal_do(j, op, arg, deadline_us, err);
}

static void
make(const struct fill *f, struct one *d, long n)
{
	*d = (struct one) { .sender = "sender@example.com" };
	crypto_random(d->digest, sizeof(d->digest));
	(void)snprintf(d->rcpt, sizeof(d->rcpt), "rcpt%ld@example.net", n);
	(void)snprintf(d->queue_id, sizeof(d->queue_id), "4Q%lxABCDE", n);
	(void)snprintf(d->message_id, sizeof(d->message_id),
	    "<%lx.20260302@client.example>", n);
	(void)snprintf(d->reply, sizeof(d->reply),
	    "Ok 0101019a%08lx-%02x%02x%02x%02x-4a5b-9c1d-000000000000-000000", n,
	    d->digest[0], d->digest[1], d->digest[2], d->digest[3]);
	d->o = (struct record_outcome) {
		.state = RECORD_SENT,
		.ses_id = d->reply + strlen("Ok "),
		.code = 250,
		.dsn = "2.0.0",
		.reply = d->reply,
		.endpoint = "localhost[127.0.0.1]:2587",
		.attempt = 1,
	};
	if (f->varied) {
		(void)snprintf(d->sender, sizeof(d->sender),
		    "sender%u@example.com", skewed(d->digest, 500));
		(void)snprintf(d->rcpt, sizeof(d->rcpt), "rcpt%ld@d%u.example",
		    n, skewed(d->digest + 2, 5000));
		vary(d->digest, &d->o);
	}
	d->to.address = d->rcpt;
	d->a = (struct record_arrival) {
		.digest = d->digest,
		.size = 2048,
		.sender = d->sender,
		.from = d->sender,
		.client = "mx.example.com[192.0.2.25]",
		.queue_ids = d->queue_id,
		.message_id = d->message_id,
		.repeat_window_us = 10 * 86400 * US_PER_SEC,
		.rcpts = &d->to,
		.nrcpts = 1,
		.id = uuid_new(),
	};
}

static int
arrive(struct fill *f, struct one *d, long n, struct err *err)
{
	make(f, d, n);
	return record_arrival(f->journal, &d->a, INT64_MAX, err);
}

static int
set_off(struct fill *f, struct one *d, long n, struct err *err)
{
	(void)n;
	return record_sending(f->journal, &d->a.id, d->to.n, 1, true,
	    INT64_MAX, err);
}

static int
conclude(struct fill *f, struct one *d, long n, struct err *err)
{
	(void)n;
	return record_outcome(f->journal, &d->a.id, d->to.n, &d->o, INT64_MAX,
	    err);
}

static int
for_lot(struct fill *f, long lot,
    int (*step)(struct fill *, struct one *, long n, struct err *),
    struct err *err)
{
	if (lot < 0)
		return 0;
	for (long n = lot * LOT; n < (lot + 1) * LOT && n < f->deliveries; n++)
		if (step(f, &f->lots[lot % STAGES][n % LOT], n, err) == -1)
			return -1;
	return 0;
}

static int
lots_op(struct journal_tx *tx, void *arg, struct err *err)
{
	struct fill *f = arg;
	int rc;

	tx_now = tx;
	rc = for_lot(f, f->lot - 2, conclude, err) == -1 ||
		for_lot(f, f->lot - 1, set_off, err) == -1 ||
		for_lot(f, f->lot, arrive, err) == -1
	    ? -1
	    : 0;
	tx_now = NULL;
	return rc;
}

int
main(int argc, char **argv)
{
	static struct fill f;
	struct err err;

	if (argc != 3 && argc != 4)
		log_fatal("usage: journalfill FILE DELIVERIES [DAYS]");
	f.deliveries = strtol(argv[2], NULL, 10);
	f.varied = argc == 4;
	if (f.varied)
		spread(f.deliveries, strtol(argv[3], NULL, 10));
	if (journal_open(argv[1], true, "journalfill", &f.journal, &err) == -1)
		log_fatal("%s", err.text);
	for (; (f.lot - 2) * LOT < f.deliveries; f.lot++) {
		atomic_store(&started, f.lot * LOT);
		if (journal_do(f.journal, lots_op, &f, INT64_MAX, &err) == -1)
			log_fatal("%s", err.text);
	}
	journal_close(f.journal);
	return 0;
}
