/* SPDX-License-Identifier: BSD-2-Clause */
#include "config.h"

#include "lmtp/dispatch_parts.h"

#include "core/clock.h"

/*
 * How long things take, and so how many senders there are to be.
 *
 * A sender that SES keeps waiting for much longer than usual may be in for all
 * of its timeout: meanwhile it counts as none, and its delivery's slot as free.
 */

/*
 * Deliveries are given out ahead of their slots by the time that a dialogue
 * takes, but a sender must not sit silent for long between body and dot: SES
 * drops a silent client after about ten seconds (SES facts 1.5).
 */
#define LEAD_MAX_US (2500 * US_PER_MS)
#define CONNECT_LONG_US (3 * US_PER_SEC)

int64_t
dispatch_lead_us(const struct dispatch *d)
{
	int64_t us = d->mean_us + 2 * d->deviation_us;

	return us < LEAD_MAX_US ? us : LEAD_MAX_US;
}

/*
 * How many senders the pace can keep busy: each is so long at one delivery, and
 * half as many more leave room for bad moments. A backlog at one a second needs
 * two or three, not fifty.
 */
static unsigned
senders_wanted(struct dispatch *d)
{
	double pace = quota_pace(d->quota);
	double need = pace * 1.5 * (double)d->busy_us / (double)US_PER_SEC + 2;

	return pace < 0 || need > d->max_senders ? d->max_senders
						 : (unsigned)need;
}

/* Longer than all is well a sender has no delivery. */
static int64_t
busy_max_us(const struct dispatch *d)
{
	return LEAD_MAX_US + 2 * d->busy_us;
}

static bool
is_stuck(const struct dispatch *d, const struct delivery_state *s, int64_t now)
{
	return (s->stage == STAGE_TAKEN || s->stage == STAGE_DOT) &&
	    now - s->taken_us > busy_max_us(d);
}

void
dispatch_pass_stuck(struct dispatch *d)
{
	int64_t now = clock_mono_us();

	for (struct delivery_state *s = d->taken; s != NULL; s = s->next)
		if (is_stuck(d, s, now))
			quota_overdue(d->quota, &s->self->ticket);
}

void
dispatch_starts(struct dispatch *d)
{
	d->starting++;
	d->started_us = clock_mono_us();
}

/* Whether there is work for one more than those that get on with theirs. */
static bool
one_more(struct dispatch *d)
{
	unsigned wanted = senders_wanted(d), starting = d->starting, stuck = 0;
	int64_t now = clock_mono_us();

	if (d->senders >= d->max_senders || now < d->again_us)
		return false;
	if (now - d->started_us > CONNECT_LONG_US) {
		stuck = starting;
		starting = 0;
	}
	for (struct delivery_state *s = d->taken; s != NULL; s = s->next)
		stuck += is_stuck(d, s, now);
	return d->waiting > starting && d->senders < wanted + stuck;
}

void
dispatch_unlock(struct dispatch *d)
{
	bool spawn = d->waiting > 0 && d->idle == NULL && !d->paused &&
	    !d->stopping && one_more(d);

	if (spawn) {
		d->senders++;
		dispatch_starts(d);
	}
	(void)pthread_mutex_unlock(&d->lock);
	if (spawn)
		d->spawn(d->arg);
}

void
dispatch_max_senders(struct dispatch *d, unsigned max)
{
	dispatch_lock(d);
	d->max_senders = max;
	dispatch_unlock(d);
}

void
taken_add(struct dispatch *d, struct delivery_state *s)
{
	s->taken_us = clock_mono_us();
	s->next = d->taken;
	d->taken = s;
	d->ntaken++;
}

void
taken_remove(struct dispatch *d, struct delivery_state *s)
{
	struct delivery_state **at = &d->taken;
	int64_t took = clock_mono_us() - s->taken_us;

	while (*at != s)
		at = &(*at)->next;
	*at = s->next;
	d->ntaken--;
	/* What was stuck says little about the next one. */
	if (took > busy_max_us(d))
		took = busy_max_us(d);
	d->busy_us += (took - d->busy_us) / 8;
}

/*
 * Jacobson's estimate (RFC 6298 section 2): mean and mean deviation, an eighth
 * and a quarter at a time.
 */
void
dispatch_prepared(struct dispatch *d, int64_t took_us)
{
	int64_t off;

	dispatch_lock(d);
	off = took_us - d->mean_us;
	d->mean_us += off / 8;
	d->deviation_us += ((off < 0 ? -off : off) - d->deviation_us) / 4;
	dispatch_unlock(d);
}
