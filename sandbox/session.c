/* SPDX-License-Identifier: BSD-2-Clause */
#include "config.h"

#include "sandbox/session.h"

#include <sys/socket.h>

#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/clock.h"
#include "core/mem.h"
#include "core/stream.h"
#include "core/tls.h"
#include "sandbox/crowd.h"
#include "sandbox/endpoint.h"
#include "sandbox/ids.h"
#include "sandbox/record.h"
#include "sandbox/settings.h"
#include "sandbox/talk.h"
#include "sandbox/verbs.h"

/*
 * A connection from start to end. The phases before the first command can be
 * struck by faults like all others.
 */
#define HANDSHAKE_TIMEOUT (60 * US_PER_SEC)

void
txn_reset(struct txn *t)
{
	for (size_t i = 0; i < t->nrecipients; i++)
		free(t->recipients[i]);
	free(t->recipients);
	*t = (struct txn){ .open = false };
}

void
txn_add_recipient(struct txn *t, const char *address)
{
	if (t->nrecipients % 16 == 0)
		t->recipients = mem_grow(
		    t->recipients, t->nrecipients + 16, sizeof(*t->recipients));
	t->recipients[t->nrecipients++] = mem_strdup(address);
}

static void
count(struct session *s, enum counter c)
{
	record_count(s->sb->record, c, 1);
}

/* The distance is there for the handshake too: one reply's worth of it. */
int
session_start_tls(struct session *s)
{
	int64_t latency = settings_get(s->sb->settings, SETTING_LATENCY);
	struct err err;

	if (talk_enter(s, PHASE_TLS)) {
		s->over = true;
		return -1;
	}
	if (latency > 0)
		talk_pause(s, clock_mono_us() + latency);
	if (s->over)
		return -1;
	stream_deadline(s->stream, clock_mono_us() + HANDSHAKE_TIMEOUT);
	if (stream_start_tls(
		s->stream, endpoint_tls(s->sb->endpoint), NULL, &err) == -1) {
		count(s, COUNTER_TLS_FAILED);
		s->over = true;
		return -1;
	}
	count(s, COUNTER_TLS);
	return talk_leave(s) ? -1 : 0;
}

static bool
turned_away(struct session *s)
{
	int64_t cap = settings_get(s->sb->settings, SETTING_CONNECTIONS);

	s->granted = true;
	if (atomic_fetch_add(&s->sb->granted, 1) < cap || cap <= 0)
		return false;
	count(s, COUNTER_TURNED_AWAY);
	(void)atomic_fetch_sub(&s->sb->granted, 1);
	s->granted = false;
	s->phase = PHASE_CONNECT;
	talk_refuse(
	    s, "connections", "421 Too many concurrent SMTP connections");
	return true;
}

/* 0, or -1 when nothing follows. */
static int
greet(struct session *s)
{
	static const char upper[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";
	static const char any[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnop"
				  "qrstuvwxyz0123456789";
	char number[16], word[32];

	if (talk_enter(s, PHASE_CONNECT) || talk_leave(s))
		return -1;
	if (s->wrapper && session_start_tls(s) == -1)
		return -1;
	s->read_us = clock_mono_us();
	if (turned_away(s) || talk_enter(s, PHASE_GREETING))
		return -1;
	ids_word(upper, 9, number);
	ids_word(any, 20, word);
	talk_reply(s,
	    "220 email-smtp.amazonaws.com ESMTP SimpleEmailService-d-%s %s",
	    number, word);
	return s->over ? -1 : 0;
}

static bool
has_input(struct session *s)
{
	return stream_peer_gone(s->stream) || stream_pending(s->stream) > 0;
}

/*
 * Between two messages a fault may strike the idle connection, after as much
 * silence as it asks for. A client that speaks first was not idle, and nothing
 * is counted.
 */
static void
watch_idle(struct session *s)
{
	enum { STEP_MS = 2 };
	struct fault_occasion o = { .phase = PHASE_IDLE };
	int64_t now, until;

	if (s->messages == 0 || s->txn.open || has_input(s) ||
	    !faults_would_strike(s->sb->faults, &o, &s->fault))
		return;
	now = clock_mono_us();
	until = now + (s->fault.ms > 0 ? s->fault.ms * US_PER_MS : 0);
	for (; !s->over && !has_input(s) && now < until; now = clock_mono_us())
		talk_pause(s, now + STEP_MS * US_PER_MS);
	if (s->over || has_input(s))
		return;
	s->phase = PHASE_IDLE;
	if (!faults_strike(s->sb->faults, &o, &s->fault))
		return;
	s->fault.ms = -1; /* the time has been spent */
	talk_strike(s, NULL);
}

static void
serve(struct session *s)
{
	if (greet(s) == -1)
		return;
	while (!s->over) {
		s->phase = PHASE_IDLE;
		watch_idle(s);
		if (!s->over && talk_read(s) == 0)
			verbs_serve(s);
	}
}

static void
name_peer(struct session *s, int fd)
{
	struct sockaddr_storage sa;
	socklen_t len = sizeof(sa);

	if (getpeername(fd, (struct sockaddr *)&sa, &len) == -1 ||
	    getnameinfo((struct sockaddr *)&sa, len, s->peer, sizeof(s->peer),
		NULL, 0, NI_NUMERICHOST) != 0)
		(void)snprintf(s->peer, sizeof(s->peer), "unknown");
}

static void
hang_up(struct session *s, int fd)
{
	struct linger now = { .l_onoff = 1, .l_linger = 0 };

	if (s->reset)
		(void)setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
	if (s->silent)
		stream_free(s->stream);
	else
		stream_close(s->stream);
}

void
session_run(struct sandbox *sb, int fd, bool wrapper, uint64_t number)
{
	struct session *s = mem_new(sizeof(*s));

	s->sb = sb;
	s->number = number;
	s->wrapper = wrapper;
	s->stream = stream_new(fd);
	stream_wake_fd(s->stream, sb->stop_fd);
	name_peer(s, fd);
	count(s, COUNTER_CONNECTIONS);
	count(s, COUNTER_OPEN);
	serve(s);
	txn_reset(&s->txn);
	record_count(sb->record, COUNTER_OPEN, -1);
	if (s->granted)
		(void)atomic_fetch_sub(&sb->granted, 1);
	crowd_leave(sb->crowd, fd);
	hang_up(s, fd);
	free(s);
}
