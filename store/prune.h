/*
 * prune: taking out of the journal what an archive has.
 *
 * In steps, each durable before the next begins, so that whoever is interrupted
 * goes on or begins again, and nothing is lost:
 *
 *	1. the archive is made (archive_build), whole and on disk;
 *	2. prune_begin journals `pruned`, from when on those rows may go;
 *	3. prune_messages takes out messages, a few at a time;
 *	4. prune_rows takes out rows of the journal, a few at a time. As long as
 *	   there are some, the prune is unfinished.
 *
 * An archive that is lost before that can be made again of what is still there
 * (prune_gone): it begins where the journal does, and `pruned` says instead of
 * which.
 */
#ifndef STORE_PRUNE_H
#define STORE_PRUNE_H

#include <stdbool.h>

#include "core/conf.h"
#include "store/archive.h"
#include "store/journal.h"

/*
 * How long the journal has to remember: the same message's retries, and what is
 * spent of the day.
 */
int64_t prune_keep_us(const struct conf *);

/* For a reader of the journal at path. */
struct prune_state {
	int64_t last_seq; /* of what was pruned last; 0: nothing ever was */
	unsigned char last_chain[CHAIN_LEN];
	char *archive;	 /* its name, to be freed */
	int64_t first_seq; /* the journal's first row now */
	bool unfinished;   /* rows up to last_seq are still there */
	bool messages_gone; /* the unfinished one's: step 3 is done */
	bool remains;	    /* of what was in an archive that is lost */
};
int prune_state(const char *path, struct prune_state *, struct err *);

/*
 * What an unfinished prune has taken out already, which is lost with its archive:
 * rows, and how many messages of which there are rows still. Reads all of these.
 */
struct prune_gone {
	int64_t first_seq, last_seq; /* 0: none */
	int64_t messages;
};
int prune_gone(
    const char *path, const struct prune_state *, struct prune_gone *,
    struct err *);

/*
 * The last row before before_us, a midnight (UTC): 0 when there is none.
 * ERR_POLICY when that is not keep_us ago, or a delivery that arrived before is
 * unsettled (waiting, sending, doubtful) and may_be_unsettled is not set.
 */
int prune_plan(const char *path, int64_t before_us, int64_t keep_us,
    bool may_be_unsettled, int64_t *last_seq_r, struct err *);

/*
 * The same for a row, whatever is unsettled: ERR_STATE when it is not the last of
 * its transaction.
 */
int prune_check(const char *path, int64_t last_seq, int64_t keep_us,
    struct err *);

/*
 * And a look for what is unsettled, which reads all deliveries up to that row's
 * time: on from *look, zeros at first, until until_us (clock_mono_us) or the end,
 * when look->done. What becomes unsettled behind it has a later row, and stays.
 */
struct prune_look {
	int64_t last_seq;
	struct uuid next;
	bool done;
};
int prune_look(const char *path, int64_t last_seq, struct prune_look *look,
    int64_t until_us, struct err *);

/* The chain of a row that the journal has; ERR_STATE when it has none. */
int prune_chain(const char *path, int64_t seq,
    unsigned char chain_r[CHAIN_LEN], struct err *);

/*
 * Who asks for steps 2 to 4 is not trusted: each looks for itself whether file
 * is an archive that has what is to go, ERR_STATE otherwise. posternd has to be
 * able to read it.
 *
 * Step 2. ERR_STATE as well when it does not begin where the journal does, its
 * last row is not the journal's and the last of its transaction, or another prune
 * is unfinished, ERR_POLICY when that row is younger than keep_us or a delivery
 * of that time is unsettled, unless they may be: it looks until until_us, and if
 * it came to no end nothing was done, and it is to be called again with the same
 * *look, zeros at first. The archive is called by file's last part.
 *
 * With instead, file takes the place of the unfinished prune's, and must end where
 * that does. remains: not all that was there is in it.
 */
struct prune_ask {
	const char *file, *who;
	int64_t keep_us;
	bool may_be_unsettled;
	bool instead, remains;
};
int prune_begin(struct journal *, const struct prune_ask *,
    struct prune_look *look, int64_t until_us, int64_t deadline_us,
    bool *again_r, struct err *);

struct prune_step {
	bool again;
	int64_t busy_us; /* for so long nobody else could write */
};

/*
 * Step 3: messages of the archive. Those that have a row after as_of stay, as
 * do those that arrived after the bound, that something has befallen after it as
 * far as tables tell, and that are unsettled if they may not be. step->again says
 * that nothing was done: as_of has to be close to the journal's end
 * (PRUNE_ROWS_BEHIND), since the rows after it are read. ERR_STATE when it is past
 * the end, or no prune is unfinished.
 */
#define PRUNE_MESSAGES_MAX 80
#define PRUNE_ROWS_BEHIND 500
struct prune_lot {
	int64_t as_of;
	const struct uuid *ids;
	size_t n;
	bool last; /* what stays now stays: it is the rows' turn */
};
int prune_messages(struct journal *, const char *file,
    const struct prune_lot *, struct prune_step *, int64_t deadline_us,
    struct err *);

/*
 * Step 4: step->again says that there are more. ERR_STATE before the last lot of
 * messages, and when the archive does not have these very rows.
 */
int prune_rows(struct journal *, const char *file, struct prune_step *,
    int64_t deadline_us, struct err *);

/*
 * What keeps prune_messages' as_of close to the end, for a reader: the messages
 * that have rows after a seq.
 */
struct prune_watch;
struct prune_watch *prune_watch_open(const char *path,
    const struct archive *, struct err *);
void prune_watch_close(struct prune_watch *);

/* Read on to the journal's end: its seq, or -1 and err. */
int64_t prune_watch_read(struct prune_watch *, struct err *);
/* Whether a message has a row that was read. */
bool prune_watch_has(const struct prune_watch *, const struct uuid *);

#endif
