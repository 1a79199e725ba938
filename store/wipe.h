/*
 * wipe: nothing left between the rows of a database.
 *
 * secure_delete overwrites what is deleted; but where SQLite moves rows from
 * page to page, to keep its trees in balance, their bytes stay behind in the
 * space that no row has. VACUUM would leave that behind, with as much room again
 * twice over, and hold the writer for minutes where the journal is large: so
 * that space is overwritten where it lies, a few megabytes at a time.
 */
#ifndef STORE_WIPE_H
#define STORE_WIPE_H

#include <stdint.h>

#include "core/err.h"
#include "store/db.h"

/*
 * Empty the write-ahead log and wipe a few megabytes, synced, from page
 * *page_r on, which goes on to the next one: 1 is the first, and 0 says that the
 * end was reached. db is the only connection that writes, and has no transaction
 * open. ERR_STATE when somebody reads or writes what the log has.
 */
int wipe_pages(struct db *, uint32_t *page_r, struct err *);

#endif
