/*
 * search: finding deliveries.
 *
 * Two files: the journal, which is only read, and PATH-search.db beside it,
 * which is brought up to the journal's end by search_catch_up. A search looks
 * at what has been caught up; search_lag tells what has not.
 *
 * What is behind this is in store/search/: catch_up and fill write the search
 * database, index and question read it, match compares with the journal.
 */
#ifndef STORE_SEARCH_H
#define STORE_SEARCH_H

#include <stddef.h>
#include <stdint.h>

#include "core/err.h"
#include "store/journal.h"

/*
 * Read the journal's new rows into the search database, which is made, or made
 * anew when it belongs to another journal or is damaged. Only one process may:
 * whoever holds the store's lock. rows_r counts journal rows.
 */
int search_catch_up(const char *journal_path, uint64_t *rows_r, struct err *);
/*
 * The same, but ERR_STATE when another thread is at it, and no other lot of rows
 * is begun after a time: ERR_TIMEOUT.
 */
int search_catch_up_until(const char *journal_path, int64_t deadline_us,
    uint64_t *rows_r, struct err *);

/*
 * Remove the search database, when it is not to know any more what it knows.
 * The next one to catch up makes it anew. Only whoever holds the store's lock.
 * ERR_STATE when another thread is at it for more than 10 s.
 */
int search_discard(const char *journal_path, struct err *);

/*
 * What deliveries must have in common; NULL and 0 ask for nothing. Addresses
 * are compared without case, international domains as punycode.
 */
struct search_filter {
	const char *sender;	/* any of a message's, or its user, see party */
	const char *recipient;
	const char *domain;	/* the recipient's */
	const char *client;	/* as noted, or its address alone */
	const char *user;	/* who logged in */
	const char *queue_id;	/* of any hop */
	const char *ses_id;	/* of any attempt that told it */
	const char *message_id;
	const char *state;
	const char *feedback;
	const char *reply;	/* words, all in one reply or report of SES's */
	/* Received in [since, until); a recipient added later, when it was. */
	int64_t since_us, until_us;
};

/*
 * One delivery as the journal has it now. Texts last until the callback
 * returns; NULL where there is none.
 */
struct search_hit {
	int64_t cursor; /* see search_run */
	struct uuid message;
	unsigned n;
	int64_t received_at, updated_at, sent_at, size;
	const char *queue_ids, *message_id;
	const char *sender, *original_sender, *recipient, *client, *user;
	const char *state, *ses_id, *dsn, *reply, *feedback;
	unsigned attempts, code;
};

struct search;

/* ERR_STATE when there is no search database yet. */
struct search *search_open(const char *journal_path, struct err *);
void search_close(struct search *);

/* Rows of the journal that were not caught up, and when that was last done. */
int search_lag(struct search *, int64_t *rows_r, int64_t *at_r, struct err *);

/*
 * Newest first, at most limit. *cursor is 0 for the first page, and afterwards
 * where the next one begins; what arrives meanwhile does not move pages.
 * Returns the number of hits, or -1 and err; fn returns non-zero to stop.
 */
typedef int search_fn(void *arg, const struct search_hit *);
int64_t search_run(struct search *, const struct search_filter *,
    int64_t *cursor, size_t limit, search_fn *, void *arg, struct err *);

/*
 * The messages that bear a queue id, an SES id or a Message-ID: at most max.
 * Returns how many, or -1.
 */
int search_messages(struct search *, const char *id, struct uuid *ids,
    size_t max, struct err *);

/*
 * Call fn with the seq of each row about a message that has been caught up;
 * *up_to_r is the last seq looked at.
 */
int search_trail(struct search *, const struct uuid *,
    int (*fn)(void *arg, int64_t seq), void *arg, int64_t *up_to_r,
    struct err *);

#endif
