/* SPDX-License-Identifier: BSD-2-Clause */
#include "config.h"

#include "store/journal/batch.h"

#include <string.h>

#include "core/clock.h"

/*
 * Nobody is told of success before the COMMIT, nor when the file that was
 * committed to is not the one at the path any more.
 */

void
request_init(
    struct request *r, journal_op *op, void *arg, int64_t deadline_us)
{
	memset(r, 0, sizeof(*r));
	r->op = op;
	r->arg = arg;
	r->deadline_us = deadline_us;
	(void)pthread_mutex_init(&r->lock, NULL);
	clock_cond_init(&r->changed);
}

bool
request_wait(struct request *r, int64_t until_us)
{
	bool done;

	(void)pthread_mutex_lock(&r->lock);
	while (!r->done)
		if (clock_cond_wait(&r->changed, &r->lock, until_us) == -1)
			break;
	done = r->done;
	(void)pthread_mutex_unlock(&r->lock);
	return done;
}

int
request_end(struct request *r, struct err *err)
{
	(void)pthread_cond_destroy(&r->changed);
	(void)pthread_mutex_destroy(&r->lock);
	if (r->rc == -1)
		*err = r->err;
	return r->rc;
}

/* After this, the request may be gone. */
static void
request_finish(struct request *r, int rc, const struct err *err)
{
	(void)pthread_mutex_lock(&r->lock);
	r->rc = rc;
	if (rc == -1 && err != NULL)
		r->err = *err;
	r->done = true;
	(void)pthread_cond_signal(&r->changed);
	(void)pthread_mutex_unlock(&r->lock);
}

void
journal_batch_finish(struct request **batch)
{
	struct request *r;

	while ((r = *batch) != NULL) {
		*batch = r->next;
		request_finish(r, r->rc, NULL);
	}
}

static bool
is_given_up(const struct request *r, enum giving_up which, int64_t now)
{
	return which == GIVE_UP_ALL || (which == GIVE_UP_ONCE && r->once) ||
	    now >= r->deadline_us;
}

bool
journal_batch_has_once(const struct request *batch)
{
	for (const struct request *r = batch; r != NULL; r = r->next)
		if (r->once)
			return true;
	return false;
}

unsigned
journal_batch_fail(
    struct request **batch, enum giving_up which, const struct err *err)
{
	struct request **p = batch, *r;
	int64_t now = clock_mono_us();
	unsigned failed = 0;

	while ((r = *p) != NULL) {
		if (!is_given_up(r, which, now)) {
			p = &r->next;
			continue;
		}
		*p = r->next;
		failed++;
		request_finish(r, -1, err);
	}
	return failed;
}

enum batch_result { BATCH_RAN, BATCH_ONE_FAILED, BATCH_FAILED };

/*
 * BATCH_FAILED when the database itself is in trouble. An op that fails by
 * itself has to leave no trace, for which a savepoint around each is needed,
 * but hardly ever: so the first time there are none, and the one that fails
 * ends the batch.
 */
static enum batch_result
run_requests(struct journal_file *f, struct request *batch, bool savepoints,
    struct err *err)
{
	for (struct request *r = batch; r != NULL; r = r->next) {
		db_fault_clear(f->db);
		r->rc = savepoints
		    ? journal_tx_run(&f->tx, r->op, r->arg, &r->err)
		    : r->op(&f->tx, r->arg, &r->err);
		if (r->rc == -1 && db_fault(f->db) != DB_OK &&
		    db_fault(f->db) != DB_FAULT_SQL) {
			*err = r->err;
			return BATCH_FAILED;
		}
		if (r->rc == -1 && !savepoints)
			return BATCH_ONE_FAILED;
	}
	db_fault_clear(f->db);
	return BATCH_RAN;
}

static enum batch_result
try_once(struct journal_file *f, struct request *batch, bool savepoints,
    struct err *err)
{
	enum batch_result result;

	db_fault_clear(f->db);
	if (journal_tx_begin(&f->tx, err) == -1)
		return BATCH_FAILED;
	result = run_requests(f, batch, savepoints, err);
	if (result == BATCH_RAN && journal_file_check(f, err) == -1)
		result = BATCH_FAILED;
	if (result != BATCH_RAN)
		journal_tx_rollback(&f->tx);
	else if (journal_tx_commit(&f->tx, err) == -1)
		result = BATCH_FAILED;
	return result;
}

int
journal_batch_run(
    struct journal_file *f, struct request *batch, struct err *err)
{
	enum batch_result result = try_once(f, batch, false, err);

	if (result == BATCH_ONE_FAILED)
		result = try_once(f, batch, true, err);
	return result == BATCH_RAN ? 0 : -1;
}
