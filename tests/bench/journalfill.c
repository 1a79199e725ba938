/* SPDX-License-Identifier: BSD-2-Clause */
#include "config.h"

#include <pthread.h>
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
 * journalfill: write a journal as posternd would after many deliveries, row by
 * row on the way that posternd's own take.
 *
 *	journalfill FILE DELIVERIES [DAYS]
 *
 * One recipient a message. Without DAYS each is sent at once. With it they are
 * spread over the days before now, come from many senders and go to many
 * domains, and some are deferred, refused or doubtful: the clocks that the
 * store reads are ours then (linked with --wrap), in a boot of its own.
 *
 * Many threads, so that each commit has many rows.
 */
#define THREADS 128

struct fill {
	struct journal *journal;
	long deliveries;
	bool varied;
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
	began_wall = __real_clock_wall_us() - span - 2 * THREADS * step_us;
	began_mono = __real_clock_mono_us();
}

static int64_t
soon(void)
{
	return clock_mono_us() + 600 * US_PER_SEC;
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

static void
one(const struct fill *f, long n)
{
	unsigned char digest[SHA256_LEN];
	char sender[64] = "sender@example.com", rcpt[64], queue_id[32];
	char message_id[64], ses_id[80], reply[120];
	struct record_rcpt to = { .address = rcpt };
	struct record_arrival a = {
		.digest = digest,
		.size = 2048,
		.sender = sender,
		.from = sender,
		.client = "mx.example.com[192.0.2.25]",
		.queue_ids = queue_id,
		.message_id = message_id,
		.repeat_window_us = 10 * 86400 * US_PER_SEC,
		.rcpts = &to,
		.nrcpts = 1,
	};
	struct record_outcome o = {
		.state = RECORD_SENT,
		.ses_id = ses_id,
		.code = 250,
		.dsn = "2.0.0",
		.reply = reply,
		.endpoint = "localhost[127.0.0.1]:2587",
		.attempt = 1,
	};
	struct err err;

	crypto_random(digest, sizeof(digest));
	(void)snprintf(rcpt, sizeof(rcpt), "rcpt%ld@example.net", n);
	(void)snprintf(queue_id, sizeof(queue_id), "4Q%lxABCDE", n);
	(void)snprintf(message_id, sizeof(message_id),
	    "<%lx.20260302@client.example>", n);
	(void)snprintf(ses_id, sizeof(ses_id),
	    "0101019a%08lx-%02x%02x%02x%02x-4a5b-9c1d-000000000000-000000", n,
	    digest[0], digest[1], digest[2], digest[3]);
	(void)snprintf(reply, sizeof(reply), "Ok %s", ses_id);
	if (f->varied) {
		(void)snprintf(sender, sizeof(sender), "sender%u@example.com",
		    skewed(digest, 500));
		(void)snprintf(rcpt, sizeof(rcpt), "rcpt%ld@d%u.example", n,
		    skewed(digest + 2, 5000));
		vary(digest, &o);
	}
	a.id = uuid_new();
	if (record_arrival(f->journal, &a, soon(), &err) == -1 ||
	    record_sending(f->journal, &a.id, to.n, 1, true, soon(), &err) ==
		-1 ||
	    record_outcome(f->journal, &a.id, to.n, &o, soon(), &err) == -1)
		log_fatal("%s", err.text);
	free(to.ses_id);
}

static void *
run(void *arg)
{
	struct fill *f = arg;
	long n;

	while ((n = atomic_fetch_add(&started, 1)) < f->deliveries)
		one(f, n);
	return NULL;
}

int
main(int argc, char **argv)
{
	pthread_t threads[THREADS];
	pthread_attr_t small;
	struct fill f = { .journal = NULL };
	struct err err;

	if (argc != 3 && argc != 4)
		log_fatal("usage: journalfill FILE DELIVERIES [DAYS]");
	f.deliveries = strtol(argv[2], NULL, 10);
	f.varied = argc == 4;
	if (f.varied)
		spread(f.deliveries, strtol(argv[3], NULL, 10));
	if (journal_open(argv[1], true, "journalfill", &f.journal, &err) == -1)
		log_fatal("%s", err.text);
	(void)pthread_attr_init(&small);
	(void)pthread_attr_setstacksize(&small, (size_t)256 * 1024);
	for (int i = 0; i < THREADS; i++)
		if (pthread_create(&threads[i], &small, run, &f) != 0)
			log_fatal("no thread to be had");
	for (int i = 0; i < THREADS; i++)
		(void)pthread_join(threads[i], NULL);
	(void)pthread_attr_destroy(&small);
	journal_close(f.journal);
	return 0;
}
