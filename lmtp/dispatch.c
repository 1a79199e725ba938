/* SPDX-License-Identifier: BSD-2-Clause */
#include "config.h"

#include "lmtp/dispatch_parts.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/clock.h"
#include "core/mem.h"

/* Until a dialogue has been measured. */
#define LEAD_FIRST_US (300 * US_PER_MS)

struct dispatch *
dispatch_new(struct quota *quota, unsigned max_senders,
    void (*spawn)(void *arg), void *arg)
{
	struct dispatch *d = mem_new(sizeof(*d));

	(void)pthread_mutex_init(&d->lock, NULL);
	clock_cond_init(&d->ended);
	d->quota = quota;
	d->max_senders = max_senders;
	d->mean_us = d->busy_us = LEAD_FIRST_US;
	d->spawn = spawn;
	d->arg = arg;
	return d;
}

void
dispatch_lock(struct dispatch *d)
{
	(void)pthread_mutex_lock(&d->lock);
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

void
delivery_tell(const struct delivery_state *s)
{
	for (const struct waiter *w = s->waiters; w != NULL; w = w->next)
		(void)!write(w->turn->wake_fd, "", 1);
}

/* An outcome: everybody who waits is told, and the claim ends. */
void
delivery_done(struct dispatch *d, struct delivery_state *s, const struct verdict *v,
    bool unrecorded)
{
	s->self->verdict = *v;
	s->unrecorded = unrecorded;
	if (s->stage == STAGE_QUEUED)
		turn_dequeue(d, s);
	if (s->stage >= STAGE_TAKEN && s->stage < STAGE_DONE)
		taken_remove(d, s);
	s->stage = STAGE_DONE;
	claims_remove(d, s);
	delivery_tell(s);
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
	dispatch_lock(d);
	if (digest != NULL)
		s = claims_find(d, digest, &key);
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
			claims_add(d, s);
		}
	}
	add_waiter(s, t);
	*delivery_r = s->self;
	dispatch_unlock(d);
	return new;
}

static void
extend(struct delivery_state *s, const struct turn *t, int64_t deadline_us)
{
	for (struct waiter *w = s->waiters; w != NULL; w = w->next)
		if (w->turn == t)
			w->deadline_us = deadline_us;
}

int64_t
delivery_latest(const struct delivery_state *s)
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
	dispatch_lock(t->dispatch);
	extend(delivery->state, t, deadline_us);
	dispatch_unlock(t->dispatch);
}

void
dispatch_submit(struct turn *t, struct delivery *delivery, struct mail *mail,
    int64_t deadline_us)
{
	struct dispatch *d = t->dispatch;
	struct delivery_state *s = delivery->state;
	struct verdict v;

	(void)atomic_fetch_add(&mail->refs, 1);
	dispatch_lock(d);
	delivery->mail = mail;
	extend(s, t, deadline_us);
	if (d->stopping) {
		verdict_stopping(&v);
		delivery_done(d, s, &v, true);
	} else {
		turn_enqueue(d, s, false);
	}
	dispatch_unlock(d);
}

void
dispatch_finish(struct dispatch *d, struct delivery *delivery,
    const struct verdict *v)
{
	dispatch_lock(d);
	delivery_done(d, delivery->state, v, false);
	dispatch_unlock(d);
}

enum delivery_progress
dispatch_progress(struct dispatch *d, struct delivery *delivery)
{
	struct delivery_state *s = delivery->state;
	enum delivery_progress p;

	dispatch_lock(d);
	p = s->stage == STAGE_DOT		    ? DELIVERY_DOT
	    : d->stopping && s->stage == STAGE_TAKEN ? DELIVERY_OVER
						     : DELIVERY_WAITING;
	if (s->stage == STAGE_DONE) {
		p = s->unrecorded ? DELIVERY_UNRECORDED : DELIVERY_DONE;
		s->unrecorded = false;
	}
	dispatch_unlock(d);
	return p;
}

static void
remove_waiter(struct delivery_state *s, const struct turn *t)
{
	struct waiter **at = &s->waiters, *w;

	while ((*at)->turn != t)
		at = &(*at)->next;
	w = *at;
	*at = w->next;
	free(w);
}

static enum delivery_left
leave(struct dispatch *d, struct delivery_state *s, const struct turn *t)
{
	enum delivery_left left = DELIVERY_LEFT;
	struct verdict v;

	remove_waiter(s, t);
	if (s->waiters == NULL &&
	    (s->stage == STAGE_QUEUED || s->stage == STAGE_CLAIMED)) {
		verdict_stopping(&v);
		delivery_done(d, s, &v, false);
		left = DELIVERY_LEFT_LAST;
	} else if (s->waiters == NULL && s->stage == STAGE_TAKEN) {
		left = DELIVERY_LEFT_LAST; /* its sender will find nobody */
	} else if (s->stage == STAGE_DONE && s->unrecorded) {
		left = DELIVERY_LEFT_LAST;
		s->unrecorded = false;
	}
	unref(s);
	return left;
}

enum delivery_left
dispatch_leave(struct turn *t, struct delivery *delivery, bool gone,
    struct verdict *last_r)
{
	struct delivery_state *s = delivery->state;
	enum delivery_left left = DELIVERY_STAY;

	dispatch_lock(t->dispatch);
	*last_r = s->last;
	if (gone || (s->stage != STAGE_DOT && s->stage != STAGE_DONE))
		left = leave(t->dispatch, s, t);
	dispatch_unlock(t->dispatch);
	return left;
}

size_t
dispatch_waiting(struct dispatch *d)
{
	size_t n;

	dispatch_lock(d);
	n = d->waiting_counts;
	dispatch_unlock(d);
	return n;
}

void
dispatch_fail_waiting(struct dispatch *d, const struct verdict *v)
{
	dispatch_lock(d);
	while (d->ring != NULL)
		delivery_done(d, d->ring->first, v, true);
	dispatch_unlock(d);
}

void
dispatch_state(struct dispatch *d, struct dispatch_state *state)
{
	dispatch_lock(d);
	state->waiting = d->waiting;
	state->taken = d->ntaken;
	state->senders = d->senders;
	state->idle = 0;
	for (struct idle *i = d->idle; i != NULL; i = i->next)
		state->idle++;
	dispatch_unlock(d);
}
