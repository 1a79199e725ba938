/* SPDX-License-Identifier: BSD-2-Clause */
#include "config.h"

#include <pthread.h>
#include <stdatomic.h>
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
 *	journalfill FILE DELIVERIES
 *
 * One recipient a message, each sent at once. Many threads, so that each commit
 * has many rows.
 */
#define THREADS 400

struct fill {
	struct journal *journal;
	long deliveries;
	atomic_long next;
};

static int64_t
soon(void)
{
	return clock_mono_us() + 600 * US_PER_SEC;
}

static void
one(struct journal *journal, long n)
{
	unsigned char digest[SHA256_LEN];
	char rcpt[64], queue_id[32], message_id[64], ses_id[80], reply[120];
	struct record_rcpt to = { .address = rcpt };
	struct record_arrival a = {
		.digest = digest,
		.size = 2048,
		.sender = "sender@example.com",
		.from = "sender@example.com",
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
	a.id = uuid_new();
	if (record_arrival(journal, &a, soon(), &err) == -1 ||
	    record_sending(journal, &a.id, to.n, 1, true, soon(), &err) == -1 ||
	    record_outcome(journal, &a.id, to.n, &o, soon(), &err) == -1)
		log_fatal("%s", err.text);
	free(to.ses_id);
}

static void *
run(void *arg)
{
	struct fill *f = arg;
	long n;

	while ((n = atomic_fetch_add(&f->next, 1)) < f->deliveries)
		one(f->journal, n);
	return NULL;
}

int
main(int argc, char **argv)
{
	pthread_t threads[THREADS];
	pthread_attr_t small;
	struct fill f = { .journal = NULL };
	struct err err;

	if (argc != 3)
		log_fatal("usage: journalfill FILE DELIVERIES");
	f.deliveries = strtol(argv[2], NULL, 10);
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
