/* SPDX-License-Identifier: BSD-2-Clause */
#include "config.h"

#include "lmtp/dispatch.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/clock.h"
#include "core/mem.h"

/*
 * Invariants, under the lock:
 * - a delivery is in the table from claim to the end of its outcome, unless it has no digest;
 * - STAGE_QUEUED deliveries are in exactly one turn's queue; a turn with a queue is in the ring;
 * - what is past STAGE_QUEUED and not done is in the list of those taken;
 * - refs counts the waiters, plus one while the delivery is not done;
 * - when something is queued, a sender waits for it or is on its way, up to the number that the pace needs.
 */
enum stage { STAGE_CLAIMED, STAGE_QUEUED, STAGE_TAKEN, STAGE_DOT, STAGE_DONE };

#define TABLE_SIZE 4096

/*
 * Deliveries are given out ahead of their slots by the time that a dialogue takes, but a sender
 * must not sit silent for long between body and dot: SES drops a silent client after about ten seconds
 * (SES facts 1.5).
 */
#define LEAD_FIRST_US (300 * US_PER_MS)
#define LEAD_MAX_US (2500 * US_PER_MS)

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
};

struct turn {
	struct dispatch *dispatch;
	struct turn *next, *prev; /* the ring, while something is queued */
	struct delivery_state *first, *last;
	int wake_fd;
	unsigned refs; /* the session, and each delivery that names it */
};

/* A sender that waits; the newest one is on duty, so that surplus connections get to close. */
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
	struct idle *idle;
	bool paused;
	bool stopping;
	struct turn *ring; /* whose turn it is */
	size_t waiting, waiting_counts, ntaken;
	struct delivery_state *taken;
	int64_t mean_us, deviation_us; /* of the time up to the dot */
	struct delivery_state *table[TABLE_SIZE];
};

struct mail *
mail_new(struct message *message)
{
	struct mail *m = mem_new(sizeof(*m));

	m->refs = 1;
	m->message = message_hold(message);
	buf_init(&m->head, 4 * MESSAGE_HEADER_MAX);
	return m;
}

void
mail_release(struct mail *m)
{
	if (m == NULL || atomic_fetch_sub(&m->refs, 1) > 1)
		return;
	message_release(m->message);
	buf_free(&m->head);
	free(m->received);
	free(m);
}

struct dispatch *
dispatch_new(struct quota *quota, unsigned max_senders,
    void (*spawn)(void *arg), void *arg)
{
	struct dispatch *d = mem_new(sizeof(*d));

	(void)pthread_mutex_init(&d->lock, NULL);
	clock_cond_init(&d->ended);
	d->quota = quota;
	d->max_senders = max_senders;
	d->mean_us = LEAD_FIRST_US;
	d->spawn = spawn;
	d->arg = arg;
	return d;
}

void
dispatch_free(struct dispatch *d)
{
	(void)pthread_cond_destroy(&d->ended);
	(void)pthread_mutex_destroy(&d->lock);
	free(d);
}

static void
lock(struct dispatch *d)
{
	(void)pthread_mutex_lock(&d->lock);
}

static int64_t
lead_us(const struct dispatch *d)
{
	int64_t us = d->mean_us + 2 * d->deviation_us;

	return us < LEAD_MAX_US ? us : LEAD_MAX_US;
}

/*
 * How many senders the pace can keep busy: each is so long at one delivery, and twice that leaves room for
 * bad moments. A backlog at one a second needs two, not fifty.
 */
static unsigned
senders_wanted(struct dispatch *d)
{
	double pace = quota_pace(d->quota);
	double need = pace * 2 * (double)lead_us(d) / (double)US_PER_SEC + 2;

	return pace < 0 || need > d->max_senders ? d->max_senders
						 : (unsigned)need;
}

/* Unlock, and start a sender when there is work and nobody to do it. */
static void
unlock(struct dispatch *d)
{
	bool spawn = d->waiting > d->starting && d->idle == NULL &&
	    !d->paused && !d->stopping && d->senders < senders_wanted(d);

	if (spawn) {
		d->senders++;
		d->starting++;
	}
	(void)pthread_mutex_unlock(&d->lock);
	if (spawn)
		d->spawn(d->arg);
}

void
dispatch_max_senders(struct dispatch *d, unsigned max)
{
	lock(d);
	d->max_senders = max;
	unlock(d);
}

static void
wake_senders(struct dispatch *d)
{
	if (d->idle != NULL)
		(void)pthread_cond_signal(&d->idle->cond);
}

/* The table of what is under way. */

static struct delivery_state **
chain(struct dispatch *d, const unsigned char *digest,
    const struct address *key)
{
	uint32_t h = 2166136261u;

	for (const char *p = key->text; *p != '\0'; p++)
		h = (h ^ (unsigned char)*p) * 16777619u;
	for (size_t i = 0; i < 4; i++)
		h = (h ^ digest[i]) * 16777619u;
	return &d->table[h % TABLE_SIZE];
}

static struct delivery_state *
table_find(struct dispatch *d, const unsigned char *digest,
    const struct address *key)
{
	struct delivery_state *s = *chain(d, digest, key);

	while (s != NULL && (memcmp(s->digest, digest, SHA256_LEN) != 0 ||
	    strcmp(s->key.text, key->text) != 0))
		s = s->table_next;
	return s;
}

static void
table_add(struct dispatch *d, struct delivery_state *s)
{
	struct delivery_state **head = chain(d, s->digest, &s->key);

	s->table_next = *head;
	*head = s;
	s->in_table = true;
}

static void
table_remove(struct dispatch *d, struct delivery_state *s)
{
	struct delivery_state **at;

	if (!s->in_table)
		return;
	at = chain(d, s->digest, &s->key);
	while (*at != s)
		at = &(*at)->table_next;
	*at = s->table_next;
	s->in_table = false;
}

/* Turns. */

struct turn *
turn_new(struct dispatch *d, int wake_fd)
{
	struct turn *t = mem_new(sizeof(*t));

	t->dispatch = d;
	t->wake_fd = wake_fd;
	t->refs = 1;
	return t;
}

static void
turn_unref(struct turn *t)
{
	if (--t->refs == 0)
		free(t);
}

static void
ring_add(struct dispatch *d, struct turn *t)
{
	if (d->ring == NULL) {
		t->next = t->prev = t;
		d->ring = t;
		return;
	}
	/* Before the one whose turn it is: at the end of the round. */
	t->next = d->ring;
	t->prev = d->ring->prev;
	t->prev->next = t;
	d->ring->prev = t;
}

static void
ring_remove(struct dispatch *d, struct turn *t)
{
	if (t->next == t) {
		d->ring = NULL;
	} else {
		t->prev->next = t->next;
		t->next->prev = t->prev;
		if (d->ring == t)
			d->ring = t->next;
	}
	t->next = t->prev = NULL;
}

static void
enqueue(struct dispatch *d, struct delivery_state *s, bool front)
{
	struct turn *t = s->turn;

	if (t->first == NULL) {
		ring_add(d, t);
		t->first = t->last = s;
		s->next = NULL;
	} else if (front) {
		s->next = t->first;
		t->first = s;
	} else {
		t->last->next = s;
		t->last = s;
		s->next = NULL;
	}
	s->stage = STAGE_QUEUED;
	d->waiting++;
	if (s->self->counts)
		d->waiting_counts++;
	wake_senders(d);
}

static void
dequeue(struct dispatch *d, struct delivery_state *s)
{
	struct turn *t = s->turn;
	struct delivery_state **at = &t->first, *before = NULL;

	while (*at != s) {
		before = *at;
		at = &before->next;
	}
	*at = s->next;
	if (t->last == s)
		t->last = before;
	if (t->first == NULL)
		ring_remove(d, t);
	d->waiting--;
	if (s->self->counts)
		d->waiting_counts--;
}

/* Deliveries. */

static void
taken_add(struct dispatch *d, struct delivery_state *s)
{
	s->next = d->taken;
	d->taken = s;
	d->ntaken++;
}

static void
taken_remove(struct dispatch *d, struct delivery_state *s)
{
	struct delivery_state **at = &d->taken;

	while (*at != s)
		at = &(*at)->next;
	*at = s->next;
	d->ntaken--;
}

static void
unref(struct delivery_state *s)
{
	if (--s->refs > 0)
		return;
	mail_release(s->self->mail);
	turn_unref(s->turn);
	free(s->self);
	free(s);
}

static void
add_waiter(struct delivery_state *s, struct turn *t)
{
	struct waiter *w = mem_new(sizeof(*w));

	w->turn = t;
	w->next = s->waiters;
	s->waiters = w;
	s->refs++;
}

/* An outcome: everybody who waits is told, and the claim ends. */
static void
done(struct dispatch *d, struct delivery_state *s, const struct verdict *v,
    bool unrecorded)
{
	s->self->verdict = *v;
	s->unrecorded = unrecorded;
	if (s->stage == STAGE_QUEUED)
		dequeue(d, s);
	if (s->stage == STAGE_TAKEN || s->stage == STAGE_DOT)
		taken_remove(d, s);
	s->stage = STAGE_DONE;
	table_remove(d, s);
	for (struct waiter *w = s->waiters; w != NULL; w = w->next)
		(void)!write(w->turn->wake_fd, "", 1);
	unref(s);
}

bool
dispatch_claim(struct turn *t, const unsigned char *digest,
    const struct address *rcpt, struct delivery **delivery_r)
{
	struct dispatch *d = t->dispatch;
	struct delivery_state *s = NULL;
	struct address key;
	bool new;

	address_key(rcpt, &key);
	lock(d);
	if (digest != NULL)
		s = table_find(d, digest, &key);
	new = s == NULL;
	if (new) {
		s = mem_new(sizeof(*s));
		s->self = mem_new(sizeof(*s->self));
		s->self->state = s;
		s->self->rcpt = *rcpt;
		s->self->counts = !address_is_simulator(rcpt);
		s->key = key;
		s->refs = 1;
		s->turn = t;
		t->refs++;
		if (digest != NULL) {
			memcpy(s->digest, digest, SHA256_LEN);
			table_add(d, s);
		}
	}
	add_waiter(s, t);
	*delivery_r = s->self;
	unlock(d);
	return new;
}

static void
extend(struct delivery_state *s, const struct turn *t, int64_t deadline_us)
{
	for (struct waiter *w = s->waiters; w != NULL; w = w->next)
		if (w->turn == t)
			w->deadline_us = deadline_us;
}

static int64_t
latest(const struct delivery_state *s)
{
	int64_t at = INT64_MIN;

	for (const struct waiter *w = s->waiters; w != NULL; w = w->next)
		if (w->deadline_us > at)
			at = w->deadline_us;
	return at;
}

void
dispatch_extend(struct turn *t, struct delivery *delivery, int64_t deadline_us)
{
	lock(t->dispatch);
	extend(delivery->state, t, deadline_us);
	unlock(t->dispatch);
}

void
dispatch_submit(struct turn *t, struct delivery *delivery, struct mail *mail,
    int64_t deadline_us)
{
	struct dispatch *d = t->dispatch;
	struct delivery_state *s = delivery->state;
	struct verdict v;

	(void)atomic_fetch_add(&mail->refs, 1);
	lock(d);
	delivery->mail = mail;
	extend(s, t, deadline_us);
	if (d->stopping) {
		verdict_stopping(&v);
		done(d, s, &v, true);
	} else {
		enqueue(d, s, false);
	}
	unlock(d);
}

void
dispatch_finish(struct dispatch *d, struct delivery *delivery,
    const struct verdict *v)
{
	lock(d);
	done(d, delivery->state, v, false);
	unlock(d);
}

enum delivery_progress
dispatch_progress(struct dispatch *d, struct delivery *delivery)
{
	struct delivery_state *s = delivery->state;
	enum delivery_progress p;

	lock(d);
	p = s->stage == STAGE_DOT ? DELIVERY_DOT : DELIVERY_WAITING;
	if (s->stage == STAGE_DONE) {
		p = s->unrecorded ? DELIVERY_UNRECORDED : DELIVERY_DONE;
		s->unrecorded = false;
	}
	unlock(d);
	return p;
}

static bool
leave(struct dispatch *d, struct delivery_state *s, const struct turn *t)
{
	struct waiter **at = &s->waiters, *w;
	struct verdict v;
	bool dropped = false;

	while ((*at)->turn != t)
		at = &(*at)->next;
	w = *at;
	*at = w->next;
	free(w);
	if (s->waiters == NULL &&
	    (s->stage == STAGE_QUEUED || s->stage == STAGE_CLAIMED)) {
		verdict_stopping(&v);
		done(d, s, &v, false);
		dropped = true;
	} else if (s->waiters == NULL && s->stage == STAGE_TAKEN) {
		dropped = true; /* its sender will find nobody waiting */
	} else if (s->stage == STAGE_DONE) {
		dropped = s->unrecorded;
		s->unrecorded = false;
	}
	unref(s);
	return dropped;
}

bool
dispatch_leave(struct turn *t, struct delivery *delivery,
    struct verdict *last_r)
{
	bool dropped;

	lock(t->dispatch);
	*last_r = delivery->state->last;
	dropped = leave(t->dispatch, delivery->state, t);
	unlock(t->dispatch);
	return dropped;
}

void
turn_free(struct turn *t)
{
	struct dispatch *d;

	if (t == NULL)
		return;
	d = t->dispatch;
	lock(d);
	t->wake_fd = -1;
	turn_unref(t);
	unlock(d);
}

size_t
dispatch_waiting(struct dispatch *d)
{
	size_t n;

	lock(d);
	n = d->waiting_counts;
	unlock(d);
	return n;
}

void
dispatch_fail_waiting(struct dispatch *d, const struct verdict *v)
{
	lock(d);
	while (d->ring != NULL)
		done(d, d->ring->first, v, true);
	unlock(d);
}

/* Senders. */

/*
 * The delivery whose turn it is among those that may be taken now; NULL and the time when one may, at the earliest.
 */
static struct delivery_state *
candidate(struct dispatch *d, int64_t now, int64_t *when_r)
{
	struct turn *t = d->ring;
	struct delivery_state *s;

	*when_r = INT64_MAX;
	if (t == NULL)
		return NULL;
	do {
		s = t->first;
		if (s->not_before_us <= now)
			return s;
		if (s->not_before_us < *when_r)
			*when_r = s->not_before_us;
		t = t->next;
	} while (t != d->ring);
	return NULL;
}

static struct delivery_state *
take(struct dispatch *d, int64_t *when_r)
{
	int64_t now = clock_mono_us(), slot;
	struct delivery_state *s = candidate(d, now, when_r);

	if (s == NULL)
		return NULL;
	slot = quota_next(d->quota, s->self->counts);
	if (slot - lead_us(d) > now) {
		*when_r = slot - lead_us(d);
		return NULL;
	}
	quota_take(d->quota, s->self->counts, &s->self->ticket);
	d->ring = s->turn->next;
	dequeue(d, s);
	s->stage = STAGE_TAKEN;
	taken_add(d, s);
	return s;
}

static void
idle_push(struct dispatch *d, struct idle *me)
{
	me->next = d->idle;
	d->idle = me;
}

static void
idle_remove(struct dispatch *d, struct idle *me)
{
	struct idle **at = &d->idle;

	while (*at != me)
		at = &(*at)->next;
	*at = me->next;
	wake_senders(d);
}

struct delivery *
dispatch_next(struct dispatch *d, int64_t idle_us)
{
	int64_t until = clock_mono_us() + idle_us, when;
	struct delivery_state *s = NULL;
	struct idle me;

	clock_cond_init(&me.cond);
	lock(d);
	idle_push(d, &me);
	while (!d->stopping) {
		when = INT64_MAX;
		if (d->idle == &me)
			s = take(d, &when);
		if (s != NULL || clock_mono_us() >= until)
			break;
		(void)clock_cond_wait(&me.cond, &d->lock,
		    when < until ? when : until);
	}
	idle_remove(d, &me);
	unlock(d);
	(void)pthread_cond_destroy(&me.cond);
	return s != NULL ? s->self : NULL;
}

void
dispatch_sender_ready(struct dispatch *d)
{
	lock(d);
	d->starting--;
	unlock(d);
}

/* Jacobson's estimate (RFC 6298 section 2): mean and mean deviation, an eighth and a quarter at a time. */
void
dispatch_prepared(struct dispatch *d, int64_t took_us)
{
	int64_t off;

	lock(d);
	off = took_us - d->mean_us;
	d->mean_us += off / 8;
	d->deviation_us += ((off < 0 ? -off : off) - d->deviation_us) / 4;
	unlock(d);
}

bool
dispatch_may_dot(struct dispatch *d, struct delivery *delivery)
{
	struct delivery_state *s = delivery->state;
	bool may;

	lock(d);
	may = !d->stopping && s->waiters != NULL;
	if (may)
		s->stage = STAGE_DOT;
	unlock(d);
	return may;
}

void
dispatch_drop(struct dispatch *d, struct delivery *delivery)
{
	struct verdict v;

	verdict_stopping(&v);
	lock(d);
	done(d, delivery->state, &v, true);
	unlock(d);
}

int64_t
dispatch_deadline(struct dispatch *d, struct delivery *delivery)
{
	int64_t at;

	lock(d);
	at = latest(delivery->state);
	unlock(d);
	return at;
}

void
dispatch_requeue(struct dispatch *d, struct delivery *delivery,
    int64_t not_before_us, const struct verdict *so_far)
{
	struct delivery_state *s = delivery->state;
	struct verdict v;

	lock(d);
	s->not_before_us = not_before_us;
	s->last = *so_far;
	if (d->stopping || s->waiters == NULL) {
		verdict_stopping(&v);
		done(d, s, &v, true);
	} else {
		taken_remove(d, s);
		enqueue(d, s, true);
	}
	unlock(d);
}

bool
dispatch_pause(struct dispatch *d, int64_t pause_us)
{
	struct idle me;
	bool again;

	lock(d);
	if (d->paused || d->waiting == 0 || d->stopping) {
		unlock(d);
		return false;
	}
	d->paused = true;
	clock_cond_init(&me.cond);
	(void)clock_cond_wait(&me.cond, &d->lock, clock_mono_us() + pause_us);
	(void)pthread_cond_destroy(&me.cond);
	d->paused = false;
	again = d->waiting > 0 && !d->stopping;
	if (again)
		d->starting++;
	unlock(d);
	return again;
}

void
dispatch_sender_end(struct dispatch *d)
{
	lock(d);
	d->senders--;
	if (d->senders == 0)
		(void)pthread_cond_broadcast(&d->ended);
	unlock(d);
}

void
dispatch_stop(struct dispatch *d)
{
	struct verdict v;

	verdict_stopping(&v);
	dispatch_fail_waiting(d, &v);
	lock(d);
	d->stopping = true;
	for (struct idle *i = d->idle; i != NULL; i = i->next)
		(void)pthread_cond_signal(&i->cond);
	unlock(d);
	dispatch_fail_waiting(d, &v);
}

size_t
dispatch_drain(struct dispatch *d, int64_t deadline_us,
    void (*fn)(void *arg, struct delivery *), void *arg)
{
	struct delivery_state *s;
	size_t left;

	lock(d);
	while (d->senders > 0)
		if (clock_cond_wait(&d->ended, &d->lock, deadline_us) == -1)
			break;
	/* Senders that are stuck find the lock held: nothing moves any more. */
	for (s = d->taken; s != NULL; s = s->next)
		if (s->stage == STAGE_DOT)
			fn(arg, s->self);
	left = d->senders;
	(void)pthread_mutex_unlock(&d->lock);
	return left;
}

void
dispatch_state(struct dispatch *d, struct dispatch_state *state)
{
	lock(d);
	state->waiting = d->waiting;
	state->taken = d->ntaken;
	state->senders = d->senders;
	state->idle = 0;
	for (struct idle *i = d->idle; i != NULL; i = i->next)
		state->idle++;
	unlock(d);
}
