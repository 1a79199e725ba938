/* SPDX-License-Identifier: BSD-2-Clause */
#include "config.h"

#include "lmtp/transaction.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

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

/* As their keys would be, which are copies. */
static bool
same_mailbox(const struct address *a, const struct address *b)
{
	return a->local_len == b->local_len &&
	    memcmp(a->text, b->text, a->local_len) == 0 &&
	    strcasecmp(address_domain(a), address_domain(b)) == 0;
}

/* Linear: lmtp.max-recipients bounds it, and most messages have one. */
struct recipient *
transaction_find(const struct transaction *t, const struct address *address)
{
	for (size_t i = 0; i < t->nrcpts; i++)
		if (t->rcpts[i]->accepted && t->rcpts[i]->same == NULL &&
		    same_mailbox(&t->rcpts[i]->address, address))
			return t->rcpts[i];
	return NULL;
}
