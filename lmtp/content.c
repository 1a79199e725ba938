/* SPDX-License-Identifier: BSD-2-Clause */
#include "config.h"

#include "lmtp/session.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "core/clock.h"
#include "core/log.h"
#include "core/mem.h"

/* The first command-timeout may pass in silence; after it, content has to come
 * as fast as is asked. */
static int64_t
data_deadline(const struct session *s, int64_t began)
{
	int64_t silent = clock_mono_us() + s->conf->lmtp.command_timeout;
	int64_t slow = began + s->conf->lmtp.command_timeout +
	    (int64_t)(s->received / BYTES_PER_SEC_MIN) * US_PER_SEC;

	return silent < slow ? silent : slow;
}

/* Temporary files go beside the store: the same file system, the same owner. */
static char *
directory_of(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash == NULL ? mem_strdup(".")
			     : mem_strndup(path, (size_t)(slash - path));
}

/*
 * Feed what comes to the message until its end. What is too large, or can't be
 * kept, is still read to its end, so that the client hears why. 0; 1 when it is
 * so large that the client has to hear it at once; -1 when the connection is of
 * no more use.
 */
static int
feed(struct session *s, struct message *m, bool *too_large_r, bool *failed_r,
    struct err *why)
{
	const uint64_t max = (uint64_t)s->conf->lmtp.max_message_size;
	int64_t began = clock_mono_us();
	const char *data;
	struct err err;
	size_t len, used;
	int got, end;

	for (end = 0; end == 0;) {
		if (session_leaves(s))
			return -1;
		stream_deadline(s->stream, data_deadline(s, began));
		got = stream_peek(s->stream, &data, &len, &err);
		if (got == -1 && err.class == ERR_STATE) {
			session_drain_wake(s);
			continue;
		}
		if (got == -1 && err.class == ERR_TIMEOUT) {
			stream_deadline(s->stream,
			    clock_mono_us() + US_PER_SEC);
			session_reply(s, 421, "4.4.2",
			    "Timeout in the middle of a message");
		}
		if (got != 1)
			return -1;
		end = message_feed(m, data, len, &used, &err);
		if (end == -1 && !*failed_r) {
			*failed_r = true;
			*why = err;
		}
		if (end == -1)
			end = 0;
		stream_consume(s->stream, used);
		s->received += used;
		if (!*too_large_r && message_size(m) > max) {
			*too_large_r = true;
			message_discard(m);
		}
		if (s->received > 4 * max) { /* most of it was left out */
			*too_large_r = true;
			return 1;
		}
	}
	return 0;
}

/*
 * They are journalled when the transaction is thrown away, as what was refused
 * at RCPT is.
 */
static void
refuse_all(struct session *s, const struct verdict *v)
{
	struct recipient *r;

	for (size_t i = 0; i < s->txn->nrcpts; i++) {
		r = s->txn->rcpts[i];
		if (!r->accepted)
			continue;
		session_reply(s, v->code, v->dsn, "%s", v->text);
		r->verdict = *v;
		r->accepted = false;
	}
}

static void
too_large(struct session *s)
{
	struct verdict v = {
		.state = RECORD_REFUSED,
		.code = 552,
		.dsn = "5.3.4",
		.text = "Message larger than lmtp.max-message-size",
	};

	refuse_all(s, &v);
}

int
content_receive(struct session *s, struct message **message_r)
{
	char *dir = directory_of(journal_path(s->server->journal));
	struct message *m = message_new(dir, s->txn->sender.text);
	bool large = false, failed = false;
	struct verdict v;
	struct err err;
	int rc;

	free(dir);
	rc = session_flush(s);
	if (rc == 0)
		rc = feed(s, m, &large, &failed, &err);
	if (rc == 0 && !failed && !large)
		failed = message_end(m, &err) == -1;
	if (rc == 0 && !failed && !large) {
		*message_r = m;
		return 1;
	}
	if (rc != -1 && large) {
		too_large(s);
	} else if (rc != -1) {
		log_error(NULL, "content", "reason", err.text);
		verdict_local(&err, &v);
		refuse_all(s, &v);
	}
	message_release(m);
	return rc == 0 ? 0 : -1;
}
