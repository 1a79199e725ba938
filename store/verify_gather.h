/*
 * verify_gather: what the journal's rows say that its other tables have, and
 * what one file alone can't decide, gathered for verify_tables.
 *
 * The scratch database has tables of its own, which SQLite finds before those
 * of the file that is attached as `other`:
 *
 *	delivery	built again from the journal, by the statements that
 *			built the real one
 *	introduced	messages, as their `received` rows have them
 *	committed	the commitments to parties
 *	seen		messages that rows are about, with the last of these
 *	placed		messages that some file has, with the end of the last
 *			that does
 *	unknown		messages that some file has, of which no row tells
 *	suppressed	suppressions, as the journal has them
 *	lifted		those that were, and when
 *	ended		until when an archive has one that no row up to its end
 *			has ended then
 *	erasure		what rows `erased` name; role `suppression`, with the
 *			seq as n, for one of those, and what was committed to
 *			if it stays in force under a hidden name
 *	claimed		what an archive says was erased later than its end, and
 *			the commitment to what a suppression is hidden under
 *	reported	events that belong to a delivery; again: the seq that
 *			they had as one that did not
 *	lone		those that do not, and did not later either
 *	start		when the first row of all was written, -1 for row 1, and
 *			its seq
 *	told		the rows of the file; of one that is damaged, that it is
 *			there
 *
 * A message lies with its last row, so what a file has is compared as things
 * stood at its end. A message that was introduced before the first row looked
 * at can't be: it is left alone. Where the last file is an archive, a message
 * that it does not have may have a row in a later one, and lie there: such are
 * counted.
 */
#ifndef STORE_VERIFY_GATHER_H
#define STORE_VERIFY_GATHER_H

#include "core/err.h"
#include "store/db.h"
#include "store/verify_compare.h"

/* Of a message: what it is was told by a row. */
#define VERIFY_KNOWN "IN (SELECT message FROM introduced)"

/* Of a suppression: its end may also be that of another one of the address. */
#define VERIFY_SOMETHING_ELSE_ENDED(until) \
	"coalesce(" until " NOT IN (SELECT at FROM suppressed), true)"

/*
 * Before the first file. The connection has the SQL functions commitment(salt,
 * value) and event_key(type, ses_id, feedback_id, time).
 */
int verify_gather_begin(struct db *, struct err *);

/* What the rows of the file that is attached add to what is known. */
int verify_gather_part(
    struct db *, const struct verify_span *, struct err *);

#endif
