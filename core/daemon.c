/* SPDX-License-Identifier: BSD-2-Clause */
#include "config.h"

#include "core/daemon.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "core/log.h"

_Noreturn static void
usage(const char *program)
{
	(void)fprintf(stderr,
	    "usage: %s [-t] [-c file]\nTry %s --help.\n", program, program);
	exit(2);
}

_Noreturn static void
help(const char *program)
{
	(void)printf("usage: %s [-t] [-c file]\n\n"
		     "Stays in the foreground; SIGHUP reads the configuration "
		     "again, SIGTERM ends it.\n\n"
		     "  -c FILE     the configuration (" CONF_DEFAULT_FILE ")\n"
		     "  -t          check it, identities, rewrite table and "
		     "secret, and exit: 0 when\n"
		     "              good, or 1 and what is wrong; \"postern "
		     "check\" looks at all else\n"
		     "  --help      this text; more in %s(8), postern.conf(5)\n"
		     "  --version\n",
	    program, program);
	exit(0);
}

_Noreturn static void
version(const char *program)
{
	(void)printf("%s %s\n", program, PACKAGE_VERSION);
	exit(0);
}

static enum log_to
log_destination(const struct conf *conf)
{
	if (conf->log.to == CONF_LOG_AUTO)
		return isatty(STDERR_FILENO) ||
			getenv("NOTIFY_SOCKET") != NULL ||
			getenv("JOURNAL_STREAM") != NULL
		    ? LOG_TO_STDERR
		    : LOG_TO_SYSLOG;
	return conf->log.to == CONF_LOG_STDERR ? LOG_TO_STDERR : LOG_TO_SYSLOG;
}

struct conf *
daemon_configure(const char *program, unsigned needs, daemon_test_fn *test,
    int argc, char **argv)
{
	static const struct option names[] = { { "help", 0, NULL, 'h' },
		{ "version", 0, NULL, 'V' }, { 0 } };
	const char *file = CONF_DEFAULT_FILE;
	bool test_only = false;
	struct conf *conf;
	struct err err;
	int opt;

	log_open(program, LOG_TO_STDERR);
	while ((opt = getopt_long(argc, argv, "c:thV", names, NULL)) != -1) {
		if (opt == 'c')
			file = optarg;
		else if (opt == 't')
			test_only = true;
		else if (opt == 'h')
			help(program);
		else if (opt == 'V')
			version(program);
		else
			usage(program);
	}
	if (optind != argc)
		usage(program);
	conf = conf_load(file, needs, &err);
	if (conf == NULL)
		log_fatal("%s", err.text);
	if (test_only) {
		if (test(conf, &err) == -1)
			log_fatal("%s", err.text);
		(void)printf("%s: good\n", file);
		exit(0);
	}
	log_open(program, log_destination(conf));
	return conf;
}
