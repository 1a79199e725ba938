/* SPDX-License-Identifier: BSD-2-Clause */
#include "config.h"

#include "cli/cli.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

#include "core/json.h"
#include "core/mem.h"
#include "ses/password.h"

/*
 * postern smtp-password. The secret comes from a prompt without echo or from
 * standard input, never from the command line, which every user of a host can
 * read.
 */

#define SECRET_MAX 256

/* The terminal as it was, for the handler. */
static struct termios as_it_was;

/*
 * Gives the echo back and ends the program as the signal would have. Done right
 * here (all of it is safe in a handler): a flag that the reading looked at
 * would go unseen when the signal comes between the look and the read.
 */
static void
on_signal(int sig)
{
	(void)tcsetattr(STDIN_FILENO, TCSAFLUSH, &as_it_was);
	(void)signal(sig, SIG_DFL);
	(void)raise(sig);
}

/* A line of standard input without its line end; 0, or -1 at its end. */
static int
read_line(char *line, size_t size)
{
	size_t len = 0;
	ssize_t n = 0;

	while (len < size - 1) {
		n = read(STDIN_FILENO, line + len, 1);
		if (n <= 0 || line[len] == '\n')
			break;
		len++;
	}
	if (len > 0 && line[len - 1] == '\r')
		len--;
	line[len] = '\0';
	return n == -1 || len == 0 ? -1 : 0;
}

/* However the reading ends, the terminal gets its echo back first. */
static int
ask(char *line, size_t size)
{
	static const int signals[] = { SIGINT, SIGTERM, SIGHUP, SIGQUIT };
	struct sigaction act = { .sa_handler = on_signal }, old[4];
	struct termios quiet;
	size_t i;
	int rc;

	if (tcgetattr(STDIN_FILENO, &as_it_was) == -1)
		return -1;
	for (i = 0; i < 4; i++)
		(void)sigaction(signals[i], &act, &old[i]);
	quiet = as_it_was;
	quiet.c_lflag &= ~(tcflag_t)ECHO;
	(void)fputs("Secret access key: ", stderr);
	(void)tcsetattr(STDIN_FILENO, TCSAFLUSH, &quiet);
	rc = read_line(line, size);
	(void)tcsetattr(STDIN_FILENO, TCSAFLUSH, &as_it_was);
	(void)fputc('\n', stderr);
	for (i = 0; i < 4; i++)
		(void)sigaction(signals[i], &old[i], NULL);
	return rc;
}

/* The mistakes that people make here; NULL when it may be a secret key. */
static const char *
mistake(const char *secret)
{
	size_t len = strlen(secret);

	if (len == 20 && (strncmp(secret, "AKIA", 4) == 0 ||
			     strncmp(secret, "ASIA", 4) == 0))
		return "that is an access key id, which is the user name: the "
		       "secret access key is the longer one of the pair";
	if (len == 44 && secret[0] == 'B')
		return "that looks like an SMTP password already: give the "
		       "IAM user's secret access key (40 characters)";
	if (strpbrk(secret, " \t") != NULL)
		return "there is a blank in it: give the secret access key "
		       "alone";
	return NULL;
}

static void
print(struct cli *cli, const char *region, const char *password)
{
	struct buf json;

	if (!cli->out.json) {
		output_printf(&cli->out, "%s\n", password);
		return;
	}
	buf_init(&json, 1024);
	json_open(&json, '{');
	json_add_string(&json, "region", region);
	json_add_string(&json, "password", password);
	json_close(&json, '}');
	output_json(&cli->out, &json);
	mem_wipe(json.data, json.len);
	buf_free(&json);
}

static enum cli_exit
derive(struct cli *cli, const char *region)
{
	char secret[SECRET_MAX], *password;
	const char *wrong;
	int rc;

	rc = isatty(STDIN_FILENO) ? ask(secret, sizeof(secret))
				  : read_line(secret, sizeof(secret));
	if (rc == -1)
		return cli_usage(cli, "no secret access key on standard input");
	wrong = mistake(secret);
	if (wrong != NULL) {
		mem_wipe(secret, sizeof(secret));
		return cli_usage(cli, "%s", wrong);
	}
	password = password_derive(secret, region);
	mem_wipe(secret, sizeof(secret));
	print(cli, region, password);
	mem_wipe(password, strlen(password));
	free(password);
	return CLI_DONE;
}

static enum cli_exit
run(struct cli *cli, int argc, char **argv)
{
	const char *region = NULL;
	const struct cli_option own[] = {
		{ .letter = 'r', .name = "region", .value = &region }, { 0 }
	};
	enum cli_exit status = CLI_DONE;
	struct conf *conf = NULL;

	if (!cli_options(cli, own, &argc, argv, &status))
		return status;
	if (argc > 1)
		return cli_usage(cli,
		    "the secret is not taken from the command line, where "
		    "others could read it: type it when asked, or pipe it in");
	if (region == NULL) {
		conf = cli_conf(cli, 0, &status);
		if (conf == NULL)
			return status;
		region = conf->ses.region;
	}
	if (region[0] == '\0')
		status = cli_usage(cli,
		    "the region is not known: give it with -r, such as "
		    "-r eu-west-1");
	else
		status = derive(cli, region);
	conf_release(conf);
	return status;
}

const struct verb verb_smtp_password = {
	.name = "smtp-password",
	.summary = "derive the SMTP password from an IAM secret access key",
	.usage =
	    "smtp-password [-r REGION] [--json]\n\n"
	    "Reads an IAM user's secret access key from a prompt, or from\n"
	    "standard input when that is no terminal, and prints the password\n"
	    "that SES wants over SMTP in one region. The user name is the\n"
	    "access key id. Both go into the credentials file as\n"
	    "USERNAME:PASSWORD.\n\n"
	    "  -r, --region REGION   [the configuration's]\n",
	.run = run,
};
