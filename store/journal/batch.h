/*
 * journal/batch: what is wanted of the journal's thread, in one transaction.
 *
 * A request lies on its owner's stack. It is QUEUED, and its owner may take it
 * back, or RUNNING, and its owner waits however long the disk takes: the
 * outcome of a COMMIT under way is not known before it returns. Outcomes are
 * told under a lock of each request's own: owners that wake up together don't
 * queue for the journal's.
 */
#ifndef STORE_JOURNAL_BATCH_H
#define STORE_JOURNAL_BATCH_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "store/journal.h"
#include "store/journal/file.h"

enum request_state { REQUEST_QUEUED, REQUEST_RUNNING };

struct request {
	struct request *next;
	journal_op *op;
	void *arg;
	int64_t deadline_us;
	bool once; /* not to be tried again, but for a lock */
	enum request_state state; /* under the journal's lock */

	/* Under its own lock, once it is RUNNING. */
	pthread_mutex_t lock;
	pthread_cond_t changed;
	bool done;
	int rc;
	struct err err;
};

void request_init(
    struct request *, journal_op *, void *arg, int64_t deadline_us);

/* Until it is done, or a time has come (clock_mono_us): false. */
bool request_wait(struct request *, int64_t until_us);

/* Its outcome; there is no request after this. */
int request_end(struct request *, struct err *);

/*
 * Run a batch's ops in one transaction, on an open connection: 0 when it is
 * durable, and every op has done its work or failed by itself. After -1 nothing
 * of it has been done, and the database itself is in trouble.
 */
int journal_batch_run(struct journal_file *, struct request *batch,
    struct err *);

/* After journal_batch_run gave 0: tell the owners. The batch is empty then. */
void journal_batch_finish(struct request **batch);

/*
 * Give up on requests, with err for their owners: all of them, those that are
 * not to be tried again, or those whose deadline has passed, which are always
 * among them. How many; the rest stays in the batch.
 */
enum giving_up { GIVE_UP_LATE, GIVE_UP_ONCE, GIVE_UP_ALL };
unsigned journal_batch_fail(struct request **batch, enum giving_up,
    const struct err *);

/* Whether there is one that is not to be tried again. */
bool journal_batch_has_once(const struct request *batch);

#endif
