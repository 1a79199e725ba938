/* SPDX-License-Identifier: BSD-2-Clause */
#include "config.h"

#include "lmtp/gate_parts.h"

#include <stdlib.h>
#include <string.h>

#include "core/mem.h"
#include "identity/origin.h"
#include "identity/senders.h"

/*
 * What the milter knew about the message. No field of that name leaves this
 * host: a mail user may have written it, and one that the milter sealed says
 * where the user sat.
 */

static const char *const words[] = {
	[ORIGIN_OK] = "sealed",
	[ORIGIN_MALFORMED] = "malformed",
	[ORIGIN_FORGED] = "forged",
	[ORIGIN_REPLAYED] = "replayed",
	[ORIGIN_STALE] = "stale",
};

static const char *
judge(struct gate *g, const struct header_field *f)
{
	const struct rewrite_rules *rules = g->in->rules;
	enum origin_result result;
	struct origin o;

	if (rules->secret == NULL)
		return "unread";
	result = origin_open(rules->secret, f->value, f->value_len,
	    g->out->queue_ids.data, g->in->wall_us,
	    rules->conf->store.repeat_window, &o);
	if (result != ORIGIN_OK)
		return words[result];
	if (g->out->origin != NULL)
		return "duplicated";
	g->out->origin = mem_new(sizeof(o));
	*g->out->origin = o;
	return words[ORIGIN_OK];
}

static bool
differs(const unsigned char mark[ORIGIN_MARK_LEN], const char *text)
{
	unsigned char now[ORIGIN_MARK_LEN];

	origin_mark(now, text);
	return memcmp(now, mark, sizeof(now)) != 0;
}

/* What mail servers have rewritten since: often rightly so. */
static void
compare(struct gate *g, struct buf *differ)
{
	const struct gate_field *from = gate_field(g, "From");
	const struct origin *o = g->out->origin;
	struct buf list;

	buf_init(&list, MESSAGE_HEADER_MAX);
	if (from != NULL)
		senders_list(&from->f, &list);
	if (differs(o->sender, g->in->sender->text))
		gate_note(differ, "sender", strlen("sender"));
	if (differs(o->from, list.len > 0 ? list.data : ""))
		gate_note(differ, "from", strlen("from"));
	if (differs(o->message_id,
		g->out->message_id != NULL ? g->out->message_id : ""))
		gate_note(differ, "message-id", strlen("message-id"));
	buf_free(&list);
}

void
gate_origin(struct gate *g)
{
	struct buf origins, differ;
	const char *word;

	buf_init(&origins, GATE_LIST_MAX);
	buf_init(&differ, GATE_LIST_MAX);
	for (size_t i = 0; i < g->n; i++) {
		if (!header_is(&g->fields[i].f, ORIGIN_FIELD))
			continue;
		word = judge(g, &g->fields[i].f);
		gate_note(&origins, word, strlen(word));
		g->fields[i].dropped = true;
	}
	if (g->out->origin != NULL)
		compare(g, &differ);
	gate_words(g, "origin", &origins);
	gate_words(g, "differ", &differ);
	buf_free(&origins);
	buf_free(&differ);
}
