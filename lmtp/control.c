/* SPDX-License-Identifier: BSD-2-Clause */
#include "config.h"

#include "lmtp/control.h"

#include <fcntl.h>
#include <poll.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/clock.h"
#include "core/json.h"
#include "core/log.h"
#include "core/mem.h"
#include "core/peer.h"
#include "core/socket.h"
#include "core/stream.h"
#include "core/thread.h"
#include "lmtp/control_parts.h"
#include "store/search.h"

#define ANSWER_MAX (256 * 1024)
#define CLIENTS_MAX 8

struct control {
	struct listen_socket socket;
	struct server *server;
	struct listener *listener;
	struct control_keep keep;
	pthread_mutex_t lock;
	unsigned clients;
};

struct control *
control_bind(const char *path, struct err *err)
{
	struct control *c = mem_new(sizeof(*c));
	char *spec = mem_printf("unix:%s:0660", path);
	int rc = socket_listen(spec, &c->socket, err);

	free(spec);
	if (rc == 0) {
		(void)pthread_mutex_init(&c->keep.lock, NULL);
		(void)pthread_mutex_init(&c->lock, NULL);
		return c;
	}
	(void)err_context(err, "daemon.control");
	free(c);
	return NULL;
}

/* Wall times in RFC 3339, for people and programs alike. */
static void
add_time(struct buf *out, const char *key, int64_t mono_us)
{
	char when[CLOCK_RFC3339_LEN];

	if (mono_us != 0)
		json_add_string(out, key,
		    clock_rfc3339(clock_wall_us() + mono_us - clock_mono_us(),
			when));
}

static void
add_rate(struct buf *out, const char *key, double rate)
{
	char text[32];

	json_key(out, key);
	(void)snprintf(text, sizeof(text), "%.6g", rate);
	if (rate < 0)
		json_null(out);
	else
		json_raw(out, text);
}

static int
quota(struct client *c, const char *request, struct buf *out, struct err *err)
{
	struct quota_state q;

	(void)request;
	(void)err;
	quota_state(c->server->quota, &q);
	add_rate(out, "rate", q.limits.rate);
	add_rate(out, "pace", q.pace);
	if (q.limits.daily >= 0)
		json_add_int(out, "daily", q.limits.daily);
	json_add_int(out, "window_us", q.limits.window_us);
	if (q.limits.daily >= 0)
		json_add_int(out, "spent", q.spent);
	json_add_int(out, "waiting",
	    (int64_t)dispatch_waiting(c->server->dispatch));
	add_time(out, "next_slot", q.next_us);
	add_time(out, "hold_until", q.hold_until);
	return 0;
}

static void
add_breaker(void *arg, const char *key, const char *cause, int64_t probe_us)
{
	struct buf *out = arg;

	json_open(out, '{');
	json_add_string(out, "what", key);
	json_add_string(out, "cause", cause);
	add_time(out, "next_probe", probe_us);
	json_close(out, '}');
}

static int
status(struct client *c, const char *request, struct buf *out, struct err *err)
{
	struct server *s = c->server;
	struct dispatch_state d;
	struct journal_stats j;
	char chain[65];
	int64_t seq;

	(void)request;
	(void)err;
	dispatch_state(s->dispatch, &d);
	json_add_int(out, "sessions",
	    (int64_t)listener_sessions(c->control->listener));
	json_add_int(out, "waiting", (int64_t)d.waiting);
	json_add_int(out, "under_way", (int64_t)d.taken);
	json_add_int(out, "senders", (int64_t)d.senders);
	json_add_int(out, "put_off", (int64_t)atomic_load(&s->put_off));
	journal_stats(s->journal, &j);
	journal_head(s->journal, &seq, chain);
	json_add_int(out, "commits", (int64_t)j.commits);
	json_add_int(out, "rows", (int64_t)j.rows);
	json_add_int(out, "head_seq", seq);
	json_add_string(out, "head_chain", chain);
	json_key(out, "breakers");
	json_open(out, '[');
	breakers_each(s->breakers, add_breaker, out);
	json_close(out, ']');
	return 0;
}

/* The address and reason that both suppress requests carry. */
static int
suppress_args(const char *request, struct address *address, struct buf *reason,
    struct err *err)
{
	struct buf text;
	int rc;

	buf_init(&text, CONTROL_REQUEST_MAX);
	rc = json_get_string(request, "address", &text, err);
	if (rc == 0)
		rc = err_set(err, ERR_PROTO, "no address given");
	if (rc == 1)
		rc = address_parse(text.data, text.len, address, err) ==
			ADDRESS_OK
		    ? 0
		    : -1;
	buf_free(&text);
	if (rc == 0 && json_get_string(request, "reason", reason, err) == -1)
		rc = -1;
	return rc;
}

static int
suppress_add(struct client *c, const char *request, struct buf *out,
    struct err *err)
{
	struct server *s = c->server;
	struct address address;
	struct buf reason;
	int64_t until = 0;
	int rc;

	(void)out;
	buf_init(&reason, 512);
	rc = suppress_args(request, &address, &reason, err);
	if (rc == 0 && json_get_int(request, "until", &until, err) == -1)
		rc = -1;
	if (rc == 0)
		rc = suppression_add(s->journal, s->suppressions, &address,
		    reason.data, until, c->who,
		    clock_mono_us() + CONTROL_WAIT_US, err);
	buf_free(&reason);
	return rc;
}

static int
suppress_remove(struct client *c, const char *request, struct buf *out,
    struct err *err)
{
	struct server *s = c->server;
	struct address address;
	struct buf reason;
	int rc;

	(void)out;
	buf_init(&reason, 512);
	rc = suppress_args(request, &address, &reason, err);
	if (rc == 0)
		rc = suppression_remove(s->journal, s->suppressions, &address,
		    reason.data, c->who, clock_mono_us() + CONTROL_WAIT_US,
		    err);
	buf_free(&reason);
	return rc;
}

/*
 * Here and not in the CLI: the store's lock is ours while we run. Those who ask
 * every minute say "now": they would fill the few places there are for clients
 * while the search database is made anew.
 */
static int
catch_up(struct client *c, const char *request, struct buf *out,
    struct err *err)
{
	const char *path = journal_path(c->server->journal);
	enum json_type type;
	uint64_t rows = 0;
	struct buf now;
	int rc;

	/* This thread is one client's, and mail waits for nothing of it. */
	thread_give_way();
	buf_init(&now, CONTROL_REQUEST_MAX);
	rc = json_get(request, "now", &type, &now, err);
	buf_free(&now);
	if (rc == 0)
		rc = type == JSON_ABSENT
		    ? search_catch_up(path, &rows, err)
		    : search_catch_up_until(path,
			  clock_mono_us() + CONTROL_WAIT_US, &rows, err);
	json_add_int(out, "rows", (int64_t)rows);
	return rc;
}

static const struct {
	const char *op;
	int (*handle)(struct client *, const char *request, struct buf *out,
	    struct err *);
	bool keeps; /* takes away what the journal has */
} ops[] = {
	{ "quota", quota, false },
	{ "status", status, false },
	{ "suppress-add", suppress_add, false },
	{ "suppress-remove", suppress_remove, false },
	{ "search-catch-up", catch_up, false },
	{ "events", control_events, false },
	{ "prune-begin", control_prune_begin, true },
	{ "prune-messages", control_prune_messages, true },
	{ "prune-rows", control_prune_rows, true },
	{ "forget", control_forget, true },
	{ "scrub", control_scrub, true },
};

static int
handle(struct client *c, const char *request, struct buf *out, struct err *err)
{
	struct buf op;
	int rc;

	buf_init(&op, 64);
	rc = json_get_string(request, "op", &op, err);
	if (rc == 0)
		(void)err_set(err, ERR_PROTO, "no op given");
	for (size_t i = 0; rc == 1 && i < sizeof(ops) / sizeof(ops[0]); i++) {
		if (strcmp(ops[i].op, op.data) != 0)
			continue;
		buf_free(&op);
		return ops[i].keeps && !c->is_keeper
		    ? err_set(err, ERR_POLICY,
			  "only root and the user of posternd may do that")
		    : ops[i].handle(c, request, out, err);
	}
	if (rc == 1)
		(void)err_set(err, ERR_PROTO, "unknown op %.40s", op.data);
	buf_free(&op);
	return -1;
}

static void
answer(struct client *c, const char *request)
{
	struct buf out, members;
	struct err err;

	buf_init(&members, ANSWER_MAX);
	buf_init(&out, ANSWER_MAX);
	json_open(&members, '{');
	json_add_bool(&members, "ok", true);
	if (handle(c, request, &members, &err) == 0) {
		json_close(&members, '}');
		buf_add(&out, members.data, members.len);
	} else {
		json_open(&out, '{');
		json_add_bool(&out, "ok", false);
		json_add_string(&out, "error", err.text);
		json_close(&out, '}');
	}
	buf_addc(&out, '\n');
	stream_write(c->stream, out.data, out.len);
	buf_free(&members);
	buf_free(&out);
}

static void *
client_main(void *arg)
{
	struct client *c = arg;
	struct control *control = c->control;
	char *request;
	const char *line;
	struct err err;
	size_t len;

	for (;;) {
		stream_deadline(c->stream, clock_mono_us() + CONTROL_WAIT_US);
		if (stream_line(c->stream, CONTROL_LINE_MAX, &line, &len,
			&err) != 1)
			break;
		request = mem_strndup(line, len);
		answer(c, request);
		free(request);
		stream_deadline(c->stream, clock_mono_us() + CONTROL_WAIT_US);
		if (stream_flush(c->stream, &err) == -1)
			break;
	}
	stream_free(c->stream);
	free(c);
	(void)pthread_mutex_lock(&control->lock);
	control->clients--;
	(void)pthread_mutex_unlock(&control->lock);
	return NULL;
}

static void
name_peer(struct client *c, int fd)
{
	struct passwd pw, *found = NULL;
	char room[2048];
	uid_t uid;

	if (peer_uid(fd, &uid) == -1) {
		(void)snprintf(c->who, sizeof(c->who), "unknown");
		return;
	}
	c->is_keeper = uid == 0 || uid == geteuid();
	if (getpwuid_r(uid, &pw, room, sizeof(room), &found) == 0 &&
	    found != NULL)
		(void)snprintf(c->who, sizeof(c->who), "%s (uid %lu)",
		    pw.pw_name, (unsigned long)uid);
	else
		(void)snprintf(
		    c->who, sizeof(c->who), "uid %lu", (unsigned long)uid);
}

static void
serve(struct control *control, int fd)
{
	struct client *c = mem_new(sizeof(*c));
	bool may;

	(void)fcntl(fd, F_SETFD, FD_CLOEXEC);
	(void)fcntl(fd, F_SETFL, O_NONBLOCK);
	c->control = control;
	c->keep = &control->keep;
	c->server = control->server;
	c->stream = stream_new(fd);
	name_peer(c, fd);
	(void)pthread_mutex_lock(&control->lock);
	may = control->clients < CLIENTS_MAX;
	if (may)
		control->clients++;
	(void)pthread_mutex_unlock(&control->lock);
	if (may && thread_start(client_main, c) == 0)
		return;
	if (may) {
		(void)pthread_mutex_lock(&control->lock);
		control->clients--;
		(void)pthread_mutex_unlock(&control->lock);
	}
	log_warning(NULL, "control", "reason", "too many clients");
	stream_free(c->stream);
	free(c);
}

static void *
control_main(void *arg)
{
	struct control *c = arg;
	struct pollfd p = { .fd = c->socket.fd, .events = POLLIN };
	int fd;

	for (;;) {
		if (poll(&p, 1, -1) <= 0)
			continue;
		fd = accept(c->socket.fd, NULL, NULL);
		if (fd != -1)
			serve(c, fd);
		else
			(void)poll(NULL, 0, 100);
	}
	return NULL;
}

int
control_start(struct control *c, struct server *server,
    struct listener *listener)
{
	c->server = server;
	c->listener = listener;
	return thread_start(control_main, c);
}

/* The thread ends with the process; nobody finds the socket any more. */
void
control_stop(struct control *c)
{
	(void)unlink(c->socket.path);
}
