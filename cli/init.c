/* SPDX-License-Identifier: BSD-2-Clause */
#include "config.h"

#include "cli/cli.h"

#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/postfix.h"
#include "cli/steps.h"
#include "core/crypto.h"
#include "core/mem.h"

/*
 * postern init: user, groups, directories and first files, each only where it
 * is missing. What a package does at installation is the same.
 */

#define AUDIT_GROUP "postern-audit"
#define TMPFILES_DIR "/etc/tmpfiles.d"

struct init {
	struct cli *cli;
	struct conf
	    *conf; /* the one in force, or the defaults when there is none */
	struct steps steps;
	char *conf_dir;
	/* For Postfix, NULL without --postfix. */
	char *listen, *milter, *socketmap;
};

/* The directory of a file, in a new string. */
static char *
dir_of(const char *file)
{
	const char *slash = strrchr(file, '/');

	if (slash == NULL)
		return mem_strdup(".");
	return slash == file ? mem_strdup("/")
			     : mem_strndup(file, (size_t)(slash - file));
}

static void
users(struct init *in)
{
	const char *user = in->conf->daemon.user;
	char *home = dir_of(in->conf->store.path);

	steps_group(&in->steps, user);
	steps_group(&in->steps, AUDIT_GROUP);
	steps_user(&in->steps, user, user, home);
	steps_member(&in->steps, user, AUDIT_GROUP);
	free(home);
}

static void
directories(struct init *in)
{
	const char *user = in->conf->daemon.user;
	char *store = dir_of(in->conf->store.path);
	char *run = dir_of(in->conf->daemon.control);
	char *line;

	steps_dir(&in->steps, store, 02750, user, AUDIT_GROUP);
	/* AUDIT_GROUP's members read the configuration, too, to find the
	 * journal; what is secret has a file of its own. */
	steps_dir(&in->steps, in->conf_dir, 0755, "root", user);
	if (access(TMPFILES_DIR, F_OK) == 0) {
		line = mem_printf("d %s 0755 %s %s -\n", run, user, user);
		steps_file(&in->steps, TMPFILES_DIR "/postern.conf", 0644,
		    "root", "root", line);
		free(line);
	}
	steps_dir(&in->steps, run, 0755, user, user);
	free(run);
	free(store);
}

static const char first_conf[] =
    "# Postern, see postern.conf(5). \"postern check\" tests it.\n"
    "\n"
    "ses {\n"
    "	# Your account's region stands in the name.\n"
    "	endpoint    = {email-smtp.us-east-1.amazonaws.com:587}\n"
    "	credentials = %s/ses-credentials\n"
    "}\n"
    "\n"
    "# What the SES console shows for the account; these are the sandbox's.\n"
    "quota { daily = 200 rate = 1 }\n"
    "\n"
    "# sandbox = no once the account has left the SES sandbox.\n"
    "identities { file = %s/identities sandbox = yes }\n"
    "\n"
    "# What becomes of senders who are not verified: reject, or srs, which\n"
    "# writes them into the first verified domain.\n"
    "rewrite { default = reject secret = %s/rewrite-secret }\n";

static const char first_credentials[] =
    "# SMTP credentials, one USERNAME:PASSWORD a line. \"postern\n"
    "# smtp-password\" derives the password from an IAM secret access key.\n";

static const char first_identities[] =
    "# Domains and addresses that are verified in SES, one a line.\n";

/* A key that nobody knows; the group's members may read it, among them the
 * daemons. */
static void
secret_file(struct init *in)
{
	const char *named = in->conf->rewrite.secret;
	char *path = *named != '\0' ? mem_strdup(named) :
	    mem_printf("%s/rewrite-secret", in->conf_dir);
	unsigned char key[32];
	char hex[2 * sizeof(key) + 1], *content;

	crypto_random(key, sizeof(key));
	for (size_t i = 0; i < sizeof(key); i++)
		(void)snprintf(hex + 2 * i, 3, "%02x", key[i]);
	content = mem_printf("# Keys, one a line: the first one is used, all "
			     "are accepted.\n%s\n",
	    hex);
	steps_file(&in->steps, path, 0640, "root", in->conf->daemon.user,
	    content);
	mem_wipe(key, sizeof(key));
	mem_wipe(hex, sizeof(hex));
	mem_wipe(content, strlen(content));
	free(content);
	free(path);
}

static void
files(struct init *in)
{
	const char *user = in->conf->daemon.user;
	char *conf = mem_printf(first_conf, in->conf_dir, in->conf_dir,
	    in->conf_dir);
	char *credentials = mem_printf("%s/ses-credentials", in->conf_dir);
	char *identities = mem_printf("%s/identities", in->conf_dir);
	char *whole = conf;

	if (in->listen != NULL)
		whole = mem_printf("%s\n# Inside Postfix's chroot.\n"
				   "lmtp { listen = %s }\n"
				   "milter {\n"
				   "	listen    = %s\n"
				   "	socketmap = %s\n"
				   "}\n",
		    conf, in->listen, in->milter, in->socketmap);
	steps_file(&in->steps, in->cli->conf_file, 0644, "root", user, whole);
	if (in->conf->ses.credentials[0] == '\0')
		steps_file(&in->steps, credentials, 0600, user, user,
		    first_credentials);
	if (in->conf->identities.file[0] == '\0')
		steps_file(&in->steps, identities, 0644, "root", user,
		    first_identities);
	if (whole != conf)
		free(whole);
	free(identities);
	free(credentials);
	free(conf);
}

/* Postfix's chroot: a directory that its delivery agent may enter, and we may
 * write to. */
static int
postfix(struct init *in, struct err *err)
{
	struct buf queue, owner;
	char *dir;

	if (!postfix_there())
		return err_set(err, ERR_LOCAL,
		    "there is no postconf here: install Postfix first, or "
		    "leave out --postfix");
	if (postfix_param("queue_directory", &queue, err) == -1)
		return -1;
	if (postfix_param("mail_owner", &owner, err) == -1) {
		buf_free(&queue);
		return -1;
	}
	dir = mem_printf("%s/postern", queue.data);
	steps_dir(&in->steps, dir, 0750, in->conf->daemon.user, owner.data);
	in->listen = mem_printf("unix:%s/lmtp.sock:0660:%s", dir, owner.data);
	in->milter = mem_printf("unix:%s/milter.sock:0660:%s", dir,
	    owner.data);
	in->socketmap = mem_printf("unix:%s/socketmap.sock:0660:%s", dir,
	    owner.data);
	free(dir);
	buf_free(&owner);
	buf_free(&queue);
	return 0;
}

static bool
listens(const struct init *in)
{
	const struct conf *conf = in->conf;
	size_t i;

	if (strcmp(conf->milter.listen, in->milter) != 0 ||
	    strcmp(conf->milter.socketmap, in->socketmap) != 0)
		return false;
	for (i = 0; i < conf->lmtp.listen.n; i++) {
		if (strcmp(conf->lmtp.listen.items[i], in->listen) == 0)
			return true;
	}
	return false;
}

static void
print_postfix(const struct init *in, bool had_conf)
{
	const struct output *o = &in->cli->out;
	double rate = in->conf->quota.rate;
	unsigned concurrency, recipients;

	if (had_conf && !listens(in))
		output_printf(o,
		    "\nIn %s:\n\n"
		    "    lmtp { listen = %s }\n"
		    "    milter { listen = %s\n"
		    "             socketmap = %s }\n",
		    in->cli->conf_file, in->listen, in->milter, in->socketmap);
	postfix_limits(
	    rate, in->conf->lmtp.answer_within, &concurrency, &recipients);
	output_printf(o,
	    "\nIn Postfix's main.cf, to send through Postern what is not "
	    "delivered here:\n\n"
	    "default_transport = lmtp:unix:postern/lmtp.sock\n"
	    "lmtp_destination_concurrency_limit = %u\n"
	    "lmtp_destination_recipient_limit = %u\n"
	    "lmtp_send_xforward_command = yes\n\n",
	    concurrency, recipients);
	if (rate >= 0)
		output_printf(o,
		    "The two limits suit the rate (%.15g a second); \"postern "
		    "check\" tells when it outgrows them.\n\n",
		    rate);
	output_printf(o,
	    "There as well, to have postern-milter(8) rewrite senders when "
	    "mail is submitted, and find the way back from SRS addresses:\n\n"
	    "smtpd_milters = unix:postern/milter.sock\n"
	    "non_smtpd_milters = unix:postern/milter.sock\n"
	    "milter_default_action = tempfail\n"
	    "recipient_canonical_maps = pipemap:{\n"
	    "    regexp:{{/^(SRS[01][-+=].+@.+)/ $$1}},\n"
	    "    socketmap:unix:postern/socketmap.sock:srs}\n\n"
	    "If this Postfix takes mail from the world as well, leave "
	    "smtpd_milters out of main.cf, or strangers' senders are "
	    "rewritten, too: set it in master.cf for the submission service "
	    "only, or name your own clients in smtpd_milter_maps, as README "
	    "has it.\n");
}

/* Last, since it comes after all else. */
static void
print_restart(const struct init *in)
{
	output_printf(&in->cli->out,
	    "\nThen restart posternd and postern-milter (where they listen takes "
	    "effect only then), and after them\n\n"
	    "    postfix reload\n");
}

static void
print(const struct init *in, bool had_conf)
{
	const struct output *o = &in->cli->out;

	table_print(in->steps.report, o);
	if (o->json)
		return;
	if (in->listen != NULL)
		print_postfix(in, had_conf);
	if (!had_conf)
		output_printf(o,
		    "\nNext: edit %s, put SMTP credentials into "
		    "%s/ses-credentials, then run \"postern check\".\n",
		    in->cli->conf_file, in->conf_dir);
	if (in->listen != NULL)
		print_restart(in);
}

/* The configuration, or the defaults of an empty one where there is none yet.
 */
static struct conf *
conf_or_defaults(struct cli *cli, bool *had_r, enum cli_exit *exit_r)
{
	struct err err;
	struct conf *conf;

	*had_r = access(cli->conf_file, F_OK) == 0;
	if (*had_r)
		return cli_conf(cli, 0, exit_r);
	conf = conf_load("/dev/null", 0, &err);
	if (conf == NULL)
		*exit_r = cli_fail(cli, &err);
	return conf;
}

static enum cli_exit
go(struct init *in, bool want_postfix, bool had_conf)
{
	enum cli_exit status = CLI_DONE;
	struct err err;

	users(in);
	directories(in);
	if (want_postfix && postfix(in, &err) == -1)
		status = cli_fail(in->cli, &err);
	if (!had_conf)
		files(in);
	if (!had_conf || in->conf->rewrite.secret[0] != '\0')
		secret_file(in);
	print(in, had_conf);
	return status != CLI_DONE ? status
	       : in->steps.failed ? CLI_WRONG
				  : CLI_DONE;
}

static enum cli_exit
run(struct cli *cli, int argc, char **argv)
{
	bool dry_run = false, want_postfix = false, had_conf;
	const struct cli_option own[] = {
		{ .letter = 'n', .name = "dry-run", .flag = &dry_run },
		{ .name = "postfix", .flag = &want_postfix },
		{ 0 },
	};
	struct init in = { .cli = cli };
	enum cli_exit status;

	if (!cli_options(cli, own, &argc, argv, &status))
		return status;
	if (argc > 1)
		return cli_usage(cli, "nothing may follow: %s", argv[1]);
	if (!dry_run && geteuid() != 0) {
		(void)cli_usage(cli,
		    "only root can do this; --dry-run shows what it would be");
		return CLI_NOT_THERE;
	}
	in.conf = conf_or_defaults(cli, &had_conf, &status);
	if (in.conf == NULL)
		return status;
	in.conf_dir = dir_of(cli->conf_file);
	steps_init(&in.steps, dry_run);
	status = go(&in, want_postfix, had_conf);
	steps_free(&in.steps);
	free(in.listen);
	free(in.milter);
	free(in.socketmap);
	free(in.conf_dir);
	conf_release(in.conf);
	return status;
}

const struct verb verb_init = {
	.name = "init",
	.summary = "make user, groups, directories and a first configuration",
	.usage = "init [--postfix] [--dry-run] [--json]\n\n"
		 "Makes what is missing for the daemons: their user and "
		 "groups, the\n"
		 "directory of the journal, the configuration's with first "
		 "files in\n"
		 "it, and the one for sockets. What is there already stays as "
		 "it is,\n"
		 "but for modes and owners of these directories.\n\n"
		 "  --postfix       a directory inside Postfix's chroot as "
		 "well, and\n"
		 "                  the lines for main.cf\n"
		 "  -n, --dry-run   only tell what would be done\n",
	.run = run,
};
