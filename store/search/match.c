/* SPDX-License-Identifier: BSD-2-Clause */
#include "config.h"

#include "store/search/match.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "store/search/term.h"

static bool
same(const char *wanted, const char *value)
{
	return wanted == NULL ||
	    (value != NULL && strcasecmp(wanted, value) == 0);
}

static bool
among(const char *wanted, const char *names)
{
	const char *name;
	size_t len;

	if (wanted == NULL)
		return true;
	while (names != NULL && search_name(&names, &name, &len))
		if (strlen(wanted) == len &&
		    strncasecmp(wanted, name, len) == 0)
			return true;
	return false;
}

static bool
client_is(const char *wanted, const char *client)
{
	char *address;
	bool is;

	if (same(wanted, client))
		return true;
	address = client != NULL ? search_client_address(client) : NULL;
	is = address != NULL && same(wanted, address);
	free(address);
	return is;
}

static bool
domain_is(const char *wanted, const char *recipient)
{
	const char *at = recipient != NULL ? strrchr(recipient, '@') : NULL;

	return wanted == NULL || (at != NULL && same(wanted, at + 1));
}

bool
search_match(const struct search_filter *f, const struct search_hit *h,
    const char *envelope_sender, const char *from)
{
	bool from_him = same(f->sender, h->sender) ||
	    same(f->sender, h->original_sender) || same(f->sender, h->user) ||
	    same(f->sender, envelope_sender) || among(f->sender, from);

	return from_him && same(f->recipient, h->recipient) &&
	    domain_is(f->domain, h->recipient) &&
	    client_is(f->client, h->client) && same(f->user, h->user) &&
	    among(f->queue_id, h->queue_ids) &&
	    same(f->message_id, h->message_id) && same(f->state, h->state) &&
	    same(f->feedback, h->feedback) &&
	    (f->since_us == 0 || h->received_at >= f->since_us) &&
	    (f->until_us == 0 || h->received_at < f->until_us);
}
