/* SPDX-License-Identifier: BSD-2-Clause */
#include "config.h"

#include "cli/cli.h"

#include <string.h>

#include "cli/control.h"
#include "cli/when.h"
#include "cli/who.h"
#include "core/json.h"
#include "core/log.h"
#include "store/suppression.h"

/*
 * postern suppress: the list of addresses that are not written to.
 *
 * Whoever holds the store's lock writes: posternd when it runs, else we.
 */
#define WAIT_US (30 * US_PER_SEC)
#define REQUEST_MAX_BYTES 4096

struct request {
	const char *op; /* as posternd knows it */
	const char *text;
	struct address address;
	const char *reason;
	int64_t until_us;
};

static bool
is_adding(const struct request *r)
{
	return strcmp(r->op, "suppress-add") == 0;
}

static int
write_ourselves(struct journal *j, const struct request *r, struct err *err)
{
	int64_t deadline = clock_mono_us() + WAIT_US;
	char who[WHO_LEN];

	(void)who_am_i(who);
	if (is_adding(r))
		return suppression_add(j, NULL, &r->address, r->reason,
		    r->until_us, who, deadline, err);
	return suppression_remove(
	    j, NULL, &r->address, r->reason, who, deadline, err);
}

static int
ask_posternd(const struct conf *conf, const struct request *r, struct err *err)
{
	struct buf request, answer;
	int rc;

	buf_init(&request, REQUEST_MAX_BYTES);
	buf_init(&answer, REQUEST_MAX_BYTES);
	json_open(&request, '{');
	json_add_string(&request, "op", r->op);
	json_add_string(&request, "address", r->address.text);
	json_add_string(&request, "reason", r->reason);
	if (r->until_us != 0)
		json_add_int(&request, "until", r->until_us);
	json_close(&request, '}');
	rc = request.overflow
	    ? err_set(err, ERR_POLICY, "the reason is too long")
	    : control_ask(conf, request.data, CONTROL_WITHIN_US, &answer,
		  err);
	buf_free(&request);
	buf_free(&answer);
	return rc;
}

/* What is in force now: the entry that was there before is not. */
static void
tell(const struct output *out, const struct request *r)
{
	char key[SUPPRESSION_KEY_LEN], when[CLOCK_RFC3339_LEN];
	struct buf json;

	suppressions_key(r->address.text, key);
	if (out->json) {
		buf_init(&json, REQUEST_MAX_BYTES);
		json_open(&json, '{');
		json_add_string(&json, "address", key);
		json_add_bool(&json, "suppressed", is_adding(r));
		if (r->until_us != 0)
			json_add_string(&json, "until",
			    clock_rfc3339(r->until_us, when));
		json_close(&json, '}');
		output_json(out, &json);
		buf_free(&json);
	} else if (!is_adding(r))
		output_printf(out, "%s is not suppressed any more\n", key);
	else if (r->until_us == 0)
		output_printf(out, "%s is suppressed for ever\n", key);
	else
		output_printf(out, "%s is suppressed until %s (UTC)\n", key,
		    when_short(r->until_us, when));
}

static enum cli_exit
change(struct cli *cli, const struct conf *conf, const struct request *r)
{
	struct err err, asking;
	struct journal *j;
	int rc;

	/*
	 * What the journal has to tell its operators is not for this terminal.
	 */
	log_open("postern", LOG_TO_SYSLOG);
	if (journal_open(conf->store.path, false, "postern", &j, &err) == 0) {
		rc = write_ourselves(j, r, &err);
		journal_close(j);
	} else {
		rc = ask_posternd(conf, r, &asking);
		if (rc == -1 &&
		    (asking.class != ERR_NET || err.class == ERR_STATE))
			err = asking;
	}
	if (rc == 0) {
		tell(&cli->out, r);
		return CLI_DONE;
	}
	(void)cli_fail(cli, &err);
	return err.class == ERR_STATE ? CLI_WRONG : CLI_NOT_THERE;
}

struct listing {
	struct table *table;
	bool json;
};

static void
put_time(const struct listing *l, int64_t us)
{
	char when[CLOCK_RFC3339_LEN];

	if (us == 0)
		table_text(l->table, NULL);
	else if (l->json)
		table_text(l->table, clock_rfc3339(us, when));
	else
		table_text(l->table, when_short(us, when));
}

static int
put_entry(void *arg, const struct suppression *s)
{
	const struct listing *l = arg;
	struct table *t = l->table;

	table_text(t, s->address != NULL || l->json ? s->address : "(erased)");
	put_time(l, s->since_us);
	put_time(l, s->until_us);
	if (!s->in_force)
		table_color(t, COLOR_DIM);
	table_text(t, s->who);
	table_text(t, s->reason);
	return 0;
}

static enum cli_exit
list(struct cli *cli, const struct conf *conf, bool all)
{
	static const struct column columns[] = {
		{ "ADDRESS", "address", false },
		{ "SINCE (UTC)", "since", false },
		{ "UNTIL (UTC)", "until", false }, { "WHO", "who", false },
		{ "REASON", "reason", false }, { 0 }
	};
	struct listing l = { table_new(columns), cli->out.json };
	struct err err;
	int rc;

	rc = suppression_list(conf->store.path, all, put_entry, &l, &err);
	if (rc == 0 && (table_rows(l.table) > 0 || cli->out.json))
		table_print(l.table, &cli->out);
	table_free(l.table);
	return rc == 0 ? CLI_DONE : cli_fail(cli, &err);
}

static enum cli_exit
run_with(struct cli *cli, struct request *r, bool all)
{
	enum cli_exit status;
	struct conf *conf;

	conf = cli_conf(cli, CONF_NEED_STORE, &status);
	if (conf == NULL)
		return status;
	status = r->op == NULL ? list(cli, conf, all) : change(cli, conf, r);
	conf_release(conf);
	return status;
}

static enum cli_exit
run(struct cli *cli, int argc, char **argv)
{
	struct request r = { .reason = "" };
	const char *until = NULL;
	bool all = false;
	const struct cli_option options[] = {
		{ .name = "reason", .value = &r.reason },
		{ .name = "until", .value = &until },
		{ .name = "all", .flag = &all }, { 0 }
	};
	enum cli_exit status;
	struct err err;

	if (!cli_options(cli, options, &argc, argv, &status))
		return status;
	if (argc == 2 && strcmp(argv[1], "list") == 0)
		return run_with(cli, &r, all);
	if (argc != 3)
		return cli_usage(
		    cli, "list, add ADDRESS or remove ADDRESS is needed");
	if (strcmp(argv[1], "add") == 0)
		r.op = "suppress-add";
	else if (strcmp(argv[1], "remove") == 0)
		r.op = "suppress-remove";
	else
		return cli_usage(cli, "%s: list, add or remove", argv[1]);
	if (address_parse(argv[2], strlen(argv[2]), &r.address, &err) !=
	    ADDRESS_OK)
		return cli_usage(cli, "%s: %s", argv[2], err.text);
	if (until != NULL && when_parse(until, 1, &r.until_us) == -1)
		return cli_usage(cli,
		    "--until %s: YYYY-MM-DD[THH:MM:SS] (UTC), or 12h, 30d from now",
		    until);
	if (until != NULL && r.until_us <= clock_wall_us())
		return cli_usage(cli, "--until %s: that is over already", until);
	return run_with(cli, &r, all);
}

const struct verb verb_suppress = {
	.name = "suppress",
	.summary = "addresses that are not written to",
	.usage =
	    "suppress list [--all] [--json]\n"
	    "       postern suppress add ADDRESS [--reason TEXT] [--until TIME]\n"
	    "       postern suppress remove ADDRESS [--reason TEXT]\n\n"
	    "Mail to an address on the list is refused at RCPT, with the reason:\n"
	    "whoever sent it gets to read that in the bounce. An address that is\n"
	    "added again is listed as that says, with --until or without.\n"
	    "Addresses are compared without case; ADDRESS+label is another one.\n"
	    "Each change is journalled, with who made it and why. --until takes\n"
	    "YYYY-MM-DD[THH:MM:SS] (UTC) or 12h, 30d from now; --all also lists\n"
	    "what is not in force any more.\n",
	.run = run,
};
