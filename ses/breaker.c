/* SPDX-License-Identifier: BSD-2-Clause */
#include "config.h"

#include "ses/breaker.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "core/clock.h"
#include "core/cut.h"
#include "core/mem.h"

/*
 * A list, not a hash: it is empty nearly always, and its length is the number
 * of things that are broken at the moment. A bound keeps a flood of senders
 * without permission from growing it: what comes beyond is asked of SES each
 * time, until one that nobody has sent from for long gives up its place.
 */
#define SENDERS_MAX 256

struct breaker {
	struct breaker *next;
	char *key;
	struct trouble trouble;
	int64_t probe_us;    /* when the next probe may go */
	int64_t interval_us; /* and how long after that the one after it */
	bool probing;
	bool of_sender;
};

struct breakers {
	pthread_mutex_t lock;
	struct breaker *first;
	size_t nsenders;
	breaker_changed_fn *changed;
	void *arg;
};

struct breakers *
breakers_new(breaker_changed_fn *changed, void *arg)
{
	struct breakers *b = mem_new(sizeof(*b));

	(void)pthread_mutex_init(&b->lock, NULL);
	b->changed = changed;
	b->arg = arg;
	return b;
}

static void
breaker_free(struct breaker *one)
{
	free(one->key);
	free(one);
}

void
breakers_free(struct breakers *b)
{
	struct breaker *one;

	if (b == NULL)
		return;
	while ((one = b->first) != NULL) {
		b->first = one->next;
		breaker_free(one);
	}
	(void)pthread_mutex_destroy(&b->lock);
	free(b);
}

static struct breaker **
find(struct breakers *b, const char *key)
{
	struct breaker **at = &b->first;

	while (*at != NULL && strcasecmp((*at)->key, key) != 0)
		at = &(*at)->next;
	return at;
}

static struct breaker *
take_out(struct breakers *b, struct breaker **at)
{
	struct breaker *one = *at;

	if (one != NULL) {
		*at = one->next;
		b->nsenders -= one->of_sender;
	}
	return one;
}

/* The sender's whose probe has been due for longest, if it is for long. */
static struct breaker *
take_forgotten(struct breakers *b)
{
	int64_t due = clock_mono_us() - BREAKER_PROBE_MAX_US;
	struct breaker **forgotten = NULL;

	for (struct breaker **at = &b->first; *at != NULL; at = &(*at)->next)
		if ((*at)->of_sender && (*at)->probe_us < due) {
			due = (*at)->probe_us;
			forgotten = at;
		}
	return forgotten != NULL ? take_out(b, forgotten) : NULL;
}

static struct breaker *
add(struct breakers *b, const char *key, bool of_sender)
{
	struct breaker *one = mem_new(sizeof(*one));

	one->key = mem_strdup(key);
	one->interval_us = BREAKER_PROBE_FIRST_US;
	one->probe_us = clock_mono_us() + one->interval_us;
	one->of_sender = of_sender;
	one->next = b->first;
	b->first = one;
	b->nsenders += of_sender;
	return one;
}

static bool
ask(struct breakers *b, const char *key, struct trouble *trouble_r,
    bool claim)
{
	struct breaker *one;
	bool may = true;
	int64_t now;

	(void)pthread_mutex_lock(&b->lock);
	if ((one = *find(b, key)) != NULL) {
		now = clock_mono_us();
		may = now >= one->probe_us;
		if (may && claim) {
			one->probe_us = now + one->interval_us;
			one->probing = true;
		}
		if (!may && trouble_r != NULL)
			*trouble_r = one->trouble;
	}
	(void)pthread_mutex_unlock(&b->lock);
	return may;
}

bool
breaker_ask(struct breakers *b, const char *key, struct trouble *trouble_r)
{
	return ask(b, key, trouble_r, true);
}

bool
breaker_peek(struct breakers *b, const char *key, struct trouble *trouble_r)
{
	return ask(b, key, trouble_r, false);
}

bool
breaker_is_open(struct breakers *b, const char *key)
{
	bool open;

	(void)pthread_mutex_lock(&b->lock);
	open = *find(b, key) != NULL;
	(void)pthread_mutex_unlock(&b->lock);
	return open;
}

void
breaker_fail(struct breakers *b, const char *key, enum ses_class class,
    const char *cause)
{
	bool of_sender = class == SES_DENIED || class == SES_MAIL_FROM;
	struct breaker *one, *forgotten = NULL;
	bool opened = false;

	(void)pthread_mutex_lock(&b->lock);
	one = *find(b, key);
	if (one == NULL) {
		if (of_sender && b->nsenders == SENDERS_MAX &&
		    (forgotten = take_forgotten(b)) == NULL) {
			(void)pthread_mutex_unlock(&b->lock);
			return;
		}
		one = add(b, key, of_sender);
		opened = true;
	} else if (one->probing || clock_mono_us() >= one->probe_us) {
		/*
		 * Failures of those under way when it opened change nothing. A
		 * connect for want of credentials is a probe that nobody
		 * claimed.
		 */
		one->probing = false;
		one->interval_us *= 2;
		if (one->interval_us > BREAKER_PROBE_MAX_US)
			one->interval_us = BREAKER_PROBE_MAX_US;
		one->probe_us = clock_mono_us() + one->interval_us;
	}
	one->trouble.class = class;
	cut_copy(one->trouble.text, sizeof(one->trouble.text), cause);
	(void)pthread_mutex_unlock(&b->lock);
	if (forgotten != NULL) {
		b->changed(b->arg, forgotten->key, false,
		    "forgotten, since there is no mail from it");
		breaker_free(forgotten);
	}
	if (opened)
		b->changed(b->arg, key, true, cause);
}

void
breaker_ok(struct breakers *b, const char *key)
{
	struct breaker *one;

	(void)pthread_mutex_lock(&b->lock);
	one = take_out(b, find(b, key));
	(void)pthread_mutex_unlock(&b->lock);
	if (one == NULL)
		return;
	b->changed(b->arg, key, false, "");
	breaker_free(one);
}

void
breakers_reset(struct breakers *b, const char *why)
{
	struct breaker *all, *one;

	(void)pthread_mutex_lock(&b->lock);
	all = b->first;
	b->first = NULL;
	b->nsenders = 0;
	(void)pthread_mutex_unlock(&b->lock);
	while ((one = all) != NULL) {
		all = one->next;
		b->changed(b->arg, one->key, false, why);
		breaker_free(one);
	}
}

void
breakers_each(struct breakers *b,
    void (*fn)(void *arg, const char *key, const char *cause, int64_t probe_us),
    void *arg)
{
	(void)pthread_mutex_lock(&b->lock);
	for (struct breaker *one = b->first; one != NULL; one = one->next)
		fn(arg, one->key, one->trouble.text, one->probe_us);
	(void)pthread_mutex_unlock(&b->lock);
}
