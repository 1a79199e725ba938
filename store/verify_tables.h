/*
 * verify_tables: the other tables held against the journal.
 *
 * Goes through the journal's files in the chain's order, one after the other
 * attached to a scratch connection (db_attach), and keeps there what is known
 * so far.
 */
#ifndef STORE_VERIFY_TABLES_H
#define STORE_VERIFY_TABLES_H

#include "core/err.h"
#include "store/db.h"
#include "store/verify.h"
#include "store/verify_compare.h"

/* Before the first file. */
int verify_tables_begin(struct db *, struct err *);

/* The file that is attached, inside a transaction. */
int verify_tables_part(struct db *, const struct verify_span *, verify_fault *,
    void *arg, struct err *);

/*
 * After the last one, whose span this is, with nothing attached: what is
 * nowhere, and how much files decide about that were not there.
 */
int verify_tables_end(struct db *, const struct verify_span *,
    struct verify_open *, verify_fault *, void *arg, struct err *);

#endif
