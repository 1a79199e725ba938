/* SPDX-License-Identifier: BSD-2-Clause */
#include "config.h"

#include "cli/cli.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "core/thread.h"

/*
 * postern: the command line. Finds the verb and lets it run.
 */

static const struct verb *const verbs[] = {
	&verb_init,
	&verb_check,
	&verb_status,
	&verb_quota,
	&verb_log,
	&verb_show,
	&verb_verify,
	&verb_snapshot,
	&verb_prune,
	&verb_forget,
	&verb_suppress,
	&verb_events,
	&verb_identities,
	&verb_rewrite,
	&verb_srs,
	&verb_report,
	&verb_metrics,
	&verb_smtp_password,
};

#define NVERBS (sizeof(verbs) / sizeof(verbs[0]))

static void
help(void)
{
	size_t i;

	(void)printf("Usage: postern [-c FILE] [--json] VERB ...\n\n");
	for (i = 0; i < NVERBS; i++)
		(void)printf("  %-14s %s\n", verbs[i]->name, verbs[i]->summary);
	(void)printf("\n"
		     "  -c FILE   the configuration (" CONF_DEFAULT_FILE ")\n"
		     "  --json    output for programs\n"
		     "  --help    this text, or a verb's own after the verb\n"
		     "  --version\n\n"
		     "Exit: 0 done, 1 found something wrong, 2 usage, 3 can't "
		     "reach what it needs.\n");
}

static const struct verb *
find_verb(const char *name)
{
	size_t i;

	for (i = 0; i < NVERBS; i++) {
		if (strcmp(verbs[i]->name, name) == 0)
			return verbs[i];
	}
	return NULL;
}

/* What was written must have arrived: a full disk is no success. */
static enum cli_exit
finish(enum cli_exit status)
{
	if (fflush(stdout) == 0 && !ferror(stdout))
		return status;
	perror("postern: the output can't be written");
	return CLI_NOT_THERE;
}

static enum cli_exit
run(struct cli *cli, int argc, char **argv)
{
	enum cli_exit status = CLI_DONE;
	bool version = false;
	const struct cli_option own[] = {
		{ .letter = 'V', .name = "version", .flag = &version }, { 0 }
	};

	if (!cli_global_options(cli, &argc, argv, own, &status))
		return status;
	if (version) {
		(void)printf("postern %s\n", PACKAGE_VERSION);
		return CLI_DONE;
	}
	if (cli->help) {
		help();
		return CLI_DONE;
	}
	if (argc < 2)
		return cli_usage(cli, "no verb");
	cli->verb = find_verb(argv[1]);
	if (cli->verb == NULL)
		return cli_usage(cli, "there is no verb \"%s\"", argv[1]);
	if (cli->verb->gives_way)
		process_give_way();
	return cli->verb->run(cli, argc - 1, argv + 1);
}

int
main(int argc, char **argv)
{
	struct cli cli = { .conf_file = CONF_DEFAULT_FILE };

	(void)signal(SIGPIPE, SIG_IGN);
	output_init(&cli.out, stdout);
	return (int)finish(run(&cli, argc, argv));
}
