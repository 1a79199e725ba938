/* SPDX-License-Identifier: BSD-2-Clause */
#include "config.h"

#include "store/journal.h"

#include <stdlib.h>
#include <unistd.h>

#include "core/clock.h"
#include "core/json.h"
#include "core/log.h"
#include "core/mem.h"
#include "store/journal/doubt.h"
#include "store/journal/parts.h"

/* How long `started` and `stopped` may wait for a lock or a full disk. */
#define OWN_ROWS_US (5 * US_PER_SEC)

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

	if (journal_append(
		tx, "started", NULL, 0, start->detail, NULL, err) == -1)
		return -1;
	return journal_doubt(tx, &start->doubtful, err);
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

static void
journal_free(struct journal *j)
{
	journal_file_close(&j->file);
	(void)pthread_cond_destroy(&j->scrubbed);
	(void)pthread_cond_destroy(&j->wake);
	(void)pthread_mutex_destroy(&j->lock);
	free(j);
}

int
journal_open(const char *path, bool create, const char *program,
    struct journal **journal_r, struct err *err)
{
	struct journal *j = mem_new(sizeof(*j));

	(void)pthread_mutex_init(&j->lock, NULL);
	clock_cond_init(&j->wake);
	clock_cond_init(&j->scrubbed);
	if (journal_file_open(&j->file, path, create, err) == -1) {
		journal_free(j);
		return -1;
	}
	j->head = j->file.tx.durable;
	if (journal_thread_start(j, err) == -1) {
		journal_free(j);
		return -1;
	}
	if (note_start(j, program, err) == -1) {
		journal_thread_stop(j);
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
	checkpoint_end(j->file.checkpoint);
}

void
journal_close(struct journal *j)
{
	if (j == NULL)
		return;
	journal_end(j);
	journal_thread_stop(j);
	journal_free(j);
}

const char *
journal_path(const struct journal *j)
{
	return j->file.path;
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
