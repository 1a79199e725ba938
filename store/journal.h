/*
 * journal: the append-only record of everything, and its one writer.
 *
 * A journal thread owns the writing connection to SQLite. What any thread wants
 * written is a journal_op, run by that thread inside a transaction; all ops
 * that are ready share one COMMIT (group commit), and journal_do returns when
 * it is durable (WAL, synchronous=FULL). Nobody else writes: a lock on the
 * store (store_lock) sees to that.
 */
#ifndef STORE_JOURNAL_H
#define STORE_JOURNAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/buf.h"
#include "core/err.h"

#define UUID_LEN 16
#define UUID_TEXT_LEN 37

struct uuid {
	unsigned char bytes[UUID_LEN];
};

/* A new UUIDv7 (RFC 9562 section 5.7), increasing within a process. */
struct uuid uuid_new(void);
const char *uuid_text(const struct uuid *, char text[UUID_TEXT_LEN]);
int uuid_parse(const char *, struct uuid *uuid_r);

/* The wall time in a UUIDv7, to the millisecond, and the least UUIDv7 that was
 * made at a time: tables in the order of ids are in the order of time. */
int64_t uuid_time_us(const struct uuid *);
struct uuid uuid_at_us(int64_t wall_us);

struct journal;

/*
 * Open the journal at path for writing: take the store's lock (ERR_STATE when
 * another process holds it, with its pid), refuse a network file system
 * (ERR_CONFIG), create it when create is set and there is none, migrate an
 * older one (a copy is kept as PATH.vN), refuse a newer one, see to it that
 * readers of the group can read at any time (0640, WAL files persist), and
 * start the journal thread. Deliveries found `sending` become `doubtful` and
 * are journalled so. program and version go into the `started` row.
 */
int journal_open(const char *path, bool create, const char *program,
    struct journal **journal_r, struct err *);

/*
 * Append `stopped` and log the head: the last words of a process whose threads
 * may still hold the journal when it exits.
 */
void journal_end(struct journal *);

/* journal_end, then write what is queued, release the lock, and free. */
void journal_close(struct journal *);

const char *journal_path(const struct journal *);

/* Inside a transaction, on the journal's thread. */
struct journal_tx;

/*
 * An op changes the database through tx and appends at least one row, unless it
 * only takes away what `pruned` names. It returns 0, or -1 and err, which undoes
 * what it did and leaves its companions in the transaction alone.
 */
typedef int journal_op(struct journal_tx *, void *arg, struct err *);

/*
 * Run op and wait until it is durable. Failures are tried again until
 * deadline_us (clock_mono_us) where that can help (database locked by somebody,
 * disk full, journal moved away); then -1 and err: ERR_FULL for no space,
 * ERR_STATE for a journal that is locked, moved away or corrupt, ERR_LOCAL for
 * I/O, ERR_TIMEOUT when its turn did not come. An op may run more than once,
 * never twice in what is committed. While a COMMIT is under way its end is
 * awaited beyond the deadline, since nobody could say before whether the op
 * counts.
 */
int journal_do(struct journal *, journal_op *, void *arg, int64_t deadline_us,
    struct err *);

/*
 * The same for what can be asked for again, and may be large enough to be the
 * trouble itself: for want of space or on an I/O error it fails at once, and its
 * companions in the transaction are tried again without it.
 */
int journal_try(struct journal *, journal_op *, void *arg,
    int64_t deadline_us, struct err *);

/*
 * Append one row. message may be NULL (then n is 0). detail is a JSON object in
 * text. seq_r may be NULL.
 */
int journal_append(struct journal_tx *, const char *event,
    const struct uuid *message, unsigned n, const char *detail, int64_t *seq_r,
    struct err *);

/*
 * For the modules of store/ that change other tables in the same transaction
 * (store/db.h).
 */
struct db;
struct db *journal_tx_db(struct journal_tx *);

/* The time that this transaction's rows carry: wall, never going backwards. */
int64_t journal_tx_at(const struct journal_tx *);

/*
 * Append one row by itself: an op for journal_do ready made (started, breaker,
 * config, clock ...).
 */
int journal_note(struct journal *, const char *event, const char *detail,
    int64_t deadline_us, struct err *);

/* wipe_pages (store/wipe.h), between two transactions. */
int journal_scrub(struct journal *, uint32_t *page_r, struct err *);

/*
 * Seq and chain (hex) of the last durable row, for the log. chain holds 65
 * bytes.
 */
void journal_head(struct journal *, int64_t *seq_r, char chain[65]);

/* Commits and rows so far, for metrics and bench. */
struct journal_stats {
	uint64_t commits, rows, failed;
};
void journal_stats(struct journal *, struct journal_stats *);

#endif
