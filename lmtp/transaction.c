/* SPDX-License-Identifier: BSD-2-Clause */
#include "config.h"

#include "lmtp/transaction.h"

#include <stdlib.h>
#include <string.h>

#include "core/mem.h"

struct transaction *
transaction_new(const struct address *sender)
{
	struct transaction *t = mem_new(sizeof(*t));

	t->sender = *sender;
	return t;
}

void
transaction_free(struct transaction *t)
{
	if (t == NULL)
		return;
	for (size_t i = 0; i < t->nrcpts; i++) {
		free(t->rcpts[i]->raw);
		free(t->rcpts[i]);
	}
	free(t->rcpts);
	free(t);
}

struct recipient *
transaction_add(struct transaction *t, const struct address *address)
{
	struct recipient *r = mem_new(sizeof(*r));

	if (t->nrcpts == t->cap) {
		t->cap = t->cap > 0 ? t->cap * 2 : 8;
		t->rcpts = mem_grow(t->rcpts, t->cap, sizeof(*t->rcpts));
	}
	r->address = *address;
	t->rcpts[t->nrcpts++] = r;
	return r;
}

/* Linear: lmtp.max-recipients bounds it, and most messages have one. */
struct recipient *
transaction_find(const struct transaction *t, const struct address *address)
{
	struct address key, other;

	address_key(address, &key);
	for (size_t i = 0; i < t->nrcpts; i++) {
		if (!t->rcpts[i]->accepted || t->rcpts[i]->same != NULL)
			continue;
		address_key(&t->rcpts[i]->address, &other);
		if (strcmp(key.text, other.text) == 0)
			return t->rcpts[i];
	}
	return NULL;
}
