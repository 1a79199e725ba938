/*
 * dispatch_parts: what the files of dispatch share.
 *
 * dispatch.c has the sessions' side and the outcomes, dispatch_claims.c the
 * table of what is under way, dispatch_turns.c the round of sessions,
 * dispatch_senders.c the senders' side, dispatch_measure.c how many of them
 * there are to be. All but dispatch_lock want the lock held.
 *
 * Invariants, under the lock:
 * - a delivery is in the table from claim to the end of its outcome, unless it
 *   has no digest;
 * - STAGE_QUEUED deliveries are in exactly one turn's queue; a turn with a
 *   queue is in the ring;
 * - what is past STAGE_QUEUED and not done is in the list of those taken;
 * - refs counts the waiters, plus one while the delivery is not done;
 * - when something is queued, a sender waits for it or is on its way, up to the
 *   number that the pace needs.
 */
#ifndef LMTP_DISPATCH_PARTS_H
#define LMTP_DISPATCH_PARTS_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "core/crypto.h"
#include "lmtp/dispatch.h"

#define TABLE_SIZE 4096

enum stage {
	STAGE_CLAIMED,
	STAGE_QUEUED,
	STAGE_TAKEN,
	STAGE_DOT,
	STAGE_UNWRITTEN, /* SES has answered, and the journal can't be told yet */
	STAGE_DONE
};

struct waiter {
	struct waiter *next;
	struct turn *turn;
	int64_t deadline_us;
};

struct delivery_state {
	struct delivery *self;
	struct delivery_state *next;	   /* in the turn's queue, or among those taken */
	struct delivery_state *table_next; /* in the table's chain */
	struct turn *turn;		   /* whose queue it is in, or goes back to */
	struct waiter *waiters;
	unsigned char digest[SHA256_LEN];
	struct address key;
	struct verdict last; /* what the last try came to */
	bool in_table;
	bool unrecorded;
	unsigned refs;
	enum stage stage;
	int64_t not_before_us;
	int64_t taken_us; /* when a sender took it */
};

struct turn {
	struct dispatch *dispatch;
	struct turn *next, *prev; /* the ring, while something is queued */
	struct delivery_state *first, *last;
	int wake_fd;
	unsigned refs; /* the session, and each delivery that names it */
};

/*
 * A sender that waits; the newest one is on duty, so that surplus connections
 * get to close.
 */
struct idle {
	struct idle *next;
	pthread_cond_t cond;
};

struct dispatch {
	pthread_mutex_t lock;
	pthread_cond_t ended;
	struct quota *quota;
	void (*spawn)(void *arg);
	void *arg;
	unsigned max_senders, senders, starting;
	int64_t started_us; /* when the last one began to start */
	int64_t again_us;   /* before that no thread is to be had */
	struct idle *idle;
	bool paused;
	bool stopping;
	struct turn *ring; /* whose turn it is */
	size_t waiting, waiting_counts, ntaken;
	struct delivery_state *taken;
	int64_t mean_us, deviation_us; /* of the time up to the dot */
	int64_t busy_us; /* how long a sender has a delivery, on average */
	struct delivery_state *table[TABLE_SIZE];
};

void dispatch_lock(struct dispatch *);

/* Unlock, and start a sender when there is work and nobody to do it. */
void dispatch_unlock(struct dispatch *);

/* Let the sender on duty look again. */
void dispatch_wake_senders(struct dispatch *);

/* A sender is on its way to a connection, until dispatch_sender_ready. */
void dispatch_starts(struct dispatch *);

/* The slots of those that SES keeps waiting for long are free for others. */
void dispatch_pass_stuck(struct dispatch *);

/* How far ahead of their slots deliveries are given out. */
int64_t dispatch_lead_us(const struct dispatch *);

struct delivery_state *claims_find(struct dispatch *,
    const unsigned char *digest, const struct address *key);
void claims_add(struct dispatch *, struct delivery_state *);
void claims_remove(struct dispatch *, struct delivery_state *);

void turn_unref(struct turn *);
void turn_enqueue(struct dispatch *, struct delivery_state *, bool front);
void turn_dequeue(struct dispatch *, struct delivery_state *);

/*
 * The delivery whose turn it is among those whose slots have come near; NULL
 * and the time when one will, at the earliest.
 */
struct delivery_state *turn_candidate(struct dispatch *, int64_t now,
    int64_t *when_r);

void taken_add(struct dispatch *, struct delivery_state *);
void taken_remove(struct dispatch *, struct delivery_state *);

/*
 * An outcome: everybody who waits is told, and the claim ends. The object may
 * be gone then.
 */
void delivery_done(struct dispatch *, struct delivery_state *,
    const struct verdict *, bool unrecorded);

/* Something has changed: let all who wait look again. */
void delivery_tell(const struct delivery_state *);

/* Until when somebody waits. */
int64_t delivery_latest(const struct delivery_state *);

#endif
