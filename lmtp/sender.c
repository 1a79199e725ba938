/* SPDX-License-Identifier: BSD-2-Clause */
#include "config.h"

#include "lmtp/sender_parts.h"

#include <stdlib.h>

#include "core/clock.h"
#include "core/log.h"
#include "core/thread.h"

#define PAUSE_US US_PER_SEC /* between looks at the breakers */

static void
disconnect(struct sender *s)
{
	ses_disconnect(s->ses, s->connection);
	s->connection = NULL;
	ses_release(s->ses);
	s->ses = NULL;
}

static int
reconnect(struct sender *s, struct ses_result *result)
{
	disconnect(s);
	s->ses = server_ses(s->server);
	s->conf = ses_conf(s->ses);
	s->connection = ses_connect(s->ses, result);
	if (s->connection != NULL) {
		log_info(NULL, "connected", "to", s->connection->name, "tls",
		    stream_tls_text(s->connection->stream));
		return 0;
	}
	return -1;
}

/*
 * Whether SIGHUP has put another account, or other ways to it, in the place of
 * ours.
 */
static bool
in_force(struct sender *s)
{
	struct ses *now = server_ses(s->server);
	bool same = now == s->ses;

	ses_release(now);
	return same;
}

void
sender_fail_waiting(struct sender *s, const struct ses_result *result)
{
	struct verdict v;

	if (!in_force(s) || !ses_stops_all(s->ses, result))
		return;
	verdict_from_ses(result, &v);
	dispatch_fail_waiting(s->server->dispatch, &v);
}

/*
 * Fit for the next message: not stale, not over its count, made by the
 * configuration in force.
 */
static bool
fit(struct sender *s)
{
	return in_force(s) && s->connection->messages <
		(unsigned)s->conf->ses.messages_per_connection &&
	    !connection_stale(s->connection);
}

/* Give a delivery back whose connection turned out to be of no more use. */
static bool
renew(struct sender *s, struct delivery *d)
{
	struct ses_result result;
	struct verdict v;

	if (fit(s) || reconnect(s, &result) == 0)
		return true;
	quota_release(s->server->quota, &d->ticket);
	verdict_from_ses(&result, &v);
	dispatch_requeue(s->server->dispatch, d, 0, &v);
	sender_fail_waiting(s, &result);
	return false;
}

/* Serve on one connection until it is idle for too long or lost. */
static void
serve(struct sender *s)
{
	struct delivery *d;

	while ((d = dispatch_next(s->server->dispatch,
		    s->conf->ses.idle_timeout)) != NULL) {
		if (!renew(s, d))
			return;
		sender_carry(s, d);
		if (s->connection->broken)
			return; /* whoever comes next starts afresh */
	}
}

static void *
sender_main(void *arg)
{
	struct sender s = { .server = arg };
	struct dispatch *dispatch = s.server->dispatch;
	struct ses_result result;
	bool idle, lost;
	int rc;

	do {
		rc = reconnect(&s, &result);
		dispatch_sender_ready(dispatch);
		if (rc == 0)
			serve(&s);
		else
			sender_fail_waiting(&s, &result);
		idle = s.connection != NULL && !s.connection->broken;
		lost = s.connection == NULL;
		disconnect(&s);
	} while ((lost && dispatch_pause(dispatch, PAUSE_US)) ||
	    (idle && dispatch_rest(dispatch)));
	dispatch_sender_end(dispatch);
	return NULL;
}

void
sender_spawn(void *arg)
{
	struct server *server = arg;
	struct verdict v;
	struct err err;

	if (thread_start(sender_main, server) == 0)
		return;
	log_error(NULL, "no-thread", "what", "sender");
	if (dispatch_sender_failed(server->dispatch) > 0)
		return; /* the others take longer */
	(void)err_set(&err, ERR_LOCAL, "no thread to be had for sending");
	verdict_local(&err, &v);
	dispatch_fail_waiting(server->dispatch, &v);
}

void
sender_abandon(void *arg, struct delivery *d)
{
	const struct sender_end *end = arg;
	struct sender s = { .server = end->server };
	struct verdict v;
	struct ses_result result = {
		.class = SES_DOUBTFUL,
		.phase = SES_PHASE_DOT,
		.text = "posternd stopped before SES answered",
	};
	struct err err;

	verdict_from_ses(&result, &v);
	log_warning(d->mail->id_text, "doubtful", "n", LOG_NUM(d->n), "to",
	    d->rcpt.text, "reply", v.text);
	if (sender_record(&s, d, &v, d->attempts,
		end->deadline_us - clock_mono_us(), &err) == -1)
		log_error(d->mail->id_text, "journal", "n", LOG_NUM(d->n),
		    "outcome", "doubtful", "reason", err.text);
}
