/* SPDX-License-Identifier: BSD-2-Clause */
#include "config.h"

#include "lmtp/gate_parts.h"

#include <string.h>

#include "identity/senders.h"

/*
 * Who may send: envelope sender, From and Sender, by the rules that the milter
 * goes by as well (rewrite.h, senders.h). Most mail has been through it, and
 * passes.
 */

static enum gate_result
null_sender(struct gate *g)
{
	struct err err;

	if (rewrite_null_sender(g->in->rules, &g->out->sender, &err) == -1)
		return gate_answer(g->reply, 451, "4.3.5", "%s", err.text);
	gate_word(g, "null-sender");
	return GATE_PASS;
}

static enum gate_result
check_envelope(struct gate *g)
{
	const struct address *sender = g->in->sender;
	struct rewrite_decision d;

	if (sender->text[0] == '\0')
		return null_sender(g);
	rewrite_sender(g->in->rules, sender->text, strlen(sender->text),
	    g->in->wall_us, &d);
	switch (d.action) {
	case REWRITE_PASS:
		return GATE_PASS;
	case REWRITE_REPLACE:
		g->out->sender = d.to;
		gate_word(g, "envelope=replaced");
		return GATE_PASS;
	case REWRITE_REJECT:
	case REWRITE_DEFER:
		break;
	}
	return gate_answer(g->reply, d.action == REWRITE_DEFER ? 451 : 550,
	    d.dsn, "envelope sender <%s> %s", sender->text, d.why);
}

static void
put_in_place(struct gate *g, const char *name, const struct buf *instead,
    bool quoted)
{
	if (instead->len > 0)
		buf_add(&gate_field(g, name)->instead, instead->data,
		    instead->len);
	if (quoted)
		gate_note(&g->quoted, name, strlen(name));
}

static enum gate_result
check_fields(struct gate *g, const struct senders_fields *fields)
{
	bool null = g->in->sender->text[0] == '\0';
	struct senders_input in = {
		.rules = g->in->rules,
		.fields = fields,
		.instead = null ? &g->out->sender : NULL,
		.wall_us = g->in->wall_us,
	};
	enum gate_result result = GATE_PASS;
	struct senders_output out;

	if (senders_judge(&in, &out) == -1) {
		result = gate_answer(g->reply, out.code, out.dsn, "%s",
		    out.text);
	} else {
		put_in_place(g, "From", &out.from, out.from_quoted);
		put_in_place(g, "Sender", &out.sender, out.sender_quoted);
		buf_add(&g->extra, out.extra.data, out.extra.len);
		if (out.from_replaced)
			gate_word(g, "from=replaced");
		if (out.sender_replaced)
			gate_word(g, "sender=replaced");
	}
	senders_output_free(&out);
	return result;
}

enum gate_result
gate_senders(struct gate *g)
{
	struct senders_fields fields = { .differ = NULL };
	enum gate_result result;

	for (size_t i = 0; i < g->n; i++)
		if (!g->fields[i].dropped)
			senders_see(&fields, &g->fields[i].f);
	if (fields.from.name_len == 0)
		return gate_answer(g->reply, 550, "5.6.0",
		    "the message has no From header");
	result = check_envelope(g);
	return result == GATE_PASS ? check_fields(g, &fields) : result;
}
