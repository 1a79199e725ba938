/*
 * suppression: addresses that are not written to any more, in the journal.
 *
 * Whoever changes the list says who and why, which is journalled. Those who
 * serve mail look it up in memory (store/suppressions.h), which these calls
 * keep up.
 */
#ifndef STORE_SUPPRESSION_H
#define STORE_SUPPRESSION_H

#include "core/address.h"
#include "store/journal.h"
#include "store/suppressions.h"

/*
 * until_us: wall time or 0 for ever. who: of the change, for the journal. list
 * may be NULL (CLI). ERR_STATE when removing what is not listed.
 */
int suppression_add(struct journal *, struct suppressions *,
    const struct address *, const char *reason, int64_t until_us,
    const char *who, int64_t deadline_us, struct err *);
int suppression_remove(struct journal *, struct suppressions *,
    const struct address *, const char *reason, const char *who,
    int64_t deadline_us, struct err *);

/*
 * Inside an op, because of what happened to recipient n of a message at a time
 * (microseconds, wall): 1 when it was added, 0 when the address is on the list
 * already, or an entry of it has ended since then; -1 and err. Whoever keeps the
 * list in memory is told after the commit, by suppression_note with the seq of
 * the row.
 */
int suppression_append(struct journal_tx *, const char *address,
    const char *reason, const char *who, const struct uuid *message,
    unsigned n, int64_t happened_us, int64_t *seq_r, struct err *);
void suppression_note(struct suppressions *, const char *address,
    const char *reason, int64_t seq);

/*
 * The list as the database has it, for people: in force, or with all also what
 * has ended. fn returns non-zero to stop.
 */
struct suppression {
	int64_t seq;	     /* of its row in the journal */
	const char *address; /* in lower case; NULL: erased */
	const char *reason;
	const char *who;
	int64_t since_us;
	int64_t until_us;    /* 0: for ever */
	bool in_force;
};
int suppression_list(const char *journal_path, bool all,
    int (*fn)(void *arg, const struct suppression *), void *arg, struct err *);

#endif
