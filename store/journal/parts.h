/*
 * journal/parts: what journal.c and journal/thread.c share.
 *
 * journal.c has its beginning and its end and what it says of itself,
 * journal/thread.c the thread and what is asked of it.
 */
#ifndef STORE_JOURNAL_PARTS_H
#define STORE_JOURNAL_PARTS_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "store/journal.h"
#include "store/journal/batch.h"
#include "store/journal/file.h"

struct scrub;

struct journal {
	pthread_t thread;

	/* Of the journal's thread. */
	struct journal_file file;
	int64_t head_due_us;
	int64_t head_logged;
	bool trouble; /* the last transaction failed, and the log says so */

	/* Of everybody, under lock. */
	pthread_mutex_t lock;
	pthread_cond_t wake;
	struct request *first, **last;
	bool stop;
	struct scrub *scrub;
	pthread_cond_t scrubbed;
	struct journal_head head;
	struct journal_stats stats;
};

/* With the file open. -1 and err when the system has no thread to give. */
int journal_thread_start(struct journal *, struct err *);

/* When what is queued has been written. */
void journal_thread_stop(struct journal *);

#endif
