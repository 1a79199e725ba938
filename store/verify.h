/*
 * verify: whether the journal is what was written.
 *
 * Reads only, needs no daemon, and goes on after a fault, so that one run names
 * them all.
 */
#ifndef STORE_VERIFY_H
#define STORE_VERIFY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/err.h"
#include "store/chain.h"

struct verify_ask {
	int64_t head_seq; /* a head noted earlier; 0: none */
	unsigned char head_chain[CHAIN_LEN];
	bool projections; /* also build the other tables anew and compare */
	bool from_start;  /* a chain that does not begin at row 1 is wrong */
	/* The first path is the journal, no archive whatever it says of itself;
	 * and any others are none but archives. */
	bool live;
};

/* What can't be decided without files that come before or after. */
struct verify_open {
	int64_t messages; /* which lie elsewhere, or were introduced there */
	int64_t others;	  /* erased, lifted or pruned by what stands there */
};

struct verify_result {
	int64_t rows;
	int64_t first_seq, last_seq; /* 0 in an empty journal */
	unsigned char head[CHAIN_LEN];
	bool archive; /* what was named last is one: the chain goes on */
	struct verify_open open;
	uint64_t faults;
};

/* SEQ:HASH, as `journal-head` lines of the log have it. */
int verify_parse_head(const char *text, struct verify_ask *, struct err *);

/*
 * The journal and its archives, some or all, in any order: one chain that runs
 * through them. fault is told in words of each thing that is wrong, with the
 * seq it is about (0: none). 0 when all was looked at, with or without faults;
 * -1 and err when it could not be.
 */
int verify_journal(const char *const *paths, size_t n,
    const struct verify_ask *,
    void (*fault)(void *arg, int64_t seq, const char *words), void *arg,
    struct verify_result *, struct err *);

#endif
