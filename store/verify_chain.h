/*
 * verify_chain: the rows of the journal's files held against the chain, one
 * file after the other in the chain's order.
 */
#ifndef STORE_VERIFY_CHAIN_H
#define STORE_VERIFY_CHAIN_H

#include <stdbool.h>
#include <stdint.h>

#include "core/buf.h"
#include "core/err.h"
#include "store/chain.h"
#include "store/db.h"
#include "store/verify.h"
#include "store/verify_compare.h"

/* From file to file. The first half is given, the rest zero at first. */
struct verify_walk {
	struct db *db;
	const struct verify_ask *ask;
	struct verify_result *result;
	verify_fault *fault;
	void *arg;
	struct buf scratch; /* for a row's bytes */

	unsigned char previous[CHAIN_LEN]; /* chain of the row before */
	int64_t last_at;
	bool head_met;
};

/* A fault in words, which is counted. */
void verify_tell(struct verify_walk *, int64_t seq, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

/* Once a file is attached. */
int verify_chain_prepare(struct db *, struct err *);

/* Its rows after bound, of which first_seq is the first (0: it has none). */
int verify_chain_rows(struct verify_walk *, int64_t bound, int64_t first_seq,
    struct err *);

/* After the last file: the head, and whether the one noted was met. */
void verify_chain_end(struct verify_walk *);

#endif
