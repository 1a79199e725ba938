/* SPDX-License-Identifier: BSD-2-Clause */
#include "config.h"

#include "store/journal/file.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/log.h"
#include "core/mem.h"

/* For whoever runs an op here. */
static int
prepare_ops(struct db *db, struct err *err)
{
	static const struct db_sql *const modules[] = { &journal_doubt_sql,
		&record_sql, &record_arrival_sql, &record_message_sql,
		&record_text_sql, &digest_sql, &suppression_sql, &event_sql,
		&event_suppress_sql, &event_unmatched_sql, &settle_sql,
		&prune_sql, &prune_begin_sql, &forget_sql };

	for (size_t i = 0; i < sizeof(modules) / sizeof(*modules); i++)
		if (db_prepare(db, modules[i], err) == -1)
			return -1;
	return 0;
}

static int
open_db(struct journal_file *f, struct err *err)
{
	f->db = db_open(f->path, DB_WRITE, err);
	if (f->db == NULL)
		return -1;
	if (db_migrate(f->db, f->path, err) == 0 &&
	    journal_tx_open(&f->tx, f->db, err) == 0 &&
	    prepare_ops(f->db, err) == 0)
		return 0;
	(void)err_context(err, "%s", f->path);
	journal_tx_close(&f->tx);
	db_close(f->db);
	f->db = NULL;
	return -1;
}

void
journal_file_let_go(struct journal_file *f)
{
	if (f->db == NULL)
		return;
	journal_tx_close(&f->tx);
	db_close(f->db);
	f->db = NULL;
}

int
journal_file_reopen(struct journal_file *f, const struct journal_head *durable,
    struct err *err)
{
	journal_file_let_go(f);
	if (open_db(f, err) == -1)
		return -1;
	if (f->tx.head.seq != durable->seq ||
	    memcmp(f->tx.head.chain, durable->chain, CHAIN_LEN) != 0)
		log_error(NULL, "journal-head-changed", "expected",
		    LOG_NUM(durable->seq), "found", LOG_NUM(f->tx.head.seq),
		    "hint", "run postern verify");
	return 0;
}

int
journal_file_check(const struct journal_file *f, struct err *err)
{
	struct place_inode now;

	if (place_inode(f->path, &now, err) == -1)
		return err_context(err, "the journal was moved away");
	if (!place_same(&now, &f->inode))
		return err_set(err, ERR_STATE,
		    "another file lies at %s: put the journal back or restart",
		    f->path);
	return 0;
}

int
journal_file_open(struct journal_file *f, const char *path, bool create,
    struct err *err)
{
	f->path = mem_strdup(path);
	f->lock_fd = -1;
	if (place_check_fs(path, err) == -1)
		return -1;
	if (!create && place_inode(path, &f->inode, err) == -1)
		return err_context(err, "no journal");
	if (store_lock(path, &f->lock_fd, err) == -1)
		return -1;
	if (create && place_create(path, err) == -1)
		return -1;
	if (place_inode(path, &f->inode, err) == -1 || open_db(f, err) == -1)
		return -1;
	f->checkpoint = checkpoint_start(path, err);
	return f->checkpoint != NULL ? 0 : -1;
}

void
journal_file_close(struct journal_file *f)
{
	checkpoint_stop(f->checkpoint);
	journal_file_let_go(f);
	if (f->lock_fd != -1)
		(void)close(f->lock_fd);
	free(f->path);
}

void
journal_file_checkpoint(struct journal_file *f)
{
	if (checkpoint_due(f->checkpoint, db_wal_pages(f->db)))
		(void)sqlite3_wal_checkpoint_v2(db_handle(f->db), NULL,
		    SQLITE_CHECKPOINT_PASSIVE, NULL, NULL);
}
