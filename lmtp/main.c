/* SPDX-License-Identifier: BSD-2-Clause */
#include "config.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/clock.h"
#include "core/daemon.h"
#include "core/json.h"
#include "core/log.h"
#include "core/mem.h"
#include "core/notify.h"
#include "core/privilege.h"
#include "lmtp/control.h"
#include "lmtp/listener.h"
#include "lmtp/sender.h"
#include "lmtp/server.h"
#include "store/record_text.h"

/*
 * posternd: start, configuration, signals, end. One thread each for what the
 * design names; this one waits for signals.
 */
#define NEEDS (CONF_NEED_SES | CONF_NEED_LMTP | CONF_NEED_STORE)
#define STOP_WAIT_US (10 * US_PER_SEC)
#define LAST_ROWS_US (3 * US_PER_SEC) /* for what is left then */
#define SESSIONS_WAIT_US (2 * US_PER_SEC) /* for their last replies */
#define NOTE_WITHIN_US (5 * US_PER_SEC)
#define SESSION_FDS 4
#define CONNECTION_FDS 3
#define OTHER_FDS 100

struct ses *
server_ses(struct server *s)
{
	struct ses *ses;

	(void)pthread_mutex_lock(&s->lock);
	ses = ses_hold(s->ses);
	(void)pthread_mutex_unlock(&s->lock);
	return ses;
}

void
server_rules(struct server *s, const char *host, struct rewrite_rules *rules_r)
{
	(void)pthread_mutex_lock(&s->lock);
	rules_get(s->rules, host, rules_r);
	(void)pthread_mutex_unlock(&s->lock);
}

/* A change of state: one alarm and one journal row. */
static void
breaker_changed(void *arg, const char *key, bool open, const char *cause)
{
	struct server *s = arg;
	/* Addresses are personal data, which has no place in the chain. */
	char *what = record_storable(key), *why = record_storable(cause);
	bool told = open || *cause != '\0';
	struct buf detail;
	struct err err;
	char *words;

	buf_init(&detail, 4096);
	json_open(&detail, '{');
	json_add_string(&detail, "what", what);
	json_add_bool(&detail, "open", open);
	json_add_string(&detail, "cause", told ? why : NULL);
	json_close(&detail, '}');
	free(what);
	free(why);
	if (journal_note(s->journal, "breaker", detail.data,
		clock_mono_us() + NOTE_WITHIN_US, &err) == -1)
		log_error(NULL, "journal", "reason", err.text);
	buf_free(&detail);
	words = told
	    ? mem_printf("SES trouble with %s: %s", key, cause)
	    : mem_printf("SES trouble with %s is over", key);
	alarm_raise(s->alarm, words);
	free(words);
}

static void
limits_of(const struct conf *conf, struct quota_limits *limits)
{
	limits->rate = conf->quota.rate;
	limits->daily = conf->quota.daily;
	limits->window_us = conf->quota.daily_window;
	limits->doubt_us = conf->ses.data_timeout;
}

static void
open_store(struct server *s, const struct conf *conf)
{
	struct quota_limits limits;
	struct err err;

	if (journal_open(conf->store.path, true, "posternd " PACKAGE_VERSION,
		&s->journal, &err) == -1)
		log_fatal("%s", err.text);
	limits_of(conf, &limits);
	s->quota = quota_new(&limits);
	if (quota_rebuild(s->quota, conf->store.path, &err) == -1 ||
	    suppressions_open(conf->store.path, &s->suppressions, &err) == -1)
		log_fatal("%s", err.text);
}

/*
 * All that can fail for want of rights is done here, as the user that serves:
 * start-up proves that it can.
 */
static void
open_parts(struct server *s, struct conf *conf)
{
	struct credentials creds;
	struct err err;

	(void)pthread_mutex_init(&s->lock, NULL);
	s->alarm = alarm_new();
	s->breakers = breakers_new(breaker_changed, s);
	if (credentials_load(conf->ses.credentials, &creds, &err) == -1)
		log_fatal("ses.credentials: %s", err.text);
	credentials_wipe(&creds);
	s->ses = ses_new(conf, s->breakers, &err);
	if (s->ses == NULL)
		log_fatal("%s", err.text);
	s->rules = rules_open(conf, &err);
	if (s->rules == NULL)
		log_fatal("%s", err.text);
	open_store(s, conf);
	s->dispatch = dispatch_new(s->quota, (unsigned)conf->ses.connections,
	    sender_spawn, s);
}

static void
note_configuration(struct server *s, const struct conf *conf)
{
	struct buf detail;
	struct err err;

	buf_init(&detail, 4096);
	json_open(&detail, '{');
	json_add_string(&detail, "file", conf->file);
	json_close(&detail, '}');
	if (journal_note(s->journal, "config", detail.data,
		clock_mono_us() + NOTE_WITHIN_US, &err) == -1)
		log_error(NULL, "journal", "reason", err.text);
	buf_free(&detail);
}

static void
name_restart_keys(const struct conf *old, const struct conf *new)
{
	const char *names[32];
	size_t n = conf_restart_keys(old, new, names, 32);

	for (size_t i = 0; i < n && i < 32; i++)
		log_warning(NULL, "reload", "needs-restart", names[i], "cure",
		    "restart posternd");
}

static void
put_in_force(struct server *s, struct conf *new, struct ses *ses,
    struct rules *rules)
{
	struct conf *old = conf_current();
	struct quota_limits limits;
	struct rules *old_rules;
	struct ses *old_ses;
	struct err err;

	name_restart_keys(old, new);
	conf_set_current(new);
	(void)pthread_mutex_lock(&s->lock);
	old_ses = s->ses;
	old_rules = s->rules;
	s->ses = ses;
	s->rules = rules;
	(void)pthread_mutex_unlock(&s->lock);
	ses_retire(old_ses);
	ses_release(old_ses);
	rules_close(old_rules);
	limits_of(new, &limits);
	quota_limits(s->quota, &limits);
	/* Without a limit nobody counted; another window looks elsewhere. */
	if ((old->quota.daily < 0 ||
		old->quota.daily_window != new->quota.daily_window) &&
	    quota_rebuild(s->quota, old->store.path, &err) == -1)
		log_error(NULL, "quota-not-rebuilt", "reason", err.text);
	dispatch_max_senders(s->dispatch, (unsigned)new->ses.connections);
	breakers_reset(s->breakers, "forgotten on SIGHUP, and looked for anew");
	note_configuration(s, new);
	log_info(NULL, "reload", "file", new->file);
	conf_release(old);
}

/* SIGHUP: all of the new configuration, or none of it. */
static void
reload(struct server *s, const char *file)
{
	struct rules *rules = NULL;
	struct credentials creds;
	struct ses *ses = NULL;
	struct conf *new;
	struct err err;

	new = conf_load(file, NEEDS, &err);
	if (new != NULL &&
	    credentials_load(new->ses.credentials, &creds, &err) == 0) {
		credentials_wipe(&creds);
		if ((ses = ses_new(new, s->breakers, &err)) != NULL)
			rules = rules_open(new, &err);
	}
	if (rules != NULL) {
		put_in_force(s, new, ses, rules);
	} else {
		log_error(NULL, "reload-failed", "reason", err.text, "in-force",
		    "the old configuration");
		ses_release(ses);
	}
	if (new != NULL)
		conf_release(new);
}

static void
wait_for_signals(struct server *s, const sigset_t *signals, const char *file)
{
	int sig;

	for (;;) {
		if (sigwait(signals, &sig) != 0)
			continue;
		if (sig != SIGHUP)
			break;
		notify_send("RELOADING=1");
		reload(s, file);
		notify_send("READY=1");
	}
	log_info(NULL, "stopping", "signal", LOG_NUM(sig));
}

/*
 * Give up what has no dot, wait for what has, journal the rest as doubtful.
 * Threads that are left end with the process: all that they could still say is
 * in the journal.
 */
static void
stop(struct server *s, struct listener *listener, struct control *control)
{
	int64_t deadline = clock_mono_us() + STOP_WAIT_US;
	struct sender_end end = { s, deadline + LAST_ROWS_US };
	size_t left;

	notify_send("STOPPING=1");
	listener_close(listener);
	dispatch_stop(s->dispatch);
	left = dispatch_drain(s->dispatch, deadline, sender_abandon, &end);
	listener_stop(listener, clock_mono_us() + SESSIONS_WAIT_US);
	control_stop(control);
	journal_end(s->journal);
	log_info(NULL, "stopped", "senders-left", LOG_NUM(left));
	_exit(0);
}

/*
 * A session has a socket, a pipe and perhaps a temporary file; a connection to
 * SES has a socket, and needs a file or two while it is made. The rest is the
 * store's and the control socket's clients'.
 */
static void
provide_descriptors(const struct conf *conf)
{
	privilege_descriptors(OTHER_FDS +
		SESSION_FDS * (unsigned long)conf->lmtp.max_sessions +
		CONNECTION_FDS * (unsigned long)conf->ses.connections,
	    "raise the limit or lower lmtp.max-sessions");
}

static void
block_signals(sigset_t *signals)
{
	(void)sigemptyset(signals);
	(void)sigaddset(signals, SIGHUP);
	(void)sigaddset(signals, SIGTERM);
	(void)sigaddset(signals, SIGINT);
	(void)sigprocmask(SIG_BLOCK, signals, NULL);
	(void)signal(SIGPIPE, SIG_IGN);
}

int
main(int argc, char **argv)
{
	static struct server server;
	struct listener *listener;
	struct control *control;
	struct conf *conf;
	sigset_t signals;
	struct err err;

	conf = daemon_configure("posternd", NEEDS, rules_test, argc, argv);
	block_signals(&signals);
	(void)umask(027);
	conf_set_current(conf);
	provide_descriptors(conf);
	if (privilege_group(conf->daemon.user, &err) == -1 ||
	    (listener = listener_bind(conf, &err)) == NULL ||
	    (control = control_bind(conf->daemon.control, &err)) == NULL ||
	    privilege_drop(conf->daemon.user, &err) == -1)
		log_fatal("%s", err.text);
	open_parts(&server, conf);
	if (control_start(control, &server, listener) == -1 ||
	    listener_start(listener, &server) == -1)
		log_fatal("no thread to be had");
	notify_send("READY=1");
	log_info(NULL, "ready", "version", PACKAGE_VERSION, "pid",
	    LOG_NUM(getpid()));
	wait_for_signals(&server, &signals, conf->file);
	stop(&server, listener, control);
	return 0;
}
