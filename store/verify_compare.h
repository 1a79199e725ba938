/*
 * verify_compare: statements that look for what is wrong in one of the
 * journal's files, or in what is known of all of them.
 */
#ifndef STORE_VERIFY_COMPARE_H
#define STORE_VERIFY_COMPARE_H

#include <stdbool.h>
#include <stdint.h>

#include "core/err.h"
#include "store/db.h"

/* In words, with the seq it is about (0: none). */
typedef void verify_fault(void *arg, int64_t seq, const char *words);

/* Which rows are a file's own: those after bound, to last_seq. */
struct verify_span {
	int64_t bound, last_seq;
	bool archive;
};

/*
 * A statement with as many of these bound as it has: ?1 bound, ?2 last_seq, ?3
 * archive; without a span nothing.
 */
sqlite3_stmt *verify_stmt(struct db *, const struct db_sql *, size_t which,
    const struct verify_span *);

/*
 * Prepare and run statements of which each row is a fault: its seq, and words.
 */
int verify_compare(struct db *, const struct db_sql *,
    const struct verify_span *, verify_fault *, void *arg, struct err *);

#endif
