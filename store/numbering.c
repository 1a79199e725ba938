/* SPDX-License-Identifier: BSD-2-Clause */
#include "config.h"

#include "store/numbering.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "core/mem.h"

struct slot {
	char *text; /* NULL: the slot is free */
	unsigned n;
};

/* Open addressing; never more than half full. */
struct numbering {
	struct slot *slots;
	size_t cap, used;
};

static size_t
hash(const char *s)
{
	uint64_t h = 14695981039346656037u; /* FNV-1a */

	for (; *s != '\0'; s++)
		h = (h ^ (unsigned char)*s) * 1099511628211u;
	return (size_t)(h ^ h >> 32);
}

static struct slot *
slot_for(const struct numbering *nb, const char *text)
{
	size_t i = hash(text) & (nb->cap - 1);

	while (nb->slots[i].text != NULL &&
	    strcmp(nb->slots[i].text, text) != 0)
		i = (i + 1) & (nb->cap - 1);
	return &nb->slots[i];
}

static void
set_capacity(struct numbering *nb, size_t cap)
{
	struct slot *old = nb->slots;
	size_t n = nb->cap;

	nb->slots = mem_array(cap, sizeof(*nb->slots));
	nb->cap = cap;
	for (size_t i = 0; i < n; i++)
		if (old[i].text != NULL)
			*slot_for(nb, old[i].text) = old[i];
	free(old);
}

struct numbering *
numbering_new(size_t expected)
{
	struct numbering *nb = mem_new(sizeof(*nb));
	size_t cap = 8;

	while (cap < 2 * expected)
		cap *= 2;
	set_capacity(nb, cap);
	return nb;
}

void
numbering_free(struct numbering *nb)
{
	if (nb == NULL)
		return;
	for (size_t i = 0; i < nb->cap; i++)
		free(nb->slots[i].text);
	free(nb->slots);
	free(nb);
}

unsigned
numbering_find(const struct numbering *nb, const char *text)
{
	return slot_for(nb, text)->n;
}

void
numbering_add(struct numbering *nb, const char *text, unsigned n)
{
	struct slot *slot;

	if (2 * (nb->used + 1) > nb->cap)
		set_capacity(nb, 2 * nb->cap);
	slot = slot_for(nb, text);
	if (slot->text == NULL) {
		slot->text = mem_strdup(text);
		nb->used++;
	}
	slot->n = n;
}
