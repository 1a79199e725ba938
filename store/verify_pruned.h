/*
 * verify_pruned: what the files say of prunes, the tables `pruned` and the rows
 * of that name, held against each other and against where the files end.
 *
 * Only a prune may have taken rows away, so this belongs to the chain.
 */
#ifndef STORE_VERIFY_PRUNED_H
#define STORE_VERIFY_PRUNED_H

#include <stdbool.h>
#include <stdint.h>

#include "core/err.h"
#include "store/chain.h"
#include "store/db.h"
#include "store/verify_compare.h"

/* Before the first file. */
int verify_pruned_begin(struct db *, struct err *);

/* Once a file is attached; then for each of its rows that is a `pruned` one. */
int verify_pruned_attached(struct db *, struct err *);
int verify_pruned_row(struct db *, int64_t seq, struct err *);

/* After its rows. */
struct verify_file {
	const char *path;
	struct verify_span span;
	int64_t first_seq; /* 0: it has no rows */
	unsigned char last_chain[CHAIN_LEN];
};
int verify_pruned_part(struct db *, const struct verify_file *, verify_fault *,
    void *arg, struct err *);

/*
 * After the last one, with nothing attached. open_r: prunes of which later
 * files have the rows.
 */
int verify_pruned_end(struct db *, const struct verify_span *, int64_t *open_r,
    verify_fault *, void *arg, struct err *);

#endif
