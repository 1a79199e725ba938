/*
 * verify_schema: the tables, views, triggers and indexes of a file held against
 * those that this version makes.
 *
 * A view that leaves rows out, or a trigger that is gone, changes no row of the
 * journal and shows in no chain.
 */
#ifndef STORE_VERIFY_SCHEMA_H
#define STORE_VERIFY_SCHEMA_H

#include "core/err.h"
#include "store/db.h"
#include "store/verify_compare.h"

/* Before the first file: note in the scratch database what there has to be. */
int verify_schema_begin(struct db *, struct err *);

/* The file that is attached. */
int verify_schema_part(struct db *, verify_fault *, void *arg, struct err *);

#endif
