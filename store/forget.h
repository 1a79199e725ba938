/*
 * forget: taking a person out of the journal.
 *
 * Value and salt go wherever the person is a party, and a row `erased` says
 * which they were; the chain holds commitments only, so it still verifies and
 * nothing can be guessed back. Finding is a reader's, erasing the journal's
 * writer's, or in an archive that of whoever may write it.
 */
#ifndef STORE_FORGET_H
#define STORE_FORGET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/err.h"
#include "store/journal.h"

/*
 * What of one message is the person's: party roles as in `party`, message_id
 * (with n 0), or without a message `suppression` (with its seq as n).
 */
#define FORGET_ROLE_LEN 16
#define FORGET_PARTIES_MAX 32
struct forget_party {
	int64_t n;
	char role[FORGET_ROLE_LEN];
};
struct forget_item {
	bool of_message;
	struct uuid message;
	struct forget_party parties[FORGET_PARTIES_MAX];
	size_t nparties;
};

/*
 * Call fn for all that a journal or archive has of an address (in lower case):
 * where it is the value, one of several, or what an SRS address was made of;
 * with a sender's go what it was rewritten to, the user and the client. hidden,
 * if not NULL, is the name of suppressions that were kept, and are to go, too.
 * Reads all parties. Not 0 from fn stops, and comes back.
 */
int forget_find(const char *path, const char *address, const char *hidden,
    int (*fn)(void *arg, const struct forget_item *, struct err *), void *arg,
    struct err *);

/*
 * An op of its own: journal that these are erased, a row each, and erase what of
 * them lies in the journal's file. They are of messages, as many as mail may wait
 * for, or it is one without. A suppression in force is kept under a hidden name
 * (store/hidden.h) unless suppression_too is set, which with an item without a
 * message, an empty one even, also erases those that were kept so.
 */
#define FORGET_ITEMS_MAX 50
#define FORGET_ITEMS_PARTIES_MAX 200
struct forget_ask {
	const struct forget_item *items;
	size_t n;
	const char *address; /* in lower case */
	bool suppression_too;
	const char *who;
};
/* Is set in any case: what was done before an error stays done. */
struct forget_done {
	/* Of the items' rows; 0: there was nothing to erase. */
	int64_t seqs[FORGET_ITEMS_MAX];
	int64_t suppression; /* the last that does not stay in force, or 0 */
	int64_t busy_us;     /* for so long nobody else could write */
};
int forget_erase(struct journal *, const struct forget_ask *,
    int64_t deadline_us, struct forget_done *, struct err *);

/*
 * See to it that what was erased is not in the journal's file or log any more
 * (store/wipe.h), from *page_r on, 1 at first, until until_us (clock_mono_us) or
 * the end, when *page_r is 0. Mail flows: beside_mail leaves it nine tenths of
 * the time, up to 2 s at once. ERR_STATE when a reader is in the way for some seconds.
 */
int forget_wipe(struct journal *, uint32_t *page_r, bool beside_mail,
    int64_t until_us, struct err *);

/* An archive: what was journalled in row seq. All or nothing, at the close. */
struct forget_archive;
struct forget_archive *forget_archive_open(const char *file, struct err *);
int forget_archive_erase(struct forget_archive *, const struct forget_item *,
    int64_t seq, struct err *);
/* Commit and wipe the file, or with commit false leave it as it was. */
int forget_archive_close(
    struct forget_archive *, bool commit, struct err *);

/*
 * What is left of an address in a database, without regard to case: in how many
 * places of its bytes and its write-ahead log's, and in which values.
 */
struct forget_rest {
	int64_t places;
	int64_t own;	   /* values that are the person's still */
	int64_t others;	   /* values of others, of which it is a part */
	int64_t explained; /* places that these values have in the file */
};
int forget_rest(const char *path, const char *address, struct forget_rest *,
    struct err *);

#endif
