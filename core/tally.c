/* SPDX-License-Identifier: BSD-2-Clause */
#include "config.h"

#include "core/tally.h"

#include <stdlib.h>
#include <string.h>

#include "core/mem.h"

/*
 * Rows in the order of their first mention, and a table of places in it, open
 * addressing, at most half full. A place is 1 more than the row's index.
 */
#define PLACES_FIRST 1024

struct tally {
	struct tally_row *rows;
	size_t n, cap;
	size_t *places, nplaces;
};

struct tally *
tally_new(void)
{
	struct tally *t = mem_new(sizeof(*t));

	t->nplaces = PLACES_FIRST;
	t->places = mem_array(t->nplaces, sizeof(*t->places));
	return t;
}

void
tally_free(struct tally *t)
{
	if (t == NULL)
		return;
	for (size_t i = 0; i < t->n; i++)
		free(t->rows[i].name);
	free(t->rows);
	free(t->places);
	free(t);
}

/* FNV-1a. Names come from mail: whoever makes them collide slows a report. */
static size_t
hash(const char *name)
{
	uint64_t h = 14695981039346656037u;

	for (; *name != '\0'; name++)
		h = (h ^ (unsigned char)*name) * 1099511628211u;
	return (size_t)(h ^ h >> 32);
}

/* Where a name is, or would be put. */
static size_t *
place_of(struct tally *t, const char *name)
{
	size_t i = hash(name) & (t->nplaces - 1);

	while (t->places[i] != 0 &&
	       strcmp(t->rows[t->places[i] - 1].name, name) != 0)
		i = (i + 1) & (t->nplaces - 1);
	return &t->places[i];
}

static void
widen(struct tally *t)
{
	free(t->places);
	t->nplaces *= 2;
	t->places = mem_array(t->nplaces, sizeof(*t->places));
	for (size_t i = 0; i < t->n; i++)
		*place_of(t, t->rows[i].name) = i + 1;
}

struct tally_row *
tally_at(struct tally *t, const char *name)
{
	size_t *place = place_of(t, name);

	if (*place == 0 && t->n >= TALLY_NAMES_MAX) {
		name = "(others)";
		place = place_of(t, name);
	}
	if (*place != 0)
		return &t->rows[*place - 1];
	if (t->n == t->cap) {
		t->cap = t->cap > 0 ? 2 * t->cap : 64;
		t->rows = mem_grow(t->rows, t->cap, sizeof(*t->rows));
	}
	t->rows[t->n] = (struct tally_row){ .name = mem_strdup(name) };
	*place = ++t->n;
	if (t->n * 2 > t->nplaces)
		widen(t);
	return &t->rows[t->n - 1];
}

size_t
tally_size(const struct tally *t)
{
	return t->n;
}

static int
by_name(const void *a, const void *b)
{
	const struct tally_row *x = a, *y = b;

	return strcmp(x->name, y->name);
}

static int
largest_first(const void *a, const void *b)
{
	const struct tally_row *x = a, *y = b;

	if (x->n[0] != y->n[0])
		return x->n[0] > y->n[0] ? -1 : 1;
	return by_name(a, b);
}

const struct tally_row *
tally_sorted(struct tally *t, enum tally_order order)
{
	if (t->n > 1)
		qsort(t->rows, t->n, sizeof(*t->rows),
		    order == TALLY_BY_NAME ? by_name : largest_first);
	return t->rows;
}
