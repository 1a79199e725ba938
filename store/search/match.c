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

/* An address or a domain of len bytes, however either is written. */
static bool
same_name(enum term_kind kind, const char *wanted, const char *name, size_t len)
{
	char *a = search_ascii(kind, wanted, strlen(wanted));
	char *b = search_ascii(kind, name, len);
	const char *x = a != NULL ? a : wanted, *y = b != NULL ? b : name;
	size_t y_len = b != NULL ? strlen(b) : len;
	bool is = strlen(x) == y_len && strncasecmp(x, y, y_len) == 0;

	free(a);
	free(b);
	return is;
}

static bool
same_address(enum term_kind kind, const char *wanted, const char *value)
{
	return wanted == NULL ||
	    (value != NULL && same_name(kind, wanted, value, strlen(value)));
}

static bool
among(enum term_kind kind, const char *wanted, const char *names)
{
	const char *name;
	size_t len;

	if (wanted == NULL)
		return true;
	while (names != NULL && search_name(&names, &name, &len))
		if (same_name(kind, wanted, name, len))
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

	return same_address(TERM_DOMAIN, wanted, at != NULL ? at + 1 : NULL);
}

/* Any of a message's. */
static bool
sender_is(const char *wanted, const struct search_hit *h,
    const char *envelope_sender, const char *from)
{
	const char *const senders[] = { h->sender, h->original_sender, h->user,
		envelope_sender };

	for (size_t i = 0; i < sizeof(senders) / sizeof(senders[0]); i++)
		if (same_address(TERM_SENDER, wanted, senders[i]))
			return true;
	return among(TERM_SENDER, wanted, from);
}

bool
search_match(const struct search_filter *f, const struct search_hit *h,
    const char *envelope_sender, const char *from)
{
	return sender_is(f->sender, h, envelope_sender, from) &&
	    same_address(TERM_RECIPIENT, f->recipient, h->recipient) &&
	    domain_is(f->domain, h->recipient) &&
	    client_is(f->client, h->client) && same(f->user, h->user) &&
	    among(TERM_QUEUE_ID, f->queue_id, h->queue_ids) &&
	    same(f->message_id, h->message_id) && same(f->state, h->state) &&
	    same(f->feedback, h->feedback) &&
	    (f->since_us == 0 || h->received_at >= f->since_us) &&
	    (f->until_us == 0 || h->received_at < f->until_us);
}
