/* SPDX-License-Identifier: BSD-2-Clause */
#include "config.h"

#include "store/journal.h"

#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/clock.h"
#include "core/json.h"
#include "core/log.h"
#include "core/mem.h"
#include "store/checkpoint.h"
#include "store/journal_tx.h"
#include "store/place.h"
#include "store/wipe.h"

/*
 * The journal's thread takes all requests that wait, runs them in one
 * transaction, and wakes their owners after the COMMIT.
 *
 * - A request lies on its owner's stack. It is QUEUED, and its owner may take it
 *   back, or RUNNING, and its owner waits however long the disk takes: the
 *   outcome of a COMMIT under way is not known before it returns.
 * - A transaction reads the clocks after it has taken its requests, so that
 *   no row is older than what it tells.
 * - Outcomes are told under a lock of each request's own: owners that wake up
 *   together don't queue for the journal's.
 * - Nobody is told of success before the COMMIT, nor when the file that was committed to is not
 *   the one at the path any more.
 */

enum request_state { QUEUED, RUNNING };

struct request {
	struct request *next;
	journal_op *op;
	void *arg;
	int64_t deadline_us;
	enum request_state state;
	bool ran; /* in the transaction that is open */

	/* Under its own lock, once it is RUNNING. */
	pthread_mutex_t lock;
	pthread_cond_t changed;
	bool done;
	int rc;
	struct err err;
};

/* What journal_scrub asks for, on its owner's stack; under the journal's lock. */
struct scrub {
	uint32_t *page_r;
	bool done;
	int rc;
	struct err err;
};

struct journal {
	char *path;
	int lock_fd;
	struct place_inode inode;
	pthread_t thread;

	/* Of the journal's thread. */
	struct db *db;
	struct journal_tx tx;
	struct checkpoint *checkpoint;
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

/* A cut tail can't be seen without a head from the log. */
#define HEAD_INTERVAL_US (300 * US_PER_SEC)

/* What keeps a transaction from growing too long for those in it. */
#define BATCH_MAX 512

#define RETRY_US (50 * US_PER_MS)
#define REOPEN_US (1 * US_PER_SEC)

/* How long `started` and `stopped` may wait for a lock or a full disk. */
#define OWN_ROWS_US (5 * US_PER_SEC)

/* For whoever runs an op here. */
static int
prepare_ops(struct db *db, struct err *err)
{
	static const struct db_sql *const modules[] = { &record_sql,
		&record_arrival_sql, &record_message_sql, &record_text_sql,
		&digest_sql, &suppression_sql, &event_sql, &settle_sql,
		&prune_sql, &forget_sql };

	for (size_t i = 0; i < sizeof(modules) / sizeof(*modules); i++)
		if (db_prepare(db, modules[i], err) == -1)
			return -1;
	return 0;
}

static int
open_db(struct journal *j, struct err *err)
{
	j->db = db_open(j->path, DB_WRITE, err);
	if (j->db == NULL)
		return -1;
	if (db_migrate(j->db, j->path, err) == 0 &&
	    journal_tx_open(&j->tx, j->db, err) == 0 &&
	    prepare_ops(j->db, err) == 0)
		return 0;
	(void)err_context(err, "%s", j->path);
	journal_tx_close(&j->tx);
	db_close(j->db);
	j->db = NULL;
	return -1;
}

static void
close_db(struct journal *j)
{
	if (j->db == NULL)
		return;
	journal_tx_close(&j->tx);
	db_close(j->db);
	j->db = NULL;
}

/* After an I/O error, or on a file system that was read-only for a time. */
static int
reopen_db(struct journal *j, struct err *err)
{
	struct journal_head durable = j->head;

	close_db(j);
	if (open_db(j, err) == -1)
		return -1;
	if (j->tx.head.seq != durable.seq ||
	    memcmp(j->tx.head.chain, durable.chain, CHAIN_LEN) != 0)
		log_error(NULL, "journal-head-changed", "expected",
		    LOG_NUM(durable.seq), "found", LOG_NUM(j->tx.head.seq),
		    "hint", "run postern verify");
	return 0;
}

static int
check_inode(struct journal *j, struct err *err)
{
	struct place_inode now;

	if (place_inode(j->path, &now, err) == -1)
		return err_context(err, "the journal was moved away");
	if (!place_same(&now, &j->inode))
		return err_set(err, ERR_STATE,
		    "another file lies at %s: put the journal back or restart",
		    j->path);
	return 0;
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

/* Requests that ran are durable, or failed by themselves; the rest stays. */
static void
finish_batch(struct journal *j, struct request **batch)
{
	struct request **p = batch, *r;

	(void)pthread_mutex_lock(&j->lock);
	j->head = j->tx.durable;
	j->stats.commits++;
	j->stats.rows += j->tx.rows;
	(void)pthread_mutex_unlock(&j->lock);
	while ((r = *p) != NULL) {
		if (!r->ran) {
			p = &r->next;
			continue;
		}
		*p = r->next;
		request_finish(r, r->rc, NULL);
	}
}

/* Give up on requests: all of them, or those whose deadline has passed. */
static void
fail_batch(struct journal *j, struct request **batch, bool all,
    const struct err *err)
{
	struct request **p = batch, *r;
	int64_t now = clock_mono_us();
	unsigned failed = 0;

	while ((r = *p) != NULL) {
		if (!all && now < r->deadline_us) {
			p = &r->next;
			continue;
		}
		*p = r->next;
		failed++;
		request_finish(r, -1, err);
	}
	(void)pthread_mutex_lock(&j->lock);
	j->stats.failed += failed;
	(void)pthread_mutex_unlock(&j->lock);
}

enum batch_result { BATCH_RAN, BATCH_ONE_FAILED, BATCH_FAILED };

/*
 * BATCH_FAILED when the database itself is in trouble. An op that fails by itself has to leave no
 * trace, for which a savepoint around each is needed, but hardly ever: so the first time there are none, and the one that fails ends
 * the batch.
 */
static enum batch_result
run_requests(struct journal *j, struct request *batch, bool savepoints,
    struct err *err)
{
	for (struct request *r = batch; r != NULL; r = r->next) {
		db_fault_clear(j->db);
		r->rc = savepoints
		    ? journal_tx_run(&j->tx, r->op, r->arg, &r->err)
		    : r->op(&j->tx, r->arg, &r->err);
		if (r->rc == -1 && db_fault(j->db) != DB_OK &&
		    db_fault(j->db) != DB_FAULT_SQL) {
			*err = r->err;
			return BATCH_FAILED;
		}
		if (r->rc == -1 && !savepoints)
			return BATCH_ONE_FAILED;
		r->ran = true;
	}
	db_fault_clear(j->db);
	return BATCH_RAN;
}

static enum batch_result
try_batch_once(struct journal *j, struct request *batch, bool savepoints,
    struct err *err)
{
	enum batch_result result;

	for (struct request *r = batch; r != NULL; r = r->next)
		r->ran = false;
	db_fault_clear(j->db);
	if (journal_tx_begin(&j->tx, err) == -1)
		return BATCH_FAILED;
	result = run_requests(j, batch, savepoints, err);
	if (result == BATCH_RAN && check_inode(j, err) == -1)
		result = BATCH_FAILED;
	if (result != BATCH_RAN)
		journal_tx_rollback(&j->tx);
	else if (journal_tx_commit(&j->tx, err) == -1)
		result = BATCH_FAILED;
	return result;
}

static int
try_batch(struct journal *j, struct request **batch, struct err *err)
{
	enum batch_result result;

	if (j->db == NULL && reopen_db(j, err) == -1)
		return -1;
	result = try_batch_once(j, *batch, false, err);
	if (result == BATCH_ONE_FAILED)
		result = try_batch_once(j, *batch, true, err);
	return result == BATCH_RAN ? 0 : -1;
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
		r->state = RUNNING;
		*end = r;
		end = &r->next;
	}
}

static void
help_checkpoint(struct journal *j)
{
	int pages = 0;

	if (j->checkpoint == NULL || j->db == NULL)
		return;
	pages = db_wal_pages(j->db);
	if (checkpoint_due(j->checkpoint, pages))
		(void)sqlite3_wal_checkpoint_v2(db_handle(j->db), NULL,
		    SQLITE_CHECKPOINT_PASSIVE, NULL, NULL);
}

/* What to do after a failure: wait, give up, or open the file anew. */
static void
after_failure(struct journal *j, struct request **batch, const struct err *err)
{
	enum db_fault fault = j->db != NULL ? db_fault(j->db)
	    : err->class == ERR_STATE	    ? DB_FAULT_CORRUPT
					    : DB_FAULT_BROKEN;

	tell_trouble(j, err);
	fail_batch(j, batch, fault == DB_FAULT_CORRUPT || fault == DB_FAULT_SQL,
	    err);
	if (fault == DB_FAULT_BROKEN || fault == DB_FAULT_CORRUPT) {
		close_db(j);
		wait_a_little(j, *batch != NULL ? REOPEN_US : 0);
	} else if (*batch != NULL) {
		wait_a_little(j, RETRY_US);
	}
}

static void
run_batch(struct journal *j, struct request *batch)
{
	struct err err;

	while (batch != NULL) {
		if (try_batch(j, &batch, &err) == 0) {
			tell_recovery(j);
			finish_batch(j, &batch);
			help_checkpoint(j);
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
	s->rc = j->db != NULL
	    ? wipe_pages(j->db, s->page_r, &s->err)
	    : err_set(&s->err, ERR_STATE, "the journal is in trouble");
	if (j->db != NULL)
		db_fault_clear(j->db);
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
	mine_again = mine->state == QUEUED;
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

/* Until it is done, or not begun with by the deadline. */
static bool
wait_done(struct request *r, int64_t deadline_us)
{
	bool done;

	(void)pthread_mutex_lock(&r->lock);
	while (!r->done)
		if (clock_cond_wait(&r->changed, &r->lock, deadline_us) == -1)
			break;
	done = r->done;
	(void)pthread_mutex_unlock(&r->lock);
	return done;
}

int
journal_do(struct journal *j, journal_op *op, void *arg, int64_t deadline_us,
    struct err *err)
{
	struct request r = { .op = op, .arg = arg, .deadline_us = deadline_us };

	(void)pthread_mutex_init(&r.lock, NULL);
	clock_cond_init(&r.changed);
	(void)pthread_mutex_lock(&j->lock);
	*j->last = &r;
	j->last = &r.next;
	(void)pthread_mutex_unlock(&j->lock);
	(void)pthread_cond_signal(&j->wake);
	if (!wait_done(&r, deadline_us)) {
		if (withdraw(j, &r))
			r.rc = err_set(
			    &r.err, ERR_TIMEOUT, "the journal is busy");
		else
			(void)wait_done(&r, INT64_MAX);
	}
	(void)pthread_cond_destroy(&r.changed);
	(void)pthread_mutex_destroy(&r.lock);
	if (r.rc == -1)
		*err = r.err;
	return r.rc;
}

struct note {
	const char *event, *detail;
};

static int
note_op(struct journal_tx *tx, void *arg, struct err *err)
{
	const struct note *note = arg;

	return journal_append(
	    tx, note->event, NULL, 0, note->detail, NULL, err);
}

int
journal_note(struct journal *j, const char *event, const char *detail,
    int64_t deadline_us, struct err *err)
{
	struct note note = { event, detail };

	return journal_do(j, note_op, &note, deadline_us, err);
}

/* `started` first, so that what was found stands after it. */
struct start {
	const char *detail;
	unsigned doubtful;
};

static int
start_op(struct journal_tx *tx, void *arg, struct err *err)
{
	struct start *start = arg;

	start->doubtful = 0;
	if (journal_append(
		tx, "started", NULL, 0, start->detail, NULL, err) == -1)
		return -1;
	return journal_tx_doubt(tx, &start->doubtful, err);
}

static int
note_start(struct journal *j, const char *program, struct err *err)
{
	struct start start = { 0 };
	struct buf detail;
	int rc;

	buf_init(&detail, 1024);
	json_open(&detail, '{');
	json_add_string(&detail, "program", program);
	json_add_string(&detail, "version", PACKAGE_VERSION);
	json_add_int(&detail, "pid", getpid());
	json_close(&detail, '}');
	start.detail = detail.data;
	rc = journal_do(
	    j, start_op, &start, clock_mono_us() + OWN_ROWS_US, err);
	buf_free(&detail);
	if (rc == 0 && start.doubtful > 0)
		log_warning(NULL, "doubtful-found", "deliveries",
		    LOG_NUM(start.doubtful));
	return rc;
}

static int
start_thread(struct journal *j, struct err *err)
{
	sigset_t all, old;
	int rc;

	(void)sigfillset(&all);
	(void)pthread_sigmask(SIG_SETMASK, &all, &old);
	rc = pthread_create(&j->thread, NULL, journal_thread, j);
	(void)pthread_sigmask(SIG_SETMASK, &old, NULL);
	if (rc != 0)
		return err_sys(err, ERR_LOCAL, rc, "start a thread");
	return 0;
}

static void
journal_free(struct journal *j)
{
	checkpoint_stop(j->checkpoint);
	close_db(j);
	if (j->lock_fd != -1)
		(void)close(j->lock_fd);
	(void)pthread_cond_destroy(&j->scrubbed);
	(void)pthread_cond_destroy(&j->wake);
	(void)pthread_mutex_destroy(&j->lock);
	free(j->path);
	free(j);
}

static void
stop_thread(struct journal *j)
{
	(void)pthread_mutex_lock(&j->lock);
	j->stop = true;
	(void)pthread_cond_broadcast(&j->wake);
	(void)pthread_mutex_unlock(&j->lock);
	(void)pthread_join(j->thread, NULL);
}

static int
open_store(struct journal *j, bool create, struct err *err)
{
	struct place_inode inode;

	if (place_check_fs(j->path, err) == -1)
		return -1;
	if (!create && place_inode(j->path, &inode, err) == -1)
		return err_context(err, "no journal");
	if (store_lock(j->path, &j->lock_fd, err) == -1)
		return -1;
	if (create && place_create(j->path, err) == -1)
		return -1;
	if (place_inode(j->path, &j->inode, err) == -1 ||
	    open_db(j, err) == -1)
		return -1;
	j->head = j->tx.durable;
	j->checkpoint = checkpoint_start(j->path, err);
	return j->checkpoint != NULL ? 0 : -1;
}

int
journal_open(const char *path, bool create, const char *program,
    struct journal **journal_r, struct err *err)
{
	struct journal *j = mem_new(sizeof(*j));

	j->path = mem_strdup(path);
	j->lock_fd = -1;
	j->last = &j->first;
	j->head_due_us = clock_mono_us() + HEAD_INTERVAL_US;
	(void)pthread_mutex_init(&j->lock, NULL);
	clock_cond_init(&j->wake);
	clock_cond_init(&j->scrubbed);
	if (open_store(j, create, err) == -1 || start_thread(j, err) == -1) {
		journal_free(j);
		return -1;
	}
	if (note_start(j, program, err) == -1) {
		stop_thread(j);
		journal_free(j);
		return -1;
	}
	*journal_r = j;
	return 0;
}

void
journal_end(struct journal *j)
{
	char chain[CHAIN_TEXT_LEN];
	struct err err;
	int64_t seq;

	if (journal_note(j, "stopped", "{}", clock_mono_us() + OWN_ROWS_US,
		&err) == -1)
		log_error(NULL, "journal-close", "reason", err.text);
	/* The thread's own note of what it has logged is not for others. */
	journal_head(j, &seq, chain);
	log_info(NULL, "journal-head", "seq", LOG_NUM(seq), "chain", chain);
	checkpoint_end(j->checkpoint);
}

void
journal_close(struct journal *j)
{
	if (j == NULL)
		return;
	journal_end(j);
	stop_thread(j);
	journal_free(j);
}

const char *
journal_path(const struct journal *j)
{
	return j->path;
}

void
journal_head(struct journal *j, int64_t *seq_r, char chain[65])
{
	(void)pthread_mutex_lock(&j->lock);
	*seq_r = j->head.seq;
	(void)chain_text(j->head.chain, chain);
	(void)pthread_mutex_unlock(&j->lock);
}

void
journal_stats(struct journal *j, struct journal_stats *stats_r)
{
	(void)pthread_mutex_lock(&j->lock);
	*stats_r = j->stats;
	(void)pthread_mutex_unlock(&j->lock);
}
