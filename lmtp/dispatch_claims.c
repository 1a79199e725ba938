/* SPDX-License-Identifier: BSD-2-Clause */
#include "config.h"

#include "lmtp/dispatch_parts.h"

#include <string.h>

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

struct delivery_state *
claims_find(struct dispatch *d, const unsigned char *digest,
    const struct address *key)
{
	struct delivery_state *s = *chain(d, digest, key);

	while (s != NULL && (memcmp(s->digest, digest, SHA256_LEN) != 0 ||
	    strcmp(s->key.text, key->text) != 0))
		s = s->table_next;
	return s;
}

void
claims_add(struct dispatch *d, struct delivery_state *s)
{
	struct delivery_state **head = chain(d, s->digest, &s->key);

	s->table_next = *head;
	*head = s;
	s->in_table = true;
}

void
claims_remove(struct dispatch *d, struct delivery_state *s)
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
