/* SPDX-License-Identifier: BSD-2-Clause */
#include "config.h"

#include "cli/cli.h"

#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/when.h"

/*
 * Options may stand before and after operands, as people type them; "--" ends
 * them. getopt_long is not used because systems differ in just that.
 */

struct cursor {
	int argc;
	char **argv;
	int next;
};

static void
say(const struct cli *cli, const char *text)
{
	(void)fprintf(stderr, "postern%s%s: %s\n", cli->verb != NULL ? " " : "",
	    cli->verb != NULL ? cli->verb->name : "", text);
}

enum cli_exit
cli_usage(const struct cli *cli, const char *fmt, ...)
{
	char text[512];
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	say(cli, text);
	if (cli->verb != NULL)
		(void)fprintf(
		    stderr, "Try \"postern %s --help\".\n", cli->verb->name);
	else
		(void)fprintf(stderr, "Try \"postern --help\".\n");
	return CLI_USAGE;
}

int
cli_time(const struct cli *cli, const char *option, const char *text,
    int64_t *us_r)
{
	if (text == NULL || when_parse(text, 0, us_r) == 0)
		return 0;
	(void)cli_usage(cli,
	    "%s %s: a time is YYYY-MM-DD, YYYY-MM-DDTHH:MM:SSZ, or how long "
	    "ago, like 90s, 2h, 3d",
	    option, text);
	return -1;
}

/* The end is read first: now goes on, and from 2h to 2h is no period either. */
int
cli_period(const struct cli *cli, const char *since, const char *until,
    int64_t *since_us, int64_t *until_us)
{
	if (cli_time(cli, "--until", until, until_us) == -1 ||
	    cli_time(cli, "--since", since, since_us) == -1)
		return -1;
	if (since == NULL || (until == NULL && *until_us == 0) ||
	    *since_us < *until_us)
		return 0;
	(void)cli_usage(cli, "--since lies not before --until");
	return -1;
}

enum cli_exit
cli_fail(const struct cli *cli, const struct err *err)
{
	return cli_fail_closed(cli, err, "you may not: run it as root");
}

enum cli_exit
cli_fail_closed(
    const struct cli *cli, const struct err *err, const char *words)
{
	say(cli, err->text);
	if (geteuid() != 0 && strstr(err->text, strerror(EACCES)) != NULL)
		say(cli, words);
	return err->class == ERR_CONFIG || err->class == ERR_POLICY
		   ? CLI_WRONG
		   : CLI_NOT_THERE;
}

struct conf *
cli_conf(struct cli *cli, unsigned need, enum cli_exit *exit_r)
{
	struct err err;
	struct conf *conf = conf_load(cli->conf_file, need, &err);

	if (conf == NULL)
		*exit_r = cli_fail(cli, &err);
	return conf;
}

static const struct cli_option *
find_in(const struct cli_option *o, const char *name, size_t len, char letter)
{
	for (; o->name != NULL || o->letter != '\0'; o++) {
		if (name == NULL ? o->letter == letter
				 : o->name != NULL && strlen(o->name) == len &&
				       memcmp(o->name, name, len) == 0)
			return o;
	}
	return NULL;
}

/* One of the verb's own, or of those that all know. */
static const struct cli_option *
find(const struct cli_option *own, const struct cli_option *common,
    const char *name, size_t len, char letter)
{
	const struct cli_option *o = NULL;

	if (own != NULL)
		o = find_in(own, name, len, letter);
	return o != NULL ? o : find_in(common, name, len, letter);
}

/* given is what stood behind "=" or the letter, NULL for nothing. */
static bool
apply(const struct cli *cli, struct cursor *c, const struct cli_option *o,
    const char *given, const char *as_written)
{
	if (o->flag != NULL) {
		if (given != NULL) {
			(void)cli_usage(cli, "%s takes no value", as_written);
			return false;
		}
		*o->flag = true;
		return true;
	}
	if (given == NULL && c->next < c->argc)
		given = c->argv[c->next++];
	if (given == NULL) {
		(void)cli_usage(cli, "%s needs a value", as_written);
		return false;
	}
	*o->value = given;
	return true;
}

static bool
long_option(const struct cli *cli, struct cursor *c,
    const struct cli_option *own, const struct cli_option *common)
{
	const char *arg = c->argv[c->next++];
	const char *name = arg + 2;
	size_t len = strcspn(name, "=");
	const struct cli_option *o = find(own, common, name, len, '\0');

	if (o == NULL) {
		(void)cli_usage(cli, "there is no option %s", arg);
		return false;
	}
	return apply(cli, c, o, name[len] == '=' ? name + len + 1 : NULL, arg);
}

static bool
short_options(const struct cli *cli, struct cursor *c,
    const struct cli_option *own, const struct cli_option *common)
{
	const char *arg = c->argv[c->next++], *p;
	const struct cli_option *o;

	for (p = arg + 1; *p != '\0'; p++) {
		o = find(own, common, NULL, 0, *p);
		if (o == NULL) {
			(void)cli_usage(cli, "there is no option -%c", *p);
			return false;
		}
		if (o->value != NULL)
			return apply(
			    cli, c, o, p[1] != '\0' ? p + 1 : NULL, arg);
		if (!apply(cli, c, o, NULL, arg))
			return false;
	}
	return true;
}

static bool
parse(struct cli *cli, const struct cli_option *own, bool stop, int *argc,
    char **argv)
{
	const struct cli_option common[] = {
		{ .letter = 'c', .name = "config", .value = &cli->conf_file },
		{ .name = "json", .flag = &cli->out.json },
		{ .letter = 'h', .name = "help", .flag = &cli->help }, { 0 }
	};
	struct cursor c = { *argc, argv, 1 };
	int kept = 1;
	char *arg;

	while (c.next < c.argc) {
		arg = c.argv[c.next];
		if (strcmp(arg, "--") == 0 && !stop) {
			c.next++;
			break;
		}
		if (arg[0] != '-' || arg[1] == '\0') {
			if (stop)
				break;
			argv[kept++] = arg;
			c.next++;
			continue;
		}
		if (arg[1] == '-' ? !long_option(cli, &c, own, common)
				  : !short_options(cli, &c, own, common))
			return false;
	}
	while (c.next < c.argc)
		argv[kept++] = c.argv[c.next++];
	*argc = kept;
	return true;
}

bool
cli_options(struct cli *cli, const struct cli_option *own, int *argc,
    char **argv, enum cli_exit *exit_r)
{
	if (!parse(cli, own, false, argc, argv)) {
		*exit_r = CLI_USAGE;
		return false;
	}
	if (cli->help) {
		(void)printf("Usage: postern [-c FILE] %s", cli->verb->usage);
		*exit_r = CLI_DONE;
		return false;
	}
	return true;
}

bool
cli_global_options(struct cli *cli, int *argc, char **argv,
    const struct cli_option *own, enum cli_exit *exit_r)
{
	if (parse(cli, own, true, argc, argv))
		return true;
	*exit_r = CLI_USAGE;
	return false;
}
