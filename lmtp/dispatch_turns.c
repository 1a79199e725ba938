/* SPDX-License-Identifier: BSD-2-Clause */
#include "config.h"

#include "lmtp/dispatch_parts.h"

#include <stdlib.h>

#include "core/mem.h"

struct turn *
turn_new(struct dispatch *d, int wake_fd)
{
	struct turn *t = mem_new(sizeof(*t));

	t->dispatch = d;
	t->wake_fd = wake_fd;
	t->refs = 1;
	return t;
}

void
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

void
turn_enqueue(struct dispatch *d, struct delivery_state *s, bool front)
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
	dispatch_wake_senders(d);
}

void
turn_dequeue(struct dispatch *d, struct delivery_state *s)
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

/*
 * The first of a turn that may be taken now. when_r comes down to when another
 * may.
 */
static struct delivery_state *
first_ready(struct turn *t, const int64_t slots[2], int64_t now,
    int64_t lead_us, int64_t *when_r)
{
	struct delivery_state *s;
	int64_t slot, when;

	for (s = t->first; s != NULL; s = s->next) {
		slot = slots[s->self->counts];
		when = slot - lead_us;
		if (when < s->not_before_us)
			when = s->not_before_us;
		if (slot >= delivery_latest(s))
			continue;
		if (when <= now)
			return s;
		if (when < *when_r)
			*when_r = when;
	}
	return NULL;
}

/*
 * One whose slot comes after its deadline is passed over: its session answers
 * for it when the time comes, and a dialogue would only be cut off in the
 * middle. So is one that waits for another try: it holds up nobody behind it.
 */
struct delivery_state *
turn_candidate(struct dispatch *d, int64_t now, int64_t *when_r)
{
	const int64_t lead_us = dispatch_lead_us(d);
	struct turn *t = d->ring;
	struct delivery_state *s;
	int64_t slots[2];

	*when_r = INT64_MAX;
	if (t == NULL)
		return NULL;
	dispatch_pass_stuck(d);
	slots[false] = quota_next(d->quota, false);
	slots[true] = quota_next(d->quota, true);
	/* The simulator's slot is never later than the others'. */
	if (slots[0] - lead_us > now) {
		*when_r = slots[0] - lead_us;
		return NULL;
	}
	do {
		s = first_ready(t, slots, now, lead_us, when_r);
		if (s != NULL)
			return s;
		t = t->next;
	} while (t != d->ring);
	return NULL;
}

void
turn_free(struct turn *t)
{
	struct dispatch *d;

	if (t == NULL)
		return;
	d = t->dispatch;
	dispatch_lock(d);
	t->wake_fd = -1;
	turn_unref(t);
	dispatch_unlock(d);
}
