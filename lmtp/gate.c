/* SPDX-License-Identifier: BSD-2-Clause */
#include "config.h"

#include "lmtp/gate.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/cut.h"
#include "identity/senders.h"
#include "lmtp/gate_parts.h"

/*
 * The flow, and how a refusal is worded.
 */

/* RFC 5321 section 6.3 asks for a limit of at least 100 to find loops; each
 * round of one costs the sender quota, and no real path has half of this. */
#define RECEIVED_MAX 50

#define FROM_MAX 4096
#define REPAIRS_MAX 1500

enum gate_result
gate_answer(struct gate_reply *reply, unsigned code, const char *dsn,
    const char *fmt, ...)
{
	va_list ap;

	reply->code = code;
	(void)snprintf(reply->dsn, sizeof(reply->dsn), "%s", dsn);
	va_start(ap, fmt);
	cut_vprintf(reply->text, sizeof(reply->text), fmt, ap);
	va_end(ap);
	for (char *p = reply->text; *p != '\0'; p++)
		if (*p < ' ' || *p >= 0x7f)
			*p = '?';
	return code < 500 ? GATE_DEFER : GATE_REFUSE;
}

static void
take_message_id(struct gate *g)
{
	struct gate_field *field = gate_field(g, "Message-ID");
	struct buf id;

	if (field == NULL)
		return;
	buf_init(&id, HEADER_LINE_MAX);
	header_text(&field->f, &id);
	g->out->message_id = buf_take(&id);
}

/* A line that is no field would begin the body for some readers and be skipped
 * by others: nobody can say what the sender meant. */
static enum gate_result
check_shape(struct gate *g, size_t received)
{
	if (g->garbage != NULL) {
		size_t len = strcspn(g->garbage, "\r\n");

		return gate_answer(g->reply, 550, "5.6.0",
		    "a line of the header is no header field: %.*s",
		    (int)(len < 60 ? len : cut_length(g->garbage, 60)),
		    g->garbage);
	}
	if (received > RECEIVED_MAX)
		return gate_answer(g->reply, 554, "5.4.6",
		    "too many hops (%zu Received headers): is this a mail "
		    "loop?", received);
	return GATE_PASS;
}

static enum gate_result
run(struct gate *g)
{
	const struct gate_field *from = gate_field(g, "From");
	size_t received = gate_trace(g);
	enum gate_result result;

	g->out->has_received = received > 0;
	g->out->sender = *g->in->sender;
	if (from != NULL)
		senders_list(&from->f, &g->out->from);
	take_message_id(g);
	gate_origin(g);
	if ((result = check_shape(g, received)) == GATE_PASS &&
	    (result = gate_headers_mend(g)) == GATE_PASS &&
	    (result = gate_senders(g)) == GATE_PASS)
		result = gate_headers_write(g);
	return result;
}

static void
gate_init(struct gate *g)
{
	struct buf *own[] = { &g->extra, &g->quoted, &g->dropped,
		&g->collapsed, &g->encoded, &g->folded };

	for (size_t i = 0; i < sizeof(own) / sizeof(own[0]); i++)
		buf_init(own[i], 4 * MESSAGE_HEADER_MAX);
}

static void
gate_free(struct gate *g)
{
	struct buf *own[] = { &g->extra, &g->quoted, &g->dropped,
		&g->collapsed, &g->encoded, &g->folded };

	for (size_t i = 0; i < sizeof(own) / sizeof(own[0]); i++)
		buf_free(own[i]);
	for (size_t i = 0; i < g->n; i++)
		buf_free(&g->fields[i].instead);
	free(g->fields);
}

enum gate_result
gate_check(const struct gate_input *in, struct gate_output *out,
    struct gate_reply *reply)
{
	struct gate g = { .in = in, .out = out, .reply = reply };
	const char *data;
	size_t len;
	enum gate_result result;

	memset(out, 0, sizeof(*out));
	memset(reply, 0, sizeof(*reply));
	buf_init(&out->head, 0);
	buf_init(&out->tags, 0);
	buf_init(&out->from, FROM_MAX);
	buf_init(&out->queue_ids, 0);
	buf_init(&out->repairs, REPAIRS_MAX);
	if ((data = message_header(in->message, &len)) == NULL)
		return gate_answer(reply, 552, "5.3.4",
		    "the header section is larger than %d KB",
		    MESSAGE_HEADER_MAX / 1024);
	gate_init(&g);
	gate_headers_read(&g, data, len);
	result = run(&g);
	gate_free(&g);
	return result;
}

void
gate_output_free(struct gate_output *out)
{
	buf_free(&out->head);
	buf_free(&out->tags);
	buf_free(&out->from);
	buf_free(&out->queue_ids);
	buf_free(&out->repairs);
	free(out->message_id);
	free(out->origin);
	out->message_id = NULL;
	out->origin = NULL;
}

enum gate_result
gate_recipient(const struct rewrite_rules *rules, const struct address *rcpt,
    struct gate_reply *reply)
{
	const struct verified *verified = rules->verified;
	const struct conf *conf = rules->conf;

	if (!conf->identities.sandbox || verified_none(verified) ||
	    verified_by(verified, rcpt) != NULL || address_is_simulator(rcpt))
		return GATE_PASS;
	return gate_answer(reply, 550, "5.7.1",
	    "<%s> is not verified, and this SES account may write to verified "
	    "recipients only; verify it and add it to %s, or once SES has let "
	    "the account out of its sandbox set identities sandbox = no "
	    "(see: postern identities %s)", rcpt->text,
	    conf->identities.file, address_pasteable(rcpt));
}
