/* SPDX-License-Identifier: BSD-2-Clause */
#include "config.h"

#include "cli/cli.h"

#include <sys/stat.h>

#include <grp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/door.h"
#include "core/clock.h"
#include "core/json.h"
#include "core/socket.h"
#include "identity/rewrite.h"

/*
 * postern srs: the originals of SRS addresses.
 *
 * Who may read the secret works them out here. Who may not, as the user under
 * whom Sendmail runs the programs of its maps, asks postern-milter over its
 * socketmap (socketmap_table(5) of Postfix).
 */

#define ANSWER_MAX ((size_t)1000)
#define JSON_MAX ((size_t)1024 * 1024)

struct srs_question {
	struct cli *cli;
	struct conf *conf;
	struct verified *verified;
	struct secret *secret; /* NULL: the milter is asked, */
	struct err unread;     /* since it can't be read here */
	bool map;	       /* for a map: exit codes and silence as it wants */
	struct buf json;
	enum cli_exit status;
};

static int
ask(const struct conf *conf, const char *address, struct buf *answer,
    struct err *err)
{
	struct socket_spec spec;

	if (socket_spec(conf->milter.socketmap, &spec, err) == -1)
		return -1;
	return door_ask_srs(&spec, address, answer, err);
}

/* The original in *back_r; ERR_POLICY when there is none for this address. */
static int
ask_milter(const struct srs_question *q, const char *address,
    struct address *back_r, struct err *err)
{
	struct buf answer;
	int rc;

	buf_init(&answer, 2 * ANSWER_MAX);
	rc = ask(q->conf, address, &answer, err);
	if (rc == -1)
		(void)err_context(err,
		    "rewrite.secret can't be read here (%s), and "
		    "postern-milter, who would know, does not answer at %s",
		    q->unread.text, q->conf->milter.socketmap);
	else if (strncmp(answer.data, "OK ", 3) == 0)
		rc = address_parse(answer.data + 3, answer.len - 3, back_r,
			 err) == ADDRESS_OK ? 0 : -1;
	else if (strncmp(answer.data, "NOTFOUND", 8) == 0)
		rc = err_set(err, ERR_POLICY,
		    "this is no SRS address of ours, or one that was forged "
		    "or has expired");
	else
		rc = err_set(err, ERR_STATE, "postern-milter says: %s",
		    answer.data);
	buf_free(&answer);
	return rc;
}

static int
reverse(const struct srs_question *q, const char *text, struct address *back_r,
    struct err *err)
{
	const struct rewrite_rules rules = { .conf = q->conf,
		.verified = q->verified, .secret = q->secret };
	const char *domain = rewrite_srs_domain(q->conf, q->verified);
	struct address srs;
	struct err why;

	if (address_parse(text, strlen(text), &srs, &why) != ADDRESS_OK)
		return err_set(err, ERR_POLICY, "%s", why.text);
	if (q->secret == NULL)
		return ask_milter(q, srs.text, back_r, err);
	if (domain == NULL)
		return err_set(err, ERR_CONFIG,
		    "there is no domain for SRS addresses: set "
		    "rewrite.srs-domain, or verify a domain and list it");
	switch (rewrite_srs_reverse(&rules, &srs, clock_wall_us(), back_r,
	    err)) {
	case SRS_OK:
		return 0;
	case SRS_NONE:
		return err_set(err, ERR_POLICY,
		    "this is no SRS address at %s, nor at another verified "
		    "domain", domain);
	case SRS_MALFORMED:
	case SRS_FORGED:
	case SRS_EXPIRED:
		break;
	}
	return -1;
}

/* The group that may read rewrite.secret, or "". */
static const char *
readers(const struct conf *conf)
{
	const struct group *g;
	struct stat st;

	if (stat(conf->rewrite.secret, &st) == -1 || (st.st_mode & S_IRGRP) == 0)
		return "";
	g = getgrgid(st.st_gid);
	return g != NULL ? g->gr_name : "";
}

/* Who runs maps is not root, and had better not be. */
static enum cli_exit
fail_unread(const struct srs_question *q, const struct err *err)
{
	const char *group = readers(q->conf);
	char words[300];

	(void)snprintf(words, sizeof(words),
	    "rewrite.secret is for root%s%s; others ask postern-milter, which "
	    "has to run and to let them connect (milter.socketmap)",
	    *group != '\0' ? " and group " : "", group);
	return cli_fail_closed(q->cli, err, words);
}

/* What can't be told now: a map has to be asked again. */
static enum cli_exit
fail(const struct srs_question *q, const struct err *err)
{
	enum cli_exit status = q->unread.text[0] != '\0'
	    ? fail_unread(q, err) : cli_fail(q->cli, err);

	return q->map ? CLI_TRY_AGAIN : status;
}

static void
answer(struct srs_question *q, const char *text)
{
	struct address back = { .text = "" };
	struct err err = { .text = "" };
	bool found = reverse(q, text, &back, &err) == 0;

	json_open(&q->json, '{');
	json_add_string(&q->json, "address", text);
	json_key(&q->json, "original");
	json_string(&q->json, found ? back.text : NULL);
	json_add_string(&q->json, "why", found ? NULL : err.text);
	json_close(&q->json, '}');
	if (found && !q->cli->out.json)
		output_printf(&q->cli->out, "%s\n", back.text);
	if (found)
		return;
	if (err.class != ERR_POLICY)
		q->status = fail(q, &err);
	else if (q->map)
		q->status = CLI_WRONG;
	else
		q->status = cli_fail(q->cli, &err);
}

static enum cli_exit
answer_all(struct srs_question *q, int argc, char **argv)
{
	const struct conf *conf = q->conf;
	struct err err;

	q->verified = verified_load(conf->identities.file, &err);
	if (q->verified == NULL)
		return fail(q, &err);
	if (conf->rewrite.secret[0] == '\0')
		return fail(q, &(struct err) { ERR_CONFIG,
		    "rewrite.secret is not set, so nobody here has made SRS "
		    "addresses" });
	q->secret = secret_load(conf->rewrite.secret, &q->unread);
	if (q->secret == NULL && q->unread.class != ERR_LOCAL)
		return fail(q, &q->unread);
	buf_init(&q->json, JSON_MAX);
	json_open(&q->json, '[');
	for (int i = 1; i < argc; i++)
		answer(q, argv[i]);
	json_close(&q->json, ']');
	if (q->cli->out.json)
		output_json(&q->cli->out, &q->json);
	buf_free(&q->json);
	return q->status;
}

static enum cli_exit
run(struct cli *cli, int argc, char **argv)
{
	struct srs_question q = { .cli = cli, .status = CLI_DONE };
	const struct cli_option own[] = {
		{ .name = "map", .flag = &q.map },
		{ 0 },
	};
	enum cli_exit status;

	if (!cli_options(cli, own, &argc, argv, &status))
		return status;
	if (argc < 2)
		return cli_usage(cli, "which addresses?");
	q.conf = cli_conf(cli, 0, &status);
	if (q.conf == NULL)
		return q.map ? CLI_TRY_AGAIN : status;
	status = answer_all(&q, argc, argv);
	secret_release(q.secret);
	verified_release(q.verified);
	conf_release(q.conf);
	return status;
}

const struct verb verb_srs = {
	.name = "srs",
	.summary = "the originals of SRS addresses",
	.usage =
	    "srs [--map] [--json] ADDRESS ...\n\n"
	    "Prints for each SRS address the one it was made of, a line each,\n"
	    "or says why there is none; exits 1 then. Who may not read\n"
	    "rewrite.secret asks postern-milter.\n\n"
	    "  --map   for a program map of Sendmail: silent where there is\n"
	    "          none, and exit 75 for what can't be told now\n",
	.run = run,
};
