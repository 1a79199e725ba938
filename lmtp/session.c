/* SPDX-License-Identifier: BSD-2-Clause */
#include "config.h"

#include "lmtp/session.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/clock.h"
#include "core/hostname.h"
#include "core/log.h"
#include "core/mem.h"
#include "lmtp/command.h"

/*
 * A reply line is 512 octets at most (RFC 5321 section 4.5.3.1.5), and Postfix
 * logs what it gets: longer words are cut.
 */
#define REPLY_MAX 500

/*
 * How long a place may be held when others wait for it: without a transaction;
 * in one, until the final dot; and for each recipient, whose RCPT may be a round
 * trip. Content has its own allowance, BYTES_PER_SEC_MIN.
 */
#define IDLE_US (5 * US_PER_SEC)
#define SLOW_US (15 * US_PER_SEC)
#define SLOW_RCPT_US (US_PER_SEC / 10)

/* A client that lets its replies fill the socket has this long to read some. */
#define DEAF_US (30 * US_PER_SEC)

/*
 * Text that came from elsewhere is made harmless here: one line of printable
 * ASCII (8-bit text would ask for SMTPUTF8 on the way back).
 */
void
session_reply(struct session *s, unsigned code, const char *dsn,
    const char *fmt, ...)
{
	char text[REPLY_MAX];
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	for (char *p = text; *p != '\0'; p++)
		if (*p < ' ' || *p > '~')
			*p = '?';
	stream_printf(s->stream, "%u %s%s%s\r\n", code, dsn,
	    *dsn != '\0' ? " " : "", text);
}

void
session_reply_more(struct session *s, unsigned code, const char *text)
{
	stream_printf(s->stream, "%u-%s\r\n", code, text);
}

void
session_reset(struct session *s)
{
	if (s->txn != NULL && !s->txn->journalled && arrival_without_data(s))
		session_has_answered(s);
	transaction_free(s->txn);
	s->txn = NULL;
	s->received = 0;
	memset(&s->xforward, 0, sizeof(s->xforward)); /* it was about that mail */
}

/* Between transactions a new configuration takes effect. */
static void
take_configuration(struct session *s)
{
	if (s->txn != NULL)
		return;
	conf_release(s->conf);
	s->conf = conf_current();
}

void
session_drain_wake(struct session *s)
{
	char bytes[64];

	while (read(s->wake[0], bytes, sizeof(bytes)) == sizeof(bytes))
		;
}

/*
 * Only a message that came whole, or the first try at one, gives more time:
 * NOOP and RSET could go on for ever.
 */
static int64_t
spare_at(const struct session *s)
{
	if (s->txn == NULL)
		return s->since_us + IDLE_US;
	return s->since_us + SLOW_US +
	    (int64_t)s->txn->nrcpts * SLOW_RCPT_US +
	    (int64_t)(s->received / BYTES_PER_SEC_MIN) * US_PER_SEC;
}

void
session_begins(struct session *s)
{
	if (!s->tried)
		s->since_us = clock_mono_us();
	s->tried = true;
}

void
session_has_answered(struct session *s)
{
	s->since_us = clock_mono_us();
	s->tried = false;
}

/* From now on as long as the client can make us wait for it to read. */
static void
write_deadline(struct session *s)
{
	int64_t timeout = s->conf->lmtp.command_timeout;

	stream_deadline(s->stream,
	    clock_mono_us() + (timeout < DEAF_US ? timeout : DEAF_US));
}

bool
session_leaves(struct session *s)
{
	int64_t spare = spare_at(s);
	int asked = atomic_load(&s->place->asked), room = ASK_ROOM;

	atomic_store(&s->place->spare_at, spare);
	if (asked == ASK_NOTHING)
		return false;
	if (asked == ASK_END ? s->txn != NULL : clock_mono_us() < spare) {
		/* It can be asked again when the time has come. */
		(void)atomic_compare_exchange_strong(&s->place->asked,
		    &room, ASK_NOTHING);
		return false;
	}
	write_deadline(s);
	session_reply(s, 421, "4.3.2", "%s",
	    asked == ASK_END ? "Stopping, come back"
		: s->txn == NULL
		? "Idle, and others are waiting; come back"
		: "Too slow, and others are waiting; come back");
	return true;
}

/*
 * The next command line. 1; 0 when the client has gone; -1 when the session
 * ends for the reason that has been answered.
 */
static int
next_line(struct session *s, const char **line_r, size_t *len_r)
{
	struct err err;
	int got;

	stream_deadline(s->stream,
	    clock_mono_us() + s->conf->lmtp.command_timeout);
	for (;;) {
		if (session_leaves(s))
			return -1;
		got = stream_line(s->stream, COMMAND_LINE_MAX, line_r, len_r,
		    &err);
		if (got != -1)
			return got;
		if (err.class != ERR_STATE)
			break;
		session_drain_wake(s);
	}
	stream_deadline(s->stream, clock_mono_us() + 5 * US_PER_SEC);
	if (err.class == ERR_PROTO)
		session_reply(s, 500, "5.5.2", "Line too long");
	else if (err.class == ERR_TIMEOUT)
		session_reply(s, 421, "4.4.2", "Timeout, closing");
	return -1;
}

int
session_flush(struct session *s)
{
	struct err err;

	write_deadline(s);
	return stream_flush(s->stream, &err);
}

static void
greet(struct session *s)
{
	char host[HOSTNAME_SIZE];

	session_reply(s, 220, "", "%s LMTP Postern", hostname(host));
}

void
session_run(struct server *server, int fd, const int wake[2], const char *peer,
    bool is_unix, struct place *place)
{
	struct session s = {
		.server = server,
		.is_unix = is_unix,
		.since_us = clock_mono_us(),
		.place = place,
	};
	const char *line;
	size_t len;

	s.stream = stream_new(fd);
	s.conf = conf_current();
	s.wake[0] = wake[0];
	s.wake[1] = wake[1];
	(void)snprintf(s.peer, sizeof(s.peer), "%s", peer);
	stream_wake_fd(s.stream, s.wake[0]);
	greet(&s);
	while (!s.ending) {
		if (stream_pending(s.stream) == 0 && session_flush(&s) == -1)
			break;
		if (next_line(&s, &line, &len) != 1)
			break;
		take_configuration(&s);
		write_deadline(&s); /* replies may outgrow the buffer */
		verbs_handle(&s, line, len);
	}
	session_reset(&s);
	stream_deadline(s.stream, clock_mono_us() + US_PER_SEC);
	stream_close(s.stream);
	conf_release(s.conf);
}
