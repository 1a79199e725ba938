/* SPDX-License-Identifier: BSD-2-Clause */
#include "config.h"

#include "sandbox/record.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "core/clock.h"
#include "core/json.h"
#include "core/mem.h"

/*
 * Lists are rings: entry number n (from 1) of a list stands in items[(n - 1) %
 * cap], and those in (next - kept, next] are there. Rings grow up to keep.
 */
struct list {
	char **items;
	uint64_t cap;
	uint64_t last; /* number of the latest entry */
	uint64_t kept;
};

struct kind {
	const char *name;
	int64_t n;
};

enum { KINDS_MAX = 32 };

struct record {
	pthread_mutex_t lock;
	pthread_cond_t changed;
	unsigned waiting;
	bool stopped;
	uint64_t keep;
	int64_t counters[COUNTER_COUNT];
	struct list lists[RECORD_LISTS];
	struct kind kinds[KINDS_MAX];
};

static const char *const names[COUNTER_COUNT] = { "connections", "open",
	"turned_away", "tls", "tls_failed", "auth", "auth_failed",
	"transactions", "messages", "recipients", "bytes", "refusals",
	"throttled_rate", "throttled_day", "throttled_sigv2", "violations",
	"faults", "timeouts", "session_caps", "quits", "hangups", "events" };

static const enum counter list_counter[RECORD_LISTS] = {
	[RECORD_MESSAGES] = COUNTER_MESSAGES,
	[RECORD_REFUSALS] = COUNTER_REFUSALS,
	[RECORD_VIOLATIONS] = COUNTER_VIOLATIONS,
};

struct record *
record_new(uint64_t keep)
{
	struct record *r = mem_new(sizeof(*r));

	(void)pthread_mutex_init(&r->lock, NULL);
	clock_cond_init(&r->changed);
	r->keep = keep;
	return r;
}

static void
list_clear(struct list *l)
{
	for (uint64_t i = 0; i < l->cap; i++)
		free(l->items[i]);
	free(l->items);
	*l = (struct list){ .items = NULL };
}

void
record_free(struct record *r)
{
	for (int i = 0; i < RECORD_LISTS; i++)
		list_clear(&r->lists[i]);
	(void)pthread_cond_destroy(&r->changed);
	(void)pthread_mutex_destroy(&r->lock);
	free(r);
}

static void
count(struct record *r, enum counter c, int64_t n)
{
	r->counters[c] += n;
	if (r->waiting > 0)
		(void)pthread_cond_broadcast(&r->changed);
}

void
record_count(struct record *r, enum counter c, int64_t n)
{
	(void)pthread_mutex_lock(&r->lock);
	count(r, c, n);
	(void)pthread_mutex_unlock(&r->lock);
}

int64_t
record_counter(struct record *r, enum counter c)
{
	int64_t n;

	(void)pthread_mutex_lock(&r->lock);
	n = r->counters[c];
	(void)pthread_mutex_unlock(&r->lock);
	return n;
}

enum counter
record_counter_named(const char *name)
{
	int c;

	for (c = 0; c < COUNTER_COUNT; c++)
		if (strcmp(names[c], name) == 0)
			break;
	return (enum counter)c;
}

/* Until the ring has its final size nothing has been overwritten, so that
 * entry n is simply items[n - 1]. */
static void
list_grow(struct list *l, uint64_t keep)
{
	uint64_t cap = l->cap > 0 ? l->cap * 2 : 256;

	if (cap > keep)
		cap = keep;
	l->items = mem_grow(l->items, (size_t)cap, sizeof(*l->items));
	for (uint64_t i = l->cap; i < cap; i++)
		l->items[i] = NULL;
	l->cap = cap;
}

void
record_add(struct record *r, enum record_list which, struct buf *json)
{
	struct list *l = &r->lists[which];
	char **slot;

	(void)pthread_mutex_lock(&r->lock);
	if (l->kept == l->cap && l->cap < r->keep)
		list_grow(l, r->keep);
	l->last++;
	json_add_int(json, "n", (int64_t)l->last);
	json_close(json, '}');
	slot = &l->items[(l->last - 1) % l->cap];
	free(*slot);
	*slot = buf_take(json);
	if (l->kept < l->cap)
		l->kept++;
	count(r, list_counter[which], 1);
	(void)pthread_mutex_unlock(&r->lock);
}

void
record_violation_kind(struct record *r, const char *kind)
{
	struct kind *k = r->kinds;

	(void)pthread_mutex_lock(&r->lock);
	while (k < r->kinds + KINDS_MAX - 1 && k->name != NULL &&
	       strcmp(k->name, kind) != 0)
		k++;
	k->name = kind;
	k->n++;
	(void)pthread_mutex_unlock(&r->lock);
}

int64_t
record_wait(struct record *r, enum counter c, int64_t n, int64_t until_mono_us)
{
	int64_t value;

	(void)pthread_mutex_lock(&r->lock);
	r->waiting++;
	while (r->counters[c] < n && !r->stopped)
		if (clock_cond_wait(&r->changed, &r->lock, until_mono_us) == -1)
			break;
	r->waiting--;
	value = r->counters[c];
	(void)pthread_mutex_unlock(&r->lock);
	return value;
}

void
record_stop(struct record *r)
{
	(void)pthread_mutex_lock(&r->lock);
	r->stopped = true;
	(void)pthread_cond_broadcast(&r->changed);
	(void)pthread_mutex_unlock(&r->lock);
}

void
record_counters_json(struct record *r, struct buf *out)
{
	(void)pthread_mutex_lock(&r->lock);
	json_open(out, '{');
	for (int c = 0; c < COUNTER_COUNT; c++)
		json_add_int(out, names[c], r->counters[c]);
	json_close(out, '}');
	(void)pthread_mutex_unlock(&r->lock);
}

void
record_kinds_json(struct record *r, struct buf *out)
{
	(void)pthread_mutex_lock(&r->lock);
	json_open(out, '{');
	for (int i = 0; i < KINDS_MAX && r->kinds[i].name != NULL; i++)
		json_add_int(out, r->kinds[i].name, r->kinds[i].n);
	json_close(out, '}');
	(void)pthread_mutex_unlock(&r->lock);
}

/* At most this many entries a turn: sessions wait for the lock meanwhile. */
enum { ENTRIES_A_TURN = 500 };

/* Append entries above *since, which moves on; false when there are no more. */
static bool
list_some(struct record *r, struct list *l, uint64_t *since, struct buf *out)
{
	bool more;

	(void)pthread_mutex_lock(&r->lock);
	if (*since < l->last - l->kept)
		*since = l->last - l->kept;
	for (int i = 0; i < ENTRIES_A_TURN && *since < l->last; i++)
		json_raw(out, l->items[(*since)++ % l->cap]);
	more = *since < l->last;
	(void)pthread_mutex_unlock(&r->lock);
	return more;
}

void
record_list_json(
    struct record *r, enum record_list which, uint64_t since, struct buf *out)
{
	json_open(out, '[');
	while (list_some(r, &r->lists[which], &since, out))
		;
	json_close(out, ']');
}

void
record_reset(struct record *r)
{
	int64_t open;

	(void)pthread_mutex_lock(&r->lock);
	open = r->counters[COUNTER_OPEN];
	memset(r->counters, 0, sizeof(r->counters));
	r->counters[COUNTER_OPEN] = open;
	memset(r->kinds, 0, sizeof(r->kinds));
	for (int i = 0; i < RECORD_LISTS; i++)
		list_clear(&r->lists[i]);
	(void)pthread_mutex_unlock(&r->lock);
}
