/*
 * suppressions: the addresses that are not written to any more, in memory.
 *
 * Looked up at every RCPT, so whoever serves mail loads the list once and keeps
 * it up with what store/suppression.h changes in the journal. Safe to call from
 * any thread.
 */
#ifndef STORE_SUPPRESSIONS_H
#define STORE_SUPPRESSIONS_H

#include <stdbool.h>
#include <stdint.h>

#include "core/address.h"
#include "core/err.h"

struct suppressions;

/* Load the list from the journal's database: what is in force now. */
int suppressions_open(
    const char *journal_path, struct suppressions **, struct err *);
void suppressions_close(struct suppressions *); /* NULL is fine */

/*
 * Whether an address (compared without case) is on the list now; reason tells
 * why if it is.
 */
#define SUPPRESSION_REASON_LEN 200
bool suppressions_find(struct suppressions *, const struct address *,
    char reason[SUPPRESSION_REASON_LEN]);

/* An address as the list has it: in lower case. */
#define SUPPRESSION_KEY_LEN sizeof(((struct address *)0)->text)
void suppressions_key(const char *address, char key[SUPPRESSION_KEY_LEN]);

/*
 * After the commit of a change: list an address until a time (microseconds,
 * wall; 0: for ever), or take it off the list. seq is the row's that says so: of
 * two changes the later one stands, whoever is told first.
 */
void suppressions_add(struct suppressions *, const char *key,
    const char *reason, int64_t until_us, int64_t seq);
void suppressions_remove(struct suppressions *, const char *key, int64_t seq);

/*
 * An address that was erased is not to be kept under a hidden name: forget it,
 * unless a row after seq, the last one erased, has listed it again.
 */
void suppressions_drop(
    struct suppressions *, const char *address, int64_t seq);

#endif
