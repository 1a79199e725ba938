/* SPDX-License-Identifier: BSD-2-Clause */
#include "config.h"

#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/clock.h"
#include "core/daemon.h"
#include "core/log.h"
#include "core/notify.h"
#include "core/privilege.h"
#include "milter/current.h"
#include "milter/filter.h"
#include "milter/socketmap.h"

/*
 * postern-milter: start, configuration, signals, end.
 */
#define STOP_WAIT_US (10 * US_PER_SEC)
#define DESCRIPTORS 1024 /* one for each connection of the MTA, and few more */

static atomic_bool failed;

static void
filter_ended(void)
{
	log_error(NULL, "libmilter-ended", "reason", "it has told syslog");
	atomic_store(&failed, true);
	(void)kill(getpid(), SIGTERM);
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

/* Of the keys that need a restart, those that are the milter's. */
static void
name_restart_keys(const struct conf *old, const struct conf *new)
{
	const char *names[32];
	size_t n = conf_restart_keys(old, new, names, 32);

	for (size_t i = 0; i < n; i++)
		if (strncmp(names[i], "milter.", 7) == 0 ||
		    strcmp(names[i], "daemon.user") == 0 ||
		    strcmp(names[i], "log.to") == 0)
			log_warning(NULL, "reload", "needs-restart", names[i],
			    "cure", "restart postern-milter");
}

/* SIGHUP: all of the new configuration, or none of it. */
static void
reload(const char *file)
{
	struct conf *old = conf_current();
	struct rules *rules = NULL;
	struct conf *new;
	struct err err;

	new = conf_load(file, 0, &err);
	if (new != NULL && (rules = rules_open(new, &err)) != NULL) {
		name_restart_keys(old, new);
		current_set(rules);
		conf_set_current(new);
		log_info(NULL, "reload", "file", file);
	} else {
		log_error(NULL, "reload-failed", "reason", err.text, "in-force",
		    "the old configuration");
	}
	if (new != NULL)
		conf_release(new);
	conf_release(old);
}

static void
wait_for_signals(const sigset_t *signals, const char *file)
{
	int sig;

	for (;;) {
		/* Not sigwait(3): see sigwait.c. */
		if ((sig = sigwaitinfo(signals, NULL)) == -1)
			continue;
		if (sig != SIGHUP)
			break;
		notify_send("RELOADING=1");
		reload(file);
		notify_send("READY=1");
	}
	log_info(NULL, "stopping", "signal", LOG_NUM(sig));
}

/*
 * Messages that are under way are seen to their end; for others the MTA does
 * what it was told to do without a milter.
 */
static void
stop(void)
{
	unsigned left;

	notify_send("STOPPING=1");
	left = filter_stop(clock_mono_us() + STOP_WAIT_US);
	socketmap_unlink();
	log_info(NULL, "stopped", "messages-left", LOG_NUM(left));
	_exit(atomic_load(&failed) ? 1 : 0);
}

static void
bind_sockets(const struct conf *conf)
{
	struct err err;

	if (filter_bind(conf->milter.listen, &err) == -1)
		log_fatal("milter.listen: %s: %s", conf->milter.listen,
		    err.text);
	log_info(NULL, "listening", "address", filter_address());
	if (socketmap_bind(conf->milter.socketmap, &err) == -1) {
		filter_unlink();
		log_fatal("milter.socketmap: %s: %s", conf->milter.socketmap,
		    err.text);
	}
	log_info(NULL, "listening", "address", socketmap_address());
}

int
main(int argc, char **argv)
{
	struct rules *rules;
	struct conf *conf;
	sigset_t signals;
	struct err err;

	conf = daemon_configure("postern-milter", 0, rules_test, argc, argv);
	block_signals(&signals);
	(void)umask(027);
	conf_set_current(conf);
	privilege_descriptors(DESCRIPTORS, "raise the limit");
	if (privilege_group(conf->daemon.user, &err) == -1)
		log_fatal("%s", err.text);
	bind_sockets(conf);
	if (privilege_drop(conf->daemon.user, &err) == -1 ||
	    (rules = rules_open(conf, &err)) == NULL)
		log_fatal("%s", err.text);
	current_set(rules);
	if (*conf->identities.file == '\0')
		log_warning(NULL, "no-identities", "cure",
		    "name the verified ones in identities.file: without "
		    "them every sender passes");
	if (socketmap_start() == -1 ||
	    filter_start(filter_ended) == -1)
		log_fatal("no thread to be had");
	notify_send("READY=1");
	log_info(NULL, "ready", "version", PACKAGE_VERSION, "pid",
	    LOG_NUM(getpid()));
	wait_for_signals(&signals, conf->file);
	stop();
	return 0;
}
