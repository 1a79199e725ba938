/* SPDX-License-Identifier: BSD-2-Clause */
#include "config.h"

#include "sandbox/control.h"

#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/buf.h"
#include "core/clock.h"
#include "core/json.h"
#include "core/log.h"
#include "core/mem.h"
#include "core/stream.h"
#include "sandbox/crowd.h"
#include "sandbox/fault.h"
#include "sandbox/knobs.h"
#include "sandbox/limits.h"
#include "sandbox/listener.h"
#include "sandbox/record.h"
#include "sandbox/summary.h"

/*
 * A thread for each client, since "wait" may take long. Clients are counted in
 * a crowd of their own.
 */
#define LINE_MAX_BYTES 4096
#define ANSWER_MAX ((size_t)1024 * 1024 * 1024)

struct control {
	char *path;
	int fd;
	bool started;
	pthread_t thread;
	struct sandbox *sb;
	struct crowd *clients;
};

struct call {
	struct sandbox *sb;
	char *words;	 /* what follows the command's name */
	struct buf *out; /* within the answer's object, after "ok" */
	struct err *err;
};

struct command {
	const char *name;
	int (*run)(struct call *);
};

/* The next word, or "". */
static char *
next_word(struct call *c)
{
	char *word = c->words + strspn(c->words, " ");

	c->words = word + strcspn(word, " ");
	if (*c->words != '\0')
		*c->words++ = '\0';
	return word;
}

static int
next_number(struct call *c, int64_t *n_r)
{
	char *word = next_word(c), *end;

	*n_r = strtoll(word, &end, 10);
	if (*word == '\0' || *end != '\0' || *n_r < 0)
		return err_set(c->err, ERR_CONFIG,
		    "a number is wanted in place of \"%s\"", word);
	return 0;
}

static char *
rest(struct call *c)
{
	return c->words + strspn(c->words, " ");
}

static int
run_set(struct call *c)
{
	const char *name = next_word(c);

	return knob_set(c->sb, name, rest(c), c->err);
}

static int
run_remove(struct call *c)
{
	const char *name = next_word(c);

	return knob_remove(c->sb, name, rest(c), c->err);
}

static int
run_clear(struct call *c)
{
	return knob_clear(c->sb, rest(c), c->err);
}

static int
run_fault(struct call *c)
{
	unsigned id;

	if (faults_add(c->sb->faults, rest(c), &id, c->err) == -1)
		return -1;
	json_add_int(c->out, "id", id);
	return 0;
}

static int
run_summary(struct call *c)
{
	int64_t since = 0;

	if (*rest(c) != '\0' && next_number(c, &since) == -1)
		return -1;
	json_key(c->out, "summary");
	summary_json(c->sb, (uint64_t)since, c->out);
	return 0;
}

static int
run_counters(struct call *c)
{
	json_key(c->out, "counters");
	record_counters_json(c->sb->record, c->out);
	json_key(c->out, "violations_by_kind");
	record_kinds_json(c->sb->record, c->out);
	json_key(c->out, "limits");
	limits_json(c->sb->limits, c->out);
	json_key(c->out, "faults");
	faults_json(c->sb->faults, c->out);
	return 0;
}

/* wait COUNTER N MS */
static int
run_wait(struct call *c)
{
	const char *name = next_word(c);
	enum counter counter = record_counter_named(name);
	int64_t n, ms, value;

	if (counter == COUNTER_COUNT)
		return err_set(
		    c->err, ERR_CONFIG, "there is no counter \"%s\"", name);
	if (next_number(c, &n) == -1 || next_number(c, &ms) == -1)
		return -1;
	value = record_wait(
	    c->sb->record, counter, n, clock_mono_us() + ms * US_PER_MS);
	if (value < n)
		return err_set(c->err, ERR_TIMEOUT,
		    "%s is %" PRId64 " after %" PRId64 " ms, not %" PRId64,
		    name, value, ms, n);
	json_add_int(c->out, "value", value);
	return 0;
}

static int
run_spend(struct call *c)
{
	int64_t n;

	if (next_number(c, &n) == -1)
		return -1;
	limits_spend_other(c->sb->limits, (unsigned)n);
	return 0;
}

static int
run_listen(struct call *c)
{
	const char *word = rest(c);

	if (strcmp(word, "on") == 0)
		return listeners_open(c->sb->listeners, c->err);
	if (strcmp(word, "off") == 0)
		return listeners_close(c->sb->listeners, c->err);
	return err_set(c->err, ERR_CONFIG, "listen: on or off is wanted");
}

static int
run_disconnect(struct call *c)
{
	crowd_send_away(c->sb->crowd);
	return 0;
}

/* reset [limits]: forget what was seen, or what was spent. */
static int
run_reset(struct call *c)
{
	if (strcmp(rest(c), "limits") == 0)
		limits_reset(c->sb->limits);
	else if (*rest(c) == '\0')
		record_reset(c->sb->record);
	else
		return err_set(
		    c->err, ERR_CONFIG, "reset: nothing or limits is wanted");
	return 0;
}

static int
run_stop(struct call *c)
{
	(void)c;
	return kill(getpid(), SIGTERM);
}

static const struct command commands[] = {
	{ "set", run_set },
	{ "add", run_set },
	{ "remove", run_remove },
	{ "clear", run_clear },
	{ "fault", run_fault },
	{ "summary", run_summary },
	{ "counters", run_counters },
	{ "wait", run_wait },
	{ "spend", run_spend },
	{ "listen", run_listen },
	{ "disconnect", run_disconnect },
	{ "reset", run_reset },
	{ "stop", run_stop },
};

static int
dispatch(struct call *c, const char *name)
{
	for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++)
		if (strcmp(commands[i].name, name) == 0)
			return commands[i].run(c);
	return err_set(c->err, ERR_CONFIG, "there is no command \"%s\"", name);
}

static void
answer(struct sandbox *sb, char *line, struct buf *out)
{
	struct err err = { .class = ERR_LOCAL };
	struct call c = { sb, line, out, &err };

	buf_reset(out);
	json_open(out, '{');
	json_add_bool(out, "ok", true);
	if (dispatch(&c, next_word(&c)) == -1) {
		buf_reset(out);
		json_open(out, '{');
		json_add_bool(out, "ok", false);
		json_add_string(out, "error", err.text);
	}
	json_close(out, '}');
	buf_addc(out, '\n');
}

struct client {
	struct control *control;
	int fd;
};

static void
talk(struct control *c, struct stream *s, struct buf *out)
{
	const char *line;
	struct err err;
	size_t len;
	char *copy;

	while (stream_line(s, LINE_MAX_BYTES, &line, &len, &err) == 1) {
		while (
		    len > 0 && (line[len - 1] == '\n' || line[len - 1] == '\r'))
			len--;
		copy = mem_strndup(line, len);
		answer(c->sb, copy, out);
		free(copy);
		stream_write(s, out->data, out->len);
		if (stream_flush(s, &err) == -1)
			break;
		buf_free(out); /* a summary may have been large */
	}
}

static void
serve(void *arg)
{
	struct client client = *(struct client *)arg;
	struct control *c = client.control;
	struct stream *s = stream_new(client.fd);
	struct buf out;

	free(arg);
	stream_wake_fd(s, c->sb->stop_fd);
	buf_init(&out, ANSWER_MAX);
	talk(c, s, &out);
	buf_free(&out);
	crowd_leave(c->clients, client.fd);
	stream_free(s);
}

static void
start_client(struct control *c, int fd)
{
	struct client *client = mem_new(sizeof(*client));

	*client = (struct client){ c, fd };
	if (crowd_start(c->clients, fd, serve, client) == 0)
		return;
	log_error(NULL, "control", "reason", "no thread to be had");
	(void)close(fd);
	free(client);
}

static void *
accept_all(void *arg)
{
	struct control *c = arg;
	struct pollfd p[2] = {
		{ .fd = c->fd, .events = POLLIN },
		{ .fd = c->sb->stop_fd, .events = POLLIN },
	};
	int fd;

	for (;;) {
		if (poll(p, 2, -1) <= 0)
			continue;
		if (p[1].revents != 0)
			return NULL;
		if ((fd = accept(c->fd, NULL, NULL)) == -1)
			continue;
		(void)fcntl(fd, F_SETFD, FD_CLOEXEC);
		start_client(c, fd);
	}
}

static int
bind_path(const char *path, struct err *err)
{
	struct sockaddr_un sun = { .sun_family = AF_UNIX };
	int fd;

	if (strlen(path) >= sizeof(sun.sun_path))
		return err_set(err, ERR_CONFIG,
		    "%s: the path of a unix socket has at most %zu bytes; "
		    "choose another with --control",
		    path, sizeof(sun.sun_path) - 1);
	memcpy(sun.sun_path, path, strlen(path) + 1);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd == -1)
		return err_sys(err, ERR_LOCAL, errno, "socket");
	(void)fcntl(fd, F_SETFL, O_NONBLOCK);
	(void)unlink(path);
	if (bind(fd, (struct sockaddr *)&sun, sizeof(sun)) == 0 &&
	    chmod(path, 0600) == 0 && listen(fd, 64) == 0)
		return fd;
	(void)err_sys(err, ERR_LOCAL, errno, "%s", path);
	(void)close(fd);
	return -1;
}

struct control *
control_new(const char *path, struct err *err)
{
	struct control *c;
	int fd;

	if ((fd = bind_path(path, err)) == -1)
		return NULL;
	c = mem_new(sizeof(*c));
	c->fd = fd;
	c->path = mem_strdup(path);
	c->clients = crowd_new();
	return c;
}

int
control_start(struct control *c, struct sandbox *sb, struct err *err)
{
	int rc;

	c->sb = sb;
	rc = pthread_create(&c->thread, NULL, accept_all, c);
	if (rc != 0)
		return err_sys(err, ERR_LOCAL, rc, "thread");
	c->started = true;
	return 0;
}

void
control_free(struct control *c)
{
	if (c == NULL)
		return;
	if (c->started)
		(void)pthread_join(c->thread, NULL);
	crowd_close(c->clients);
	(void)crowd_wait_empty(c->clients, INT64_MAX);
	crowd_free(c->clients);
	(void)close(c->fd);
	(void)unlink(c->path);
	free(c->path);
	free(c);
}
