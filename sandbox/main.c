/* SPDX-License-Identifier: BSD-2-Clause */
#include "config.h"

#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/base64.h"
#include "core/buf.h"
#include "core/clock.h"
#include "core/crypto.h"
#include "core/json.h"
#include "core/log.h"
#include "core/mem.h"
#include "sandbox/account.h"
#include "sandbox/control.h"
#include "sandbox/crowd.h"
#include "sandbox/endpoint.h"
#include "sandbox/events.h"
#include "sandbox/fault.h"
#include "sandbox/ids.h"
#include "sandbox/knobs.h"
#include "sandbox/limits.h"
#include "sandbox/listener.h"
#include "sandbox/options.h"
#include "sandbox/record.h"
#include "sandbox/settings.h"
#include "sandbox/summary.h"

/*
 * postern-sandbox: start, say that it is ready, wait for a signal, stop.
 */
#define CREDENTIALS "credentials"
#define CREDENTIALS_MAX 4096
#define STOP_WAIT (5 * US_PER_SEC)

struct program {
	struct options options;
	struct sandbox sb;
	struct control *control;
	char *control_path;
	int stop_write;	   /* closing it makes sb.stop_fd readable */
	char *credentials; /* USERNAME:PASSWORD for whoever asks */
};

/* A made-up access key, and a password of the shape of SES's (facts section 5).
 */
static char *
invent_credentials(void)
{
	unsigned char secret[33];
	char name[17], *password, *text;

	crypto_random(secret, sizeof(secret));
	secret[0] = 0x04;
	ids_word("ABCDEFGHIJKLMNOPQRSTUVWXYZ234567", 16, name);
	password = base64_text(secret, sizeof(secret));
	text = mem_printf("AKIA%s:%s\n", name, password);
	free(password);
	return text;
}

/* Kept in the state directory, in the form that posternd's credentials file
 * has. */
static int
keep_credentials(struct program *p, struct err *err)
{
	const char *dir = p->options.state;
	struct buf text;
	char *made;
	int rc = 0;

	if (!endpoint_has(dir, CREDENTIALS)) {
		made = invent_credentials();
		rc = endpoint_write(dir, CREDENTIALS, made, true, err);
		free(made);
	}
	if (rc == -1)
		return -1;
	buf_init(&text, CREDENTIALS_MAX);
	rc = endpoint_read(dir, CREDENTIALS, &text, err);
	buf_cut(&text, strcspn(text.data, "\n"));
	if (rc == 0)
		rc = account_add(p->sb.account, ACCOUNT_USER, text.data, err);
	if (rc == 0)
		p->credentials = mem_strdup(text.data);
	buf_free(&text);
	return rc;
}

static void
use_production(struct sandbox *sb)
{
	limits_set_rate(sb->limits, 14);
	limits_set_day(sb->limits, 50000);
	settings_set(sb->settings, SETTING_SANDBOX, 0);
}

static int
turn_knobs(struct program *p, struct err *err)
{
	const struct options *o = &p->options;

	if (o->production)
		use_production(&p->sb);
	for (size_t i = 0; i < o->nknobs; i++)
		if (knob_set(
			&p->sb, o->knobs[i].name, o->knobs[i].value, err) == -1)
			return -1;
	/* Users of one's own take the place of the invented one. */
	if (account_has_users(p->sb.account))
		return 0;
	return keep_credentials(p, err);
}

static int
make_endpoint(struct program *p, struct err *err)
{
	struct endpoint_config c = {
		.dir = p->options.state,
		.region = p->options.region,
		.names = p->options.names,
		.nnames = p->options.nnames,
		.local_names = p->options.local_names,
	};

	p->sb.endpoint = endpoint_new(&c, err);
	return p->sb.endpoint != NULL ? 0 : -1;
}

static int
open_files(struct program *p, struct err *err)
{
	const struct options *o = &p->options;

	if (o->save != NULL && mkdir(o->save, 0755) == -1 && errno != EEXIST)
		return err_sys(err, ERR_LOCAL, errno, "%s", o->save);
	p->sb.save_dir = o->save;
	if (o->events == NULL)
		return 0;
	p->sb.events = events_open(o->events, err);
	return p->sb.events != NULL ? 0 : -1;
}

static int
make_stop_pipe(struct program *p, struct err *err)
{
	int fds[2];

	if (pipe(fds) == -1)
		return err_sys(err, ERR_LOCAL, errno, "pipe");
	(void)fcntl(fds[0], F_SETFD, FD_CLOEXEC);
	(void)fcntl(fds[1], F_SETFD, FD_CLOEXEC);
	p->sb.stop_fd = fds[0];
	p->stop_write = fds[1];
	return 0;
}

static void
make_parts(struct program *p)
{
	p->sb.region = p->options.region;
	p->sb.settings = settings_new();
	p->sb.account = account_new();
	p->sb.limits = limits_new();
	p->sb.faults = faults_new();
	p->sb.record = record_new(p->options.keep);
	p->sb.crowd = crowd_new();
	p->control_path = p->options.control != NULL
			      ? mem_strdup(p->options.control)
			      : mem_printf("%s/control.sock", p->options.state);
}

static int
start_listening(struct program *p, struct err *err)
{
	const struct options *o = &p->options;

	p->sb.listeners = listeners_new(o->addresses, o->naddresses,
	    o->starttls_port, o->wrapper_port, err);
	if (p->sb.listeners == NULL)
		return -1;
	p->control = control_new(p->control_path, err);
	if (p->control == NULL)
		return -1;
	if (listeners_start(p->sb.listeners, &p->sb, err) == -1)
		return -1;
	return control_start(p->control, &p->sb, err);
}

static void
add_path(struct buf *out, const char *key, const char *path)
{
	char *full = realpath(path, NULL);

	json_add_string(out, key, full != NULL ? full : path);
	free(full);
}

static void
ready_text(struct program *p, struct buf *out)
{
	const char *colon =
	    p->credentials != NULL ? strchr(p->credentials, ':') : NULL;
	char *file;

	json_open(out, '{');
	json_add_int(out, "pid", getpid());
	json_add_string(out, "region", p->options.region);
	json_add_string(out, "address", p->options.addresses[0]);
	json_add_int(
	    out, "starttls_port", listeners_port(p->sb.listeners, false));
	json_add_int(
	    out, "wrapper_port", listeners_port(p->sb.listeners, true));
	add_path(out, "ca_file", endpoint_ca_file(p->sb.endpoint));
	add_path(out, "control", p->control_path);
	if (colon != NULL) {
		file = mem_printf("%s/" CREDENTIALS, p->options.state);
		add_path(out, "credentials_file", file);
		free(file);
		json_key(out, "user");
		json_string_len(
		    out, p->credentials, (size_t)(colon - p->credentials));
		json_add_string(out, "password", colon + 1);
	}
	json_close(out, '}');
	buf_addc(out, '\n');
}

/* For a supervisor that follows systemd's protocol; nobody else is told. */
static void
notify(const char *words)
{
	const char *path = getenv("NOTIFY_SOCKET");
	struct sockaddr_un sun = { .sun_family = AF_UNIX };
	socklen_t len;
	int fd;

	if (path == NULL || strlen(path) >= sizeof(sun.sun_path))
		return;
	len =
	    (socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(path));
	memcpy(sun.sun_path, path, strlen(path));
	if (sun.sun_path[0] == '@')
		sun.sun_path[0] = '\0';
	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd == -1)
		return;
	if (sendto(fd, words, strlen(words), MSG_NOSIGNAL,
		(struct sockaddr *)&sun, len) == -1)
		log_warning(NULL, "notify", "reason", "could not be sent");
	(void)close(fd);
}

/* The file appears whole, so that one can wait for it to be there. */
static int
say_ready(struct program *p, struct err *err)
{
	const char *file = p->options.ready, *slash;
	struct buf text;
	char *dir;
	int rc = 0;

	buf_init(&text, CREDENTIALS_MAX * 4);
	ready_text(p, &text);
	if (file != NULL) {
		slash = strrchr(file, '/');
		dir = slash == NULL ? mem_strdup(".")
				    : mem_strndup(file, (size_t)(slash - file));
		rc = endpoint_write(*dir != '\0' ? dir : "/",
		    slash != NULL ? slash + 1 : file, text.data, true, err);
		free(dir);
	}
	if (rc == 0 &&
	    (fputs(text.data, stdout) == EOF || fflush(stdout) == EOF))
		rc = err_sys(err, ERR_LOCAL, errno, "standard output");
	buf_free(&text);
	if (rc == 0)
		notify("READY=1\nSTATUS=listening");
	return rc;
}

static int
start(struct program *p, struct err *err)
{
	if (make_stop_pipe(p, err) == -1)
		return -1;
	make_parts(p);
	if (make_endpoint(p, err) == -1 || turn_knobs(p, err) == -1 ||
	    open_files(p, err) == -1 || start_listening(p, err) == -1)
		return -1;
	return say_ready(p, err);
}

/*
 * Everyone is told at once; whoever does not end in time is left behind, since
 * the summary matters more than memory that goes with the process.
 */
static int
stop(struct program *p, struct err *err)
{
	const struct options *o = &p->options;
	bool all_gone;
	int rc = 0;

	notify("STOPPING=1");
	(void)close(p->stop_write);
	record_stop(p->sb.record);
	crowd_close(p->sb.crowd);
	all_gone = crowd_wait_empty(p->sb.crowd, clock_mono_us() + STOP_WAIT);
	if (o->summary != NULL)
		rc = summary_write(&p->sb, o->summary, err);
	control_free(p->control);
	if (o->ready != NULL)
		(void)unlink(o->ready);
	if (!all_gone) {
		log_warning(NULL, "stop", "reason", "sessions do not end");
		_exit(rc == 0 ? 0 : 1);
	}
	return rc;
}

static void
free_parts(struct program *p)
{
	listeners_free(p->sb.listeners);
	events_close(p->sb.events);
	endpoint_free(p->sb.endpoint);
	crowd_free(p->sb.crowd);
	record_free(p->sb.record);
	faults_free(p->sb.faults);
	limits_free(p->sb.limits);
	account_free(p->sb.account);
	settings_free(p->sb.settings);
	(void)close(p->sb.stop_fd);
	free(p->credentials);
	free(p->control_path);
	options_free(&p->options);
}

/* Threads inherit the mask, so that only sigwait gets these. */
static void
block_signals(sigset_t *set)
{
	(void)signal(SIGPIPE, SIG_IGN);
	(void)sigemptyset(set);
	(void)sigaddset(set, SIGTERM);
	(void)sigaddset(set, SIGINT);
	(void)pthread_sigmask(SIG_BLOCK, set, NULL);
}

int
main(int argc, char **argv)
{
	struct program p = { .stop_write = -1 };
	struct err err;
	sigset_t set;
	int sig;

	log_open("postern-sandbox", LOG_TO_STDERR);
	options_parse(&p.options, argc, argv);
	block_signals(&set);
	if (start(&p, &err) == -1)
		log_fatal("%s", err.text);
	while (sigwait(&set, &sig) != 0)
		;
	if (stop(&p, &err) == -1)
		log_fatal("%s", err.text);
	free_parts(&p);
	return 0;
}
