/* SPDX-License-Identifier: BSD-2-Clause */
#include "config.h"

#include "lmtp/arrival.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/clock.h"
#include "core/log.h"
#include "core/mem.h"

#define JOURNAL_WITHIN_US (60 * US_PER_SEC)

/* Without data it may be RSET that is to be answered, for which Postfix waits
 * 20 s (lmtp_rset_timeout); then it drops the connection. */
#define WITHOUT_DATA_WITHIN_US (15 * US_PER_SEC)

/* Who handed it to the MTA: the milter knows it from the MTA's first hop. */
static void
client_words(const struct session *s, const struct origin *origin, char *words,
    size_t size)
{
	if (origin != NULL && origin->client[0] != '\0')
		(void)snprintf(words, size, "%s", origin->client);
	else if (s->xforward.addr[0] != '\0' || s->xforward.name[0] != '\0')
		(void)snprintf(words, size, "%s[%s]", s->xforward.name,
		    s->xforward.addr);
	else if (!s->is_unix)
		(void)snprintf(words, size, "[%s]", s->peer);
	else
		words[0] = '\0';
}

/* What was decided before the dot, as the journal wants it. */
static void
fill(struct record_rcpt *to, const struct recipient *r)
{
	struct address key;

	address_key(&r->address, &key);
	to->address = mem_strdup(r->raw != NULL ? r->raw : key.text);
	if (!r->accepted) {
		to->refused = true;
		to->code = r->verdict.code;
		to->dsn = r->verdict.dsn;
		to->reply = r->verdict.text;
	}
}

static bool
wanted(const struct recipient *r)
{
	return r->same == NULL && !r->counted_only;
}

static void
fill_rcpts(struct transaction *txn, struct arrival *a)
{
	a->rcpts = mem_array(txn->nrcpts, sizeof(*a->rcpts));
	a->record.rcpts = a->rcpts;
	for (size_t i = 0; i < txn->nrcpts; i++)
		if (wanted(txn->rcpts[i]))
			fill(&a->rcpts[a->record.nrcpts++], txn->rcpts[i]);
}

static void
give_numbers(struct transaction *txn, const struct arrival *a)
{
	size_t next = 0;

	for (size_t i = 0; i < txn->nrcpts; i++) {
		if (wanted(txn->rcpts[i]))
			txn->rcpts[i]->n = a->rcpts[next++].n;
		else if (txn->rcpts[i]->same != NULL)
			txn->rcpts[i]->n = txn->rcpts[i]->same->n;
	}
}

/*
 * A journal in trouble may recover, but not for longer than the MTA is to wait.
 */
static int64_t
journal_within_us(const struct session *s, bool has_data)
{
	int64_t most = has_data ? JOURNAL_WITHIN_US : WITHOUT_DATA_WITHIN_US;
	int64_t us = s->conf->lmtp.answer_within;

	return us < most ? us : most;
}

int
arrival_journal(struct session *s, const struct message *message,
    const struct gate_output *gate, struct arrival *a, struct err *err)
{
	unsigned char digest[SHA256_LEN];
	const char *queue_ids = gate != NULL ? gate->queue_ids.data :
					       s->xforward.ident;
	char client[340];
	struct record_arrival *r = &a->record;
	const struct origin *origin = gate != NULL ? gate->origin : NULL;
	int rc;

	memset(a, 0, sizeof(*a));
	fill_rcpts(s->txn, a);
	r->id = uuid_new();
	r->sender = s->txn->sender.text;
	r->repeat_window_us = s->conf->store.repeat_window;
	client_words(s, origin, client, sizeof(client));
	r->client = client[0] != '\0' ? client : NULL;
	r->queue_ids = queue_ids[0] != '\0' ? queue_ids : NULL;
	if (message != NULL) {
		message_digest(message, digest);
		r->size = message_size(message);
	}
	if (gate != NULL) {
		r->digest = gate->has_received ? digest : NULL;
		r->from = gate->from.len > 0 ? gate->from.data : NULL;
		r->message_id = gate->message_id;
		r->repairs = gate->repairs.len > 0 ? gate->repairs.data : NULL;
		if (origin != NULL) {
			r->original = origin->original;
			r->user = origin->user[0] != '\0' ? origin->user : NULL;
		}
		if (gate->sender.text[0] != '\0' &&
		    strcmp(gate->sender.text, s->txn->sender.text) != 0)
			r->rewritten = gate->sender.text;
	}
	rc = record_arrival(s->server->journal, r,
	    clock_mono_us() + journal_within_us(s, message != NULL), err);
	r->digest = NULL; /* and the other pointers into this frame */
	r->client = r->queue_ids = NULL;
	s->txn->journalled = true;
	if (rc == 0)
		give_numbers(s->txn, a);
	return rc;
}

void
arrival_free(struct arrival *a)
{
	for (size_t i = 0; i < a->record.nrcpts; i++) {
		free((void *)(uintptr_t)a->rcpts[i].address);
		free(a->rcpts[i].ses_id);
	}
	free(a->rcpts);
}

/*
 * Refusals for the full day are not journalled one by one: the MTA comes back
 * with them again and again.
 */
bool
arrival_without_data(struct session *s)
{
	struct arrival a;
	bool any = false;
	struct err err;

	for (size_t i = 0; i < s->txn->nrcpts; i++)
		any = any || (wanted(s->txn->rcpts[i]) &&
		    !s->txn->rcpts[i]->accepted);
	if (!any)
		return false;
	for (size_t i = 0; i < s->txn->nrcpts; i++)
		if (s->txn->rcpts[i]->accepted)
			s->txn->rcpts[i]->counted_only = true;
	if (arrival_journal(s, NULL, NULL, &a, &err) == -1)
		log_error(NULL, "journal", "outcome", "refused", "reason",
		    err.text);
	arrival_free(&a);
	return true;
}
