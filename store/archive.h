/*
 * archive: the journal's oldest rows in a database of their own.
 *
 * An archive has the journal's schema and reads and verifies as it does. Its
 * chain begins where the archive before it ends and goes on in the journal, or
 * in the next one. A message lies where its last row lies, with its parties
 * and deliveries: of one that has rows in several files, the earlier ones have
 * only those.
 */
#ifndef STORE_ARCHIVE_H
#define STORE_ARCHIVE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/err.h"
#include "store/chain.h"
#include "store/journal.h"

/* A whole path: SQLite's are shorter than 512, with what it adds to ours. */
#define ARCHIVE_PATH_MAX 480

struct archive {
	int64_t first_seq, last_seq;
	unsigned char last_chain[CHAIN_LEN];
	int64_t messages;
	/* The journal's last row when it was decided which messages go. */
	int64_t as_of;
};

/*
 * Copy what the journal at path has up to last_seq into file (mode 0640),
 * which is whole, verified and on disk when it appears there: ERR_STATE when
 * there is a file of that name by then. The caller has store_lock_keeping, since
 * file.part is whoever's who builds. Mail flows meanwhile. last_seq is the last row of its
 * transaction, as prune_plan finds it. What remains of rows that an archive had
 * which was lost verifies without what is lost: what stood before its first row,
 * and who was in messages.
 */
int archive_build(const char *path, const char *file, int64_t last_seq,
    bool remains, struct archive *archive_r, struct err *);

/* That an archive from before verifies still, and is on disk: rows are going to
 * be taken away for it. ERR_STATE when it does not. */
int archive_check(const char *file, bool remains, struct err *);

/* What a file is an archive of; ERR_STATE when it is none. */
int archive_read(const char *file, struct archive *archive_r, struct err *);

/*
 * Call fn with the id of each message that went into it, in their order. Not 0
 * from fn stops, and comes back.
 */
int archive_messages(const char *file,
    int (*fn)(void *arg, const struct uuid *, struct err *), void *arg,
    struct err *);

/*
 * The same, without how many messages it has, for who looks often: ERR_STATE also
 * when one of these is not among them.
 */
int archive_has(const char *file, const struct uuid *ids, size_t n,
    struct archive *archive_r, struct err *);

/*
 * The same, with the chains of its rows from first on, n at most, into chains_r,
 * and how many there are without one missing.
 */
int archive_chains(const char *file, int64_t first, size_t n,
    unsigned char (*chains_r)[CHAIN_LEN], size_t *n_r,
    struct archive *archive_r, struct err *);

/*
 * The first id that a message can have which arrived a day after wall_us or
 * later: a day is more than clocks disagree about one arrival.
 */
struct uuid archive_id_bound(int64_t wall_us);

#endif
