/* SPDX-License-Identifier: BSD-2-Clause */
#include "config.h"

#include "sandbox/talk.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "core/buf.h"
#include "core/clock.h"
#include "core/json.h"
#include "core/stream.h"
#include "core/utf8.h"
#include "sandbox/record.h"
#include "sandbox/session.h"
#include "sandbox/settings.h"

/* Where the system can't tell, a stall lasts until the client's reset. */
#ifndef POLLRDHUP
#define POLLRDHUP 0
#endif

/* A client that does not read its replies for that long has died. */
#define WRITE_TIMEOUT (300 * US_PER_SEC)

#define REPLY_MAX 4096
#define UNASKED "250 Ok" /* where no reply is due */
#define ENTRY_MAX (256 * 1024) /* one entry of the record */

void
talk_pause(struct session *s, int64_t until_mono_us)
{
	struct pollfd p[2] = {
		{ .fd = s->sb->stop_fd, .events = POLLIN },
		{ .fd = stream_fd(s->stream), .events = POLLRDHUP },
	};
	int64_t rest_ms = -1;

	while (!s->over) {
		if (until_mono_us != INT64_MAX) {
			rest_ms = (until_mono_us - clock_mono_us()) / US_PER_MS;
			if (rest_ms <= 0)
				break;
			if (rest_ms > INT_MAX)
				rest_ms = INT_MAX;
		}
		if (poll(p, 2, (int)rest_ms) > 0)
			s->over = true;
	}
	/* Benchmarks are measured against the latency: be exact. */
	if (!s->over)
		clock_sleep_until(until_mono_us);
}

/* The members that entries of all lists begin with. */
static void
open_entry(const struct session *s, struct buf *out)
{
	buf_init(out, ENTRY_MAX);
	json_open(out, '{');
	json_add_int(out, "wall_us", clock_wall_us());
	json_add_int(out, "mono_us", clock_mono_us());
	json_add_int(out, "connection", (int64_t)s->number);
	json_add_string(out, "phase", phase_name(s->phase));
}

void
talk_violation(struct session *s, const char *kind, const char *fmt, ...)
{
	char detail[512];
	struct buf entry;
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(detail, sizeof(detail), fmt, ap);
	va_end(ap);
	open_entry(s, &entry);
	json_add_string(&entry, "kind", kind);
	json_add_string(&entry, "detail", detail);
	record_violation_kind(s->sb->record, kind);
	record_add(s->sb->record, RECORD_VIOLATIONS, &entry);
}

static void
record_refusal(struct session *s, const char *reason, const char *reply)
{
	struct buf entry;

	open_entry(s, &entry);
	json_add_string(&entry, "reason", reason);
	json_add_string(&entry, "reply", reply);
	json_add_string(&entry, "sender", s->txn.open ? s->txn.sender : NULL);
	json_key(&entry, "recipients");
	json_open(&entry, '[');
	for (size_t i = 0; i < s->txn.nrecipients; i++)
		json_string(&entry, s->txn.recipients[i]);
	json_close(&entry, ']');
	record_add(s->sb->record, RECORD_REFUSALS, &entry);
}

/* Write bytes as they are. */
static void
put(struct session *s, const char *text, size_t len)
{
	struct err err;

	stream_deadline(s->stream, clock_mono_us() + WRITE_TIMEOUT);
	stream_write(s->stream, text, len);
	if (stream_flush(s->stream, &err) == -1)
		s->over = true;
}

static void
put_line(struct session *s, const char *text)
{
	struct err err;

	stream_deadline(s->stream, clock_mono_us() + WRITE_TIMEOUT);
	stream_write(s->stream, text, strlen(text));
	stream_write(s->stream, "\r\n", 2);
	if (stream_flush(s->stream, &err) == -1)
		s->over = true;
}

static void
put_endless(struct session *s, const char *piece)
{
	char many[1024];
	size_t len = 0, n = strlen(piece);

	while (len + n < sizeof(many)) {
		memcpy(many + len, piece, n);
		len += n;
	}
	while (!s->over)
		put(s, many, len);
}

static void
put_pieces(struct session *s, const char *reply)
{
	int64_t gap_us = s->fault.ms > 0 ? s->fault.ms * US_PER_MS : 0;
	size_t len = strlen(reply);

	for (size_t i = 0; i < len + 2 && !s->over; i++) {
		put(s, i < len ? reply + i : i == len ? "\r" : "\n", 1);
		if (gap_us > 0)
			talk_pause(s, clock_mono_us() + gap_us);
	}
}

static void
vanish(struct session *s, bool reset)
{
	s->over = true;
	s->silent = true;
	s->reset = reset;
}

static int64_t
pause_end(const struct fault *f)
{
	return f->ms < 0 ? INT64_MAX : clock_mono_us() + f->ms * US_PER_MS;
}

void
talk_strike(struct session *s, const char *reply)
{
	const struct fault *f = &s->fault;

	s->faulty = false;
	record_count(s->sb->record, COUNTER_FAULTS, 1);
	switch (f->action) {
	case FAULT_DROP:
	case FAULT_LOSE:
	case FAULT_RESET:
		if (f->ms > 0)
			talk_pause(s, pause_end(f));
		vanish(s, f->action == FAULT_RESET);
		break;
	case FAULT_STALL:
	case FAULT_DELAY:
		talk_pause(s, pause_end(f));
		if (!s->over && reply != NULL)
			put_line(s, reply);
		break;
	case FAULT_GARBAGE:
		put_line(s, "\x01\x80 no reply \xff\xfe of any kind");
		break;
	case FAULT_ENDLESS:
		put_endless(s, "250-and more\r\n");
		break;
	case FAULT_LONGLINE:
		put_endless(s, "250 and more ");
		break;
	case FAULT_PIECES:
		put_pieces(s, reply != NULL ? reply : UNASKED);
		break;
	case FAULT_TWICE:
		stream_printf(
		    s->stream, "%s\r\n", reply != NULL ? reply : UNASKED);
		put_line(s, reply != NULL ? reply : UNASKED);
		break;
	case FAULT_HALF:
		if (reply != NULL)
			put(s, reply, (strlen(reply) + 1) / 2);
		vanish(s, false);
		break;
	case FAULT_REPLY:
		if (f->text[0] == '4' || f->text[0] == '5')
			record_refusal(s, "fault", f->text);
		put_line(s, f->text);
		break;
	case FAULT_COUNT:
		break;
	}
	if (f->close)
		s->over = true;
}

static bool
enter(struct session *s, const struct fault_occasion *o)
{
	s->phase = o->phase;
	s->faulty = faults_strike(s->sb->faults, o, &s->fault);
	if (!s->faulty || s->fault.done)
		return false;
	/* A pause with an end only makes the real reply late. */
	if (s->fault.ms >= 0 && (s->fault.action == FAULT_STALL ||
				    s->fault.action == FAULT_DELAY)) {
		talk_strike(s, NULL);
		return s->over;
	}
	talk_strike(s, NULL);
	return true;
}

bool
talk_enter(struct session *s, enum phase phase)
{
	struct fault_occasion o = {
		.phase = phase,
		.sender = s->txn.open ? s->txn.sender : NULL,
		.recipients = s->txn.recipients,
		.nrecipients = s->txn.nrecipients,
	};

	return enter(s, &o);
}

bool
talk_leave(struct session *s)
{
	if (s->faulty)
		talk_strike(s, NULL);
	return s->over;
}

bool
talk_enter_path(struct session *s, enum phase phase, char *address)
{
	struct fault_occasion o = {
		.phase = phase,
		.sender = phase == PHASE_MAIL ? address : s->txn.sender,
		.recipients = &address,
		.nrecipients = phase == PHASE_RCPT ? 1 : 0,
	};

	return enter(s, &o);
}

/* Bytes that came before the reply was sent: SES offers no PIPELINING. */
static void
watch_pipelining(struct session *s)
{
	(void)stream_peer_gone(s->stream);
	if (stream_pending(s->stream) > 0)
		talk_violation(s, "pipelining",
		    "%zu bytes came before this phase's reply",
		    stream_pending(s->stream));
}

static void
send_reply(struct session *s, const char *reply)
{
	int64_t latency = settings_get(s->sb->settings, SETTING_LATENCY);

	if (latency > 0)
		talk_pause(s, s->read_us + latency);
	if (s->over)
		return;
	watch_pipelining(s);
	if (s->faulty)
		talk_strike(s, reply);
	else
		put_line(s, reply);
}

void
talk_reply(struct session *s, const char *fmt, ...)
{
	char reply[REPLY_MAX];
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(reply, sizeof(reply), fmt, ap);
	va_end(ap);
	send_reply(s, reply);
}

void
talk_refuse(struct session *s, const char *reason, const char *fmt, ...)
{
	char reply[REPLY_MAX];
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(reply, sizeof(reply), fmt, ap);
	va_end(ap);
	record_refusal(s, reason, reply);
	send_reply(s, reply);
}

static void
say_timeout(struct session *s)
{
	record_count(s->sb->record, COUNTER_TIMEOUTS, 1);
	put_line(s, "451 4.4.2 Timeout waiting for data from client.");
	s->over = true;
}

/* Each byte that arrives gives the client the whole timeout again, as with a
 * socket's read timeout. */
int
talk_peek(struct session *s, const char **data_r, size_t *len_r)
{
	struct err err;
	int rc;

	stream_deadline(
	    s->stream, clock_mono_us() +
			   settings_get(s->sb->settings, SETTING_IDLE_TIMEOUT));
	rc = stream_peek(s->stream, data_r, len_r, &err);
	if (rc == 1)
		return 0;
	if (rc == -1 && err.class == ERR_TIMEOUT) {
		say_timeout(s);
		return -1;
	}
	if (rc == 0 || err.class != ERR_STATE)
		record_count(s->sb->record, COUNTER_HANGUPS, 1);
	s->over = true;
	return -1;
}

/* Keep what fits; *len_r counts all. 1 when the line is complete. */
static int
gather(struct session *s, const char *data, size_t len, size_t *total)
{
	const char *lf = memchr(data, '\n', len);
	size_t take = lf != NULL ? (size_t)(lf + 1 - data) : len;
	size_t room = sizeof(s->line) - 1 - s->line_len;
	size_t keep = take < room ? take : room;

	memcpy(s->line + s->line_len, data, keep);
	s->line_len += keep;
	*total += take;
	stream_consume(s->stream, take);
	return lf != NULL;
}

static void
watch_line(struct session *s, size_t total)
{
	bool auth = strncmp(s->line, "AUTH", 4) == 0 || s->phase == PHASE_AUTH;

	if (total > (auth ? SESSION_AUTH_MAX : SESSION_COMMAND_MAX))
		talk_violation(s, "command-too-long", "%zu bytes", total);
	if (memchr(s->line, '\r', s->line_len) != NULL)
		talk_violation(s, "bare-cr", "in a command");
	if (memchr(s->line, '\0', s->line_len) != NULL)
		talk_violation(s, "nul", "in a command");
	if (!utf8_is_ascii(s->line, s->line_len))
		talk_violation(s, "8bit-command", "bytes over 127");
}

static void
strip_end(struct session *s)
{
	if (s->line_len > 0 && s->line[s->line_len - 1] == '\n')
		s->line_len--;
	if (s->line_len > 0 && s->line[s->line_len - 1] == '\r')
		s->line_len--;
	else
		talk_violation(s, "bare-lf", "at the end of a command");
	s->line[s->line_len] = '\0';
}

int
talk_read(struct session *s)
{
	const char *data;
	size_t len, total = 0;
	int whole;

	s->line_len = 0;
	do {
		if (talk_peek(s, &data, &len) == -1)
			return -1;
		whole = gather(s, data, len, &total);
	} while (!whole);
	s->read_us = clock_mono_us();
	if (total < sizeof(s->line))
		strip_end(s);
	s->line[s->line_len] = '\0';
	watch_line(s, total);
	return 0;
}
