/*
 * verify_tables: the other tables held against the journal.
 */
#ifndef STORE_VERIFY_TABLES_H
#define STORE_VERIFY_TABLES_H

#include <stdint.h>

#include "core/err.h"
#include "store/db.h"

/*
 * On a connection of its own, inside a read transaction. fault as in
 * verify_journal.
 */
int verify_tables(struct db *,
    void (*fault)(void *arg, int64_t seq, const char *words), void *arg,
    struct err *);

#endif
