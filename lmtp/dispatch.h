/*
 * dispatch: whose turn it is.
 *
 * Holds the deliveries of all sessions and gives them to the senders in turn,
 * session by session, as the quota's slots come up. Owns its lock; safe from
 * any thread.
 *
 * A delivery is claimed by digest and recipient before the journal is asked
 * about it, and let go only when its outcome is durable: so one that is under
 * way is never started twice, and a second session that brings the same message
 * waits for the first one's outcome.
 */
#ifndef LMTP_DISPATCH_H
#define LMTP_DISPATCH_H

#include <stdbool.h>
#include <stdint.h>

#include "core/address.h"
#include "lmtp/mail.h"
#include "lmtp/verdict.h"
#include "store/quota.h"

struct dispatch;
struct turn; /* one session's place in the round */

/*
 * One recipient's. What senders read is constant once it is submitted, the rest
 * is dispatch's.
 */
struct delivery {
	struct mail *mail;
	struct address rcpt;
	unsigned n;	       /* in the message */
	unsigned attempts;     /* dots so far */
	bool counts;	       /* against the day */
	struct quota_ticket ticket; /* of the sender that has taken it */
	unsigned tries;	       /* that failed for reasons worth another try at once */

	struct verdict verdict; /* valid once dispatch_done says so */
	struct delivery_state *state;
};

/*
 * spawn is called, without locks held, when there is work and no sender waits
 * for it.
 */
struct dispatch *dispatch_new(struct quota *, unsigned max_senders,
    void (*spawn)(void *arg), void *arg);
void dispatch_max_senders(struct dispatch *, unsigned);

/* Sessions. */

/*
 * wake_fd gets a byte whenever an outcome of the session's deliveries is known.
 */
struct turn *turn_new(struct dispatch *, int wake_fd);

/* After everything has been left. */
void turn_free(struct turn *);

/*
 * Claim a recipient of a message. digest (SHA256_LEN bytes) is NULL for a
 * message that can't be known again. true: it is new, and this session must
 * submit or finish it. false: another session has it; this one waits with it.
 * Either way it waits until it calls dispatch_leave.
 */
bool dispatch_claim(struct turn *, const unsigned char *digest,
    const struct address *rcpt, struct delivery **delivery_r);

/*
 * Line up, to be sent before deadline_us (clock_mono_us). The delivery holds
 * the mail.
 */
void dispatch_submit(struct turn *, struct delivery *, struct mail *,
    int64_t deadline_us);

/* A delivery of this session that was joined also has until then. */
void dispatch_extend(struct turn *, struct delivery *, int64_t deadline_us);

/* The outcome is known and durable, or needs no record. */
void dispatch_finish(struct dispatch *, struct delivery *,
    const struct verdict *);

enum delivery_progress {
	DELIVERY_WAITING, /* may be left */
	DELIVERY_OVER,	  /* the end came before its dot: to be left */
	DELIVERY_DOT,	  /* SES has it: wait */
	DELIVERY_DONE,
	DELIVERY_UNRECORDED /* done, and this caller is asked to journal the verdict */
};
enum delivery_progress dispatch_progress(struct dispatch *, struct delivery *);

enum delivery_left {
	DELIVERY_STAY,	    /* its dot went out meanwhile, or its outcome is known: look again */
	DELIVERY_LEFT,	    /* somebody else still sees to it */
	DELIVERY_LEFT_LAST  /* nobody else waits and it had no dot: the caller journals it */
};

/*
 * Wait no longer, unless SES may have it by now or the outcome is known (gone:
 * in any case, there is nobody to tell). But for DELIVERY_STAY the pointer is
 * gone. last_r is what its last try came to (code 0: there was none).
 */
enum delivery_left dispatch_leave(struct turn *, struct delivery *, bool gone,
    struct verdict *last_r);

/* How many deliveries wait that count against the day, for the peek at RCPT. */
size_t dispatch_waiting(struct dispatch *);

/* Defer all that wait, since none of it can be sent. */
void dispatch_fail_waiting(struct dispatch *, const struct verdict *);

/* Senders. */

/*
 * A sender has its connection, or knows that it gets none. Once for each spawn,
 * and after dispatch_pause.
 */
void dispatch_sender_ready(struct dispatch *);

/*
 * No thread was to be had for it: the answer to a spawn instead of all else.
 * Returns how many senders there are.
 */
unsigned dispatch_sender_failed(struct dispatch *);

/*
 * The next delivery whose slot has come near, its ticket taken; NULL after
 * idle_us without work, or at the end.
 */
struct delivery *dispatch_next(struct dispatch *, int64_t idle_us);

/*
 * How long the dialogue took up to its dot: so much ahead of their slots
 * deliveries are given out.
 */
void dispatch_prepared(struct dispatch *, int64_t took_us);

/*
 * The last moment, which counts the attempt: may the dot go out? false: nobody
 * waits any more, or this is the end.
 */
bool dispatch_may_dot(struct dispatch *, struct delivery *);

/*
 * Its dot is not to go out (dispatch_may_dot said no): defer it. Whoever left
 * it has journalled that, whoever still waits will.
 */
void dispatch_drop(struct dispatch *, struct delivery *);

/*
 * SES has answered its dot and the journal can't be told so yet, for the reason
 * in so_far: that is what those hear who can't wait any longer. The claim stays
 * until dispatch_finish, so that nobody who does not know the answer decides
 * about another dot.
 */
void dispatch_unwritten(struct dispatch *, struct delivery *,
    const struct verdict *so_far);

/* Until when a delivery that has been taken may take before its dot. */
int64_t dispatch_deadline(struct dispatch *, struct delivery *);

/*
 * Back to the front of its session's queue, not to be taken before
 * not_before_us. so_far is what this try came to; code 0: to nothing that is
 * worth telling.
 */
void dispatch_requeue(struct dispatch *, struct delivery *,
    int64_t not_before_us, const struct verdict *so_far);

/*
 * No connection can be had: wait for pause_us and try again. false: nothing
 * waits, or another sender tries already: this one should end.
 */
bool dispatch_pause(struct dispatch *, int64_t pause_us);

/*
 * Its connection was idle for too long, but something waits, for the day
 * perhaps: rest without one until shortly before the next slot. false: nothing
 * waits, or another one rests already: this one should end.
 */
bool dispatch_rest(struct dispatch *);

/* A sender's thread ends. */
void dispatch_sender_end(struct dispatch *);

/* The end: nothing is given out any more, what waits is deferred. */
void dispatch_stop(struct dispatch *);

/*
 * After dispatch_stop: wait until all senders have ended or the deadline has
 * passed; then call fn for each delivery that is past its dot and has no
 * outcome. Returns how many senders are left.
 */
size_t dispatch_drain(struct dispatch *, int64_t deadline_us,
    void (*fn)(void *arg, struct delivery *), void *arg);

struct dispatch_state {
	size_t waiting, taken, senders, idle;
};
void dispatch_state(struct dispatch *, struct dispatch_state *);

#endif
