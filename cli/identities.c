/* SPDX-License-Identifier: BSD-2-Clause */
#include "config.h"

#include "cli/cli.h"

#include <string.h>

#include "core/address.h"
#include "identity/verified.h"

/*
 * postern identities: the list in force, and whether an address is covered by
 * it.
 */

static enum cli_exit
list(struct cli *cli, const struct verified *v)
{
	static const struct column columns[] = { { "IDENTITY", "identity",
						     false },
		{ "KIND", "kind", false }, { 0 } };
	struct table *t;
	const char *item;
	size_t i;

	if (verified_none(v) && !cli->out.json) {
		output_printf(&cli->out,
		    "No identities: identities.file names none, so nothing is "
		    "refused for being unverified.\n");
		return CLI_DONE;
	}
	t = table_new(columns);
	for (i = 0; (item = verified_item(v, i)) != NULL; i++) {
		table_text(t, item);
		table_text(t, strchr(item, '@') == NULL ? "domain" : "address");
	}
	table_print(t, &cli->out);
	table_free(t);
	return CLI_DONE;
}

/* One address: a row, and whether it is covered. */
static bool
judge(const struct verified *v, const char *text, struct table *t)
{
	struct address address;
	const char *by;
	struct err err;

	table_text(t, text);
	if (address_parse(text, strlen(text), &address, &err) != ADDRESS_OK) {
		table_text(t, "no address");
		table_color(t, COLOR_RED);
		table_text(t, err.text);
		return false;
	}
	by = verified_by(v, &address);
	if (by == NULL && verified_none(v)) {
		table_text(t, "unknown");
		table_text(t, "no identities are known");
		return true;
	}
	table_text(t, by != NULL ? "yes" : "no");
	table_color(t, by != NULL ? COLOR_GREEN : COLOR_RED);
	table_text(t, by);
	return by != NULL;
}

static enum cli_exit
judge_all(struct cli *cli, const struct verified *v, int argc, char **argv)
{
	static const struct column columns[] = {
		{ "ADDRESS", "address", false },
		{ "VERIFIED", "verified", false }, { "BY", "by", false }, { 0 }
	};
	struct table *t = table_new(columns);
	enum cli_exit status = CLI_DONE;
	int i;

	for (i = 1; i < argc; i++) {
		if (!judge(v, argv[i], t))
			status = CLI_WRONG;
	}
	table_print(t, &cli->out);
	table_free(t);
	return status;
}

static enum cli_exit
run(struct cli *cli, int argc, char **argv)
{
	enum cli_exit status;
	struct verified *v;
	struct conf *conf;
	struct err err;

	if (!cli_options(cli, NULL, &argc, argv, &status))
		return status;
	conf = cli_conf(cli, 0, &status);
	if (conf == NULL)
		return status;
	v = verified_load(conf->identities.file, &err);
	conf_release(conf);
	if (v == NULL)
		return cli_fail(cli, &err);
	status = argc > 1 ? judge_all(cli, v, argc, argv) : list(cli, v);
	verified_release(v);
	return status;
}

const struct verb verb_identities = {
	.name = "identities",
	.summary = "who may send: the list in force, or what covers an address",
	.usage =
	    "identities [--json] [ADDRESS ...]\n\n"
	    "Lists the domains and addresses that are verified in SES, as\n"
	    "identities.file has them. Given addresses, says whether each is\n"
	    "covered and by what; exits 1 when one is not.\n",
	.run = run,
};
