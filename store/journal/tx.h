/*
 * journal/tx: one transaction of the journal's thread, and the head of the
 * chain.
 *
 * Nothing here knows of threads or deadlines. The head moves with every row,
 * falls back with a savepoint or the transaction, and counts as written after
 * journal_tx_commit only.
 */
#ifndef STORE_JOURNAL_TX_H
#define STORE_JOURNAL_TX_H

#include <stdint.h>

#include "core/buf.h"
#include "store/chain.h"
#include "store/db.h"
#include "store/journal.h"
#include "store/journal/attime.h"

struct journal_head {
	int64_t seq;
	unsigned char chain[CHAIN_LEN];
};

struct journal_tx {
	struct db *db;
	struct journal_head head;
	struct journal_head durable; /* where a rollback leads to */
	struct attime time;
	int64_t boot;
	int64_t at, mono; /* of this transaction's rows */
	int64_t step;	  /* of the wall clock, not journalled yet */
	int64_t data_version;
	unsigned rows;	  /* in this transaction */
	struct buf scratch;
};

/* On a migrated connection, which stays the caller's. Reads the head. */
int journal_tx_open(struct journal_tx *, struct db *, struct err *);
void journal_tx_close(struct journal_tx *);

/*
 * Take the write lock and the time. Everything that is to carry this
 * transaction's time must have happened before.
 */
int journal_tx_begin(struct journal_tx *, struct err *);
int journal_tx_commit(struct journal_tx *, struct err *);
void journal_tx_rollback(struct journal_tx *);

/* Run an op in a savepoint: -1 and err undo what it did, and nothing else. */
int journal_tx_run(struct journal_tx *, journal_op *, void *arg, struct err *);

#endif
