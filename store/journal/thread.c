/* SPDX-License-Identifier: BSD-2-Clause */
#include "config.h"

#include "store/journal/parts.h"

#include "core/clock.h"
#include "core/log.h"
#include "core/thread.h"
#include "store/wipe.h"

/*
 * The journal's thread takes all requests that wait, runs them in one
 * transaction, and wakes their owners after the COMMIT. A transaction reads the
 * clocks after it has taken its requests, so that no row is older than what it
 * tells.
 */

/* A cut tail can't be seen without a head from the log. */
#define HEAD_INTERVAL_US (300 * US_PER_SEC)

/* What keeps a transaction from growing too long for those in it. */
#define BATCH_MAX 512

#define RETRY_US (50 * US_PER_MS)
#define REOPEN_US (1 * US_PER_SEC)

/* What journal_scrub asks for, on its owner's stack, under j->lock. */
struct scrub {
	uint32_t *page_r;
	bool done;
	int rc;
	struct err err;
};

static int
try_batch(struct journal *j, struct request *batch, struct err *err)
{
	if (j->file.db == NULL &&
	    journal_file_reopen(&j->file, &j->head, err) == -1)
		return -1;
	return journal_batch_run(&j->file, batch, err);
}

static void
finish_batch(struct journal *j, struct request **batch)
{
	(void)pthread_mutex_lock(&j->lock);
	j->head = j->file.tx.durable;
	j->stats.commits++;
	j->stats.rows += j->file.tx.rows;
	(void)pthread_mutex_unlock(&j->lock);
	journal_batch_finish(batch);
}

static void
fail_batch(struct journal *j, struct request **batch, enum giving_up which,
    const struct err *err)
{
	unsigned failed = journal_batch_fail(batch, which, err);

	(void)pthread_mutex_lock(&j->lock);
	j->stats.failed += failed;
	(void)pthread_mutex_unlock(&j->lock);
}

static void
tell_trouble(struct journal *j, const struct err *err)
{
	if (!j->trouble)
		log_error(NULL, "journal-trouble", "reason", err->text);
	j->trouble = true;
}

static void
tell_recovery(struct journal *j)
{
	if (j->trouble)
		log_warning(NULL, "journal-recovered");
	j->trouble = false;
}

static void
wait_a_little(struct journal *j, int64_t us)
{
	int64_t until = clock_mono_us() + us;

	(void)pthread_mutex_lock(&j->lock);
	while (clock_cond_wait(&j->wake, &j->lock, until) == 0)
		continue;
	(void)pthread_mutex_unlock(&j->lock);
}

/* Take what waits, at most BATCH_MAX, behind what is in the batch already. */
static void
take_requests(struct journal *j, struct request **batch)
{
	struct request **end = batch, *r;
	unsigned n = 0;

	for (; *end != NULL; end = &(*end)->next)
		n++;
	while (n++ < BATCH_MAX && (r = j->first) != NULL) {
		j->first = r->next;
		if (j->first == NULL)
			j->last = &j->first;
		r->next = NULL;
		r->state = REQUEST_RUNNING;
		*end = r;
		end = &r->next;
	}
}

static enum giving_up
whom_to_give_up(enum db_fault fault)
{
	switch (fault) {
	case DB_FAULT_CORRUPT:
	case DB_FAULT_SQL:
		return GIVE_UP_ALL;
	case DB_FAULT_FULL:
	case DB_FAULT_BROKEN:
		return GIVE_UP_ONCE;
	case DB_OK:
	case DB_FAULT_BUSY:
		break;
	}
	return GIVE_UP_LATE;
}

/*
 * What to do after a failure: wait, give up, or open the file anew. Without those
 * that are not to be tried again it may be none: then nobody waits.
 */
static void
after_failure(struct journal *j, struct request **batch, const struct err *err)
{
	enum db_fault fault = j->file.db != NULL ? db_fault(j->file.db)
	    : err->class == ERR_STATE		 ? DB_FAULT_CORRUPT
						 : DB_FAULT_BROKEN;
	enum giving_up which = whom_to_give_up(fault);
	bool at_once =
	    which == GIVE_UP_ONCE && journal_batch_has_once(*batch);

	tell_trouble(j, err);
	fail_batch(j, batch, which, err);
	if (fault == DB_FAULT_BROKEN || fault == DB_FAULT_CORRUPT)
		journal_file_let_go(&j->file);
	if (*batch != NULL && !at_once)
		wait_a_little(j,
		    fault == DB_FAULT_BROKEN || fault == DB_FAULT_CORRUPT
			? REOPEN_US
			: RETRY_US);
}

static void
run_batch(struct journal *j, struct request *batch)
{
	struct err err;

	while (batch != NULL) {
		if (try_batch(j, batch, &err) == 0) {
			tell_recovery(j);
			finish_batch(j, &batch);
			journal_file_checkpoint(&j->file);
			continue;
		}
		after_failure(j, &batch, &err);
		(void)pthread_mutex_lock(&j->lock);
		take_requests(j, &batch);
		(void)pthread_mutex_unlock(&j->lock);
	}
}

static void
log_head(struct journal *j)
{
	char text[CHAIN_TEXT_LEN];

	j->head_due_us = clock_mono_us() + HEAD_INTERVAL_US;
	if (j->head.seq == j->head_logged)
		return;
	log_info(NULL, "journal-head", "seq", LOG_NUM(j->head.seq), "chain",
	    chain_text(j->head.chain, text));
	j->head_logged = j->head.seq;
}

static void
run_scrub(struct journal *j, struct scrub *s)
{
	struct db *db = j->file.db;

	s->rc = db != NULL
	    ? wipe_pages(db, s->page_r, &s->err)
	    : err_set(&s->err, ERR_STATE, "the journal is in trouble");
	if (db != NULL)
		db_fault_clear(db);
	(void)pthread_mutex_lock(&j->lock);
	s->done = true;
	(void)pthread_cond_broadcast(&j->scrubbed);
	(void)pthread_mutex_unlock(&j->lock);
}

int
journal_scrub(struct journal *j, uint32_t *page_r, struct err *err)
{
	struct scrub s = { .page_r = page_r };

	(void)pthread_mutex_lock(&j->lock);
	while (j->scrub != NULL)
		(void)pthread_cond_wait(&j->scrubbed, &j->lock);
	j->scrub = &s;
	(void)pthread_cond_signal(&j->wake);
	while (!s.done)
		(void)pthread_cond_wait(&j->scrubbed, &j->lock);
	(void)pthread_mutex_unlock(&j->lock);
	if (s.rc == -1)
		*err = s.err;
	return s.rc;
}

static void *
journal_thread(void *arg)
{
	struct journal *j = arg;
	struct request *batch = NULL;
	struct scrub *scrub;

	(void)pthread_mutex_lock(&j->lock);
	for (;;) {
		while (j->first == NULL && j->scrub == NULL && !j->stop &&
		    clock_mono_us() < j->head_due_us)
			(void)clock_cond_wait(
			    &j->wake, &j->lock, j->head_due_us);
		if (j->first == NULL && j->scrub == NULL && j->stop)
			break;
		scrub = j->scrub;
		j->scrub = NULL;
		take_requests(j, &batch);
		(void)pthread_mutex_unlock(&j->lock);
		if (scrub != NULL)
			run_scrub(j, scrub);
		if (clock_mono_us() >= j->head_due_us)
			log_head(j);
		run_batch(j, batch);
		batch = NULL;
		(void)pthread_mutex_lock(&j->lock);
	}
	(void)pthread_mutex_unlock(&j->lock);
	return NULL;
}

/* Take a request back that nobody has begun with. */
static bool
withdraw(struct journal *j, struct request *mine)
{
	struct request **p = &j->first;
	bool mine_again;

	(void)pthread_mutex_lock(&j->lock);
	mine_again = mine->state == REQUEST_QUEUED;
	if (mine_again) {
		while (*p != mine)
			p = &(*p)->next;
		*p = mine->next;
		if (*p == NULL)
			j->last = p;
		j->stats.failed++;
	}
	(void)pthread_mutex_unlock(&j->lock);
	return mine_again;
}

static int
run_request(struct journal *j, struct request *r, struct err *err)
{
	(void)pthread_mutex_lock(&j->lock);
	*j->last = r;
	j->last = &r->next;
	(void)pthread_mutex_unlock(&j->lock);
	(void)pthread_cond_signal(&j->wake);
	if (!request_wait(r, r->deadline_us)) {
		if (withdraw(j, r))
			r->rc = err_set(
			    &r->err, ERR_TIMEOUT, "the journal is busy");
		else
			(void)request_wait(r, INT64_MAX);
	}
	return request_end(r, err);
}

int
journal_do(struct journal *j, journal_op *op, void *arg, int64_t deadline_us,
    struct err *err)
{
	struct request r;

	request_init(&r, op, arg, deadline_us);
	return run_request(j, &r, err);
}

int
journal_try(struct journal *j, journal_op *op, void *arg, int64_t deadline_us,
    struct err *err)
{
	struct request r;

	request_init(&r, op, arg, deadline_us);
	r.once = true;
	return run_request(j, &r, err);
}

int
journal_thread_start(struct journal *j, struct err *err)
{
	j->last = &j->first;
	j->head_due_us = clock_mono_us() + HEAD_INTERVAL_US;
	return thread_start_joined(&j->thread, journal_thread, j, err);
}

void
journal_thread_stop(struct journal *j)
{
	(void)pthread_mutex_lock(&j->lock);
	j->stop = true;
	(void)pthread_cond_broadcast(&j->wake);
	(void)pthread_mutex_unlock(&j->lock);
	(void)pthread_join(j->thread, NULL);
}
