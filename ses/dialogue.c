/* SPDX-License-Identifier: BSD-2-Clause */
#include "config.h"

#include "ses/dialogue.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/clock.h"
#include "core/utf8.h"

#define WORDS_US US_PER_SEC /* for the rest of what is half there */

/* Nobody's mail hangs on RSET, and a new connection is soon had. */
#define RESET_US (3 * US_PER_SEC)

static int64_t
earlier(int64_t a, int64_t b)
{
	return a < b ? a : b;
}

/* A command that must be answered with the given class of code. */
static int
step(struct connection *c, enum ses_phase phase, const char *line,
    unsigned want, int64_t deadline_us, struct ses_result *result)
{
	deadline_us = earlier(deadline_us,
	    clock_mono_us() + c->conf->ses.command_timeout);
	if (connection_command(c, phase, line, deadline_us, result) == -1)
		return -1;
	if (result->class != SES_OK)
		return -1;
	if (result->code / 100 != want / 100) {
		c->broken = true;
		result->class = SES_RECONNECT;
		return -1;
	}
	return 0;
}

/*
 * SIZE= and BODY= only where offered: parameters that were not are refused by
 * some servers, and live behaviour of SES with them is not known (SES facts
 * 15).
 */
static int
mail(struct connection *c, const struct ses_mail *m, int64_t deadline_us,
    struct ses_result *result)
{
	char line[ADDRESS_MAX + 80], size[40] = "";
	const char *body = "";
	size_t received_head = 0;

	if (c->offers_size) {
		(void)message_header(m->message, &received_head);
		(void)snprintf(size, sizeof(size), " SIZE=%llu",
		    (unsigned long long)(message_size(m->message) -
			received_head + m->head->len + strlen(m->extra)));
	}
	if (c->offers_8bitmime && message_8bit(m->message))
		body = " BODY=8BITMIME";
	(void)snprintf(line, sizeof(line), "MAIL FROM:<%s>%s%s", m->sender,
	    size, body);
	return step(c, SES_PHASE_MAIL, line, 250, deadline_us, result);
}

static int
lost(struct connection *c, enum ses_phase phase, const struct err *err,
    struct ses_result *result)
{
	c->broken = true;
	ses_error_classify(phase, err, result);
	return -1;
}

/*
 * It did not take all of it, and may have said why: that is the answer, unless
 * it is yes to half a message.
 */
static int
cut_short(struct connection *c, const struct err *err,
    struct ses_result *result)
{
	struct ses_reply reply;

	(void)stream_peer_gone(c->stream);
	if (stream_pending(c->stream) == 0 ||
	    connection_reply(c, SES_PHASE_BODY, clock_mono_us() + WORDS_US,
		&reply, result) == -1 ||
	    result->class == SES_OK)
		return lost(c, SES_PHASE_BODY, err, result);
	c->broken = true;
	return -1;
}

static int
content(struct connection *c, const struct ses_mail *m, int64_t deadline_us,
    struct ses_result *result)
{
	char scratch[MESSAGE_CHUNK]; /* touched only for large messages */
	uint64_t off = m->body_off;
	const char *data;
	struct err err;
	size_t len;
	int rc;

	stream_deadline(c->stream, earlier(deadline_us,
	    clock_mono_us() + c->conf->ses.data_timeout));
	stream_write(c->stream, m->extra, strlen(m->extra));
	stream_write(c->stream, m->head->data, m->head->len);
	while ((rc = message_read(m->message, off, scratch, &data, &len,
		    &err)) == 1) {
		stream_write(c->stream, data, len);
		off += len;
	}
	if (rc == 0)
		rc = stream_flush(c->stream, &err);
	return rc == -1 ? cut_short(c, &err, result) : 0;
}

int
dialogue_prepare(struct connection *c, const struct ses_mail *m,
    int64_t deadline_us, struct ses_result *result)
{
	char rcpt[ADDRESS_MAX + 16];

	memset(result, 0, sizeof(*result));
	if (mail(c, m, deadline_us, result) == -1)
		return -1;
	c->mid_message = true;
	(void)snprintf(rcpt, sizeof(rcpt), "RCPT TO:<%s>", m->recipient);
	if (step(c, SES_PHASE_RCPT, rcpt, 250, deadline_us, result) == -1 ||
	    step(c, SES_PHASE_DATA, "DATA", 354, deadline_us, result) == -1)
		return -1;
	return content(c, m, deadline_us, result);
}

/*
 * What SES said, or that it has gone, before the dot was sent is no answer to
 * it: nothing is in doubt yet.
 */
static bool
gone_before_dot(struct connection *c, int64_t deadline_us,
    struct ses_result *result)
{
	struct ses_reply reply;
	struct err err;

	if (!connection_stale(c))
		return false;
	if (stream_pending(c->stream) == 0) {
		(void)err_set(&err, ERR_NET, "SES closed the connection");
		ses_error_classify(SES_PHASE_BODY, &err, result);
	} else if (connection_reply(c, SES_PHASE_BODY, deadline_us, &reply, result) ==
		0 && result->class == SES_OK)
		result->class = SES_RECONNECT;
	return true;
}

/* A dot that could not be written whole has not been understood. */
static int
write_dot(struct connection *c, int64_t deadline_us, struct ses_result *result)
{
	struct err err;

	stream_deadline(c->stream, deadline_us);
	stream_write(c->stream, ".\r\n", 3);
	if (stream_flush(c->stream, &err) == -1)
		return lost(c, SES_PHASE_BODY, &err, result);
	return 0;
}

void
dialogue_dot(struct connection *c, int64_t deadline_us,
    struct ses_result *result)
{
	struct ses_reply reply;

	if (gone_before_dot(c, deadline_us, result) ||
	    write_dot(c, deadline_us, result) == -1)
		return;
	if (connection_reply(c, SES_PHASE_DOT, deadline_us, &reply, result) ==
	    -1)
		return;
	c->mid_message = false;
	c->messages++;
	if (result->class == SES_OK && result->code / 100 != 2) {
		c->broken = true;
		result->class = SES_DOUBTFUL;
	}
}

void
dialogue_reset(struct connection *c)
{
	struct ses_result result;

	if (c->broken || !c->mid_message)
		return;
	c->mid_message = false;
	if (step(c, SES_PHASE_RSET, "RSET", 250,
		clock_mono_us() + RESET_US, &result) == -1)
		c->broken = true;
}
