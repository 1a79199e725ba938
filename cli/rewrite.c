/* SPDX-License-Identifier: BSD-2-Clause */
#include "config.h"

#include "cli/cli.h"

#include <stdlib.h>
#include <string.h>

#include "core/clock.h"
#include "core/header.h"
#include "core/hostname.h"
#include "core/json.h"
#include "core/mem.h"
#include "identity/rules.h"
#include "identity/senders.h"

/*
 * postern rewrite: what the rules make of senders, and why. Asks the same
 * functions as the milter and posternd.
 */

#define FIELD_MAX 65536
#define JSON_MAX (16 * FIELD_MAX)

/* One question: what is found out goes into a table, or into JSON. */
struct question {
	struct cli *cli;
	struct rewrite_rules rules;
	int64_t wall_us;
	struct table *table;
	struct buf json;
	bool refused;
};

static void
add_row(struct question *q, const char *address,
    const struct rewrite_decision *d)
{
	static const struct {
		const char *word;
		enum color color;
	} outcomes[] = {
		[REWRITE_PASS] = { "pass", COLOR_GREEN },
		[REWRITE_REPLACE] = { "replace", COLOR_YELLOW },
		[REWRITE_REJECT] = { "reject", COLOR_RED },
		[REWRITE_DEFER] = { "defer", COLOR_RED },
	};
	const char *word = outcomes[d->action].word;
	const char *to = d->action == REWRITE_REPLACE ? d->to.text : NULL;

	table_text(q->table, address);
	table_text(q->table, word);
	table_color(q->table, outcomes[d->action].color);
	table_text(q->table, to);
	table_text(q->table, d->why);
	json_open(&q->json, '{');
	json_add_string(&q->json, "address", address);
	json_add_string(&q->json, "outcome", word);
	json_key(&q->json, "becomes");
	json_string(&q->json, to);
	json_add_string(&q->json, "why", d->why);
	json_close(&q->json, '}');
}

static void
judge(struct question *q, const char *address)
{
	struct rewrite_decision d;

	rewrite_sender(&q->rules, address, strlen(address), q->wall_us, &d);
	add_row(q, address, &d);
	q->refused = q->refused || d.action == REWRITE_REJECT ||
	    d.action == REWRITE_DEFER;
}

static int
judge_mailbox(void *arg, const struct header_mailbox *mb)
{
	char *spec = mem_strndup(mb->spec, mb->spec_len);

	judge(arg, spec);
	free(spec);
	return 0;
}

/* A From field of text, which may be folded; -1 when it is more than one. */
static int
make_field(const char *text, struct buf *raw, struct header_field *f)
{
	size_t pos = 0;

	buf_adds(raw, "From: ");
	for (; *text != '\0'; text++) {
		if (*text == '\n' && raw->data[raw->len - 1] != '\r')
			buf_addc(raw, '\r');
		buf_addc(raw, *text);
	}
	buf_adds(raw, "\r\n");
	if (raw->overflow || header_next(raw->data, raw->len, &pos, f) != 1)
		return -1;
	return pos == raw->len ? 0 : -1;
}

static void
show_field(struct question *q, const struct header_field *f)
{
	struct buf value;

	buf_init(&value, JSON_MAX);
	header_unfold(f, &value);
	if (!q->cli->out.json)
		output_printf(&q->cli->out, "%.*s: %s\n", (int)f->name_len,
		    f->name, value.data);
	json_open(&q->json, '{');
	json_key(&q->json, "name");
	json_string_len(&q->json, f->name, f->name_len);
	json_key(&q->json, "value");
	json_string_len(&q->json, value.data, value.len);
	json_close(&q->json, '}');
	buf_free(&value);
}

static void
show_fields(struct question *q, const char *data, size_t len)
{
	struct header_field f;
	size_t pos = 0;

	while (header_next(data, len, &pos, &f) == 1)
		show_field(q, &f);
}

/* What the header would be: From, and what is added to it. */
static void
judge_field(struct question *q, const struct header_field *from)
{
	struct senders_fields fields = { .from = *from };
	struct senders_input in = {
		.rules = &q->rules,
		.fields = &fields,
		.wall_us = q->wall_us,
	};
	struct senders_output out;

	if (table_rows(q->table) > 0 && !q->cli->out.json)
		output_printf(&q->cli->out, "\n");
	json_key(&q->json, "fields");
	json_open(&q->json, '[');
	if (senders_judge(&in, &out) == 0) {
		if (out.from.len > 0)
			show_fields(q, out.from.data, out.from.len);
		else
			show_field(q, from);
		show_fields(q, out.extra.data, out.extra.len);
		json_close(&q->json, ']');
	} else {
		q->refused = true;
		if (!q->cli->out.json)
			output_printf(&q->cli->out, "%u %s %s\n", out.code,
			    out.dsn, out.text);
		json_close(&q->json, ']');
		json_add_int(&q->json, "code", out.code);
		json_add_string(&q->json, "dsn", out.dsn);
		json_add_string(&q->json, "reply", out.text);
	}
	senders_output_free(&out);
}

static void
show_rows(struct question *q)
{
	json_close(&q->json, ']');
	if (!q->cli->out.json && table_rows(q->table) > 0)
		table_print(q->table, &q->cli->out);
}

static enum cli_exit
ask_header(struct question *q, const char *text)
{
	struct header_field from;
	struct buf raw;

	buf_init(&raw, FIELD_MAX);
	if (make_field(text, &raw, &from) == -1) {
		buf_free(&raw);
		return cli_usage(q->cli,
		    "--from-header takes the text of one From header, at most "
		    "%d KB and folded by lines that begin with a blank",
		    FIELD_MAX / 1024);
	}
	json_open(&q->json, '{');
	json_key(&q->json, "addresses");
	json_open(&q->json, '[');
	(void)header_mailboxes(from.value, from.value_len, judge_mailbox, q);
	show_rows(q);
	judge_field(q, &from);
	json_close(&q->json, '}');
	buf_free(&raw);
	return q->refused ? CLI_WRONG : CLI_DONE;
}

static enum cli_exit
ask_addresses(struct question *q, int n, char **addresses)
{
	json_open(&q->json, '[');
	for (int i = 0; i < n; i++)
		judge(q, addresses[i]);
	show_rows(q);
	return q->refused ? CLI_WRONG : CLI_DONE;
}

static enum cli_exit
ask(struct cli *cli, struct rules *rules, const char *header, int n,
    char **addresses)
{
	static const struct column columns[] = {
		{ "ADDRESS", "address", false },
		{ "OUTCOME", "outcome", false },
		{ "BECOMES", "becomes", false }, { "WHY", "why", false }, { 0 }
	};
	struct question q = { .cli = cli, .wall_us = clock_wall_us() };
	char host[HOSTNAME_SIZE];
	enum cli_exit status;

	rules_get(rules, hostname(host), &q.rules);
	q.table = table_new(columns);
	buf_init(&q.json, JSON_MAX);
	status = header != NULL ? ask_header(&q, header)
				: ask_addresses(&q, n, addresses);
	if (cli->out.json && status != CLI_USAGE)
		output_json(&cli->out, &q.json);
	buf_free(&q.json);
	table_free(q.table);
	rules_put(&q.rules);
	return status;
}

static enum cli_exit
run(struct cli *cli, int argc, char **argv)
{
	const char *header = NULL;
	const struct cli_option own[] = {
		{ .name = "from-header", .value = &header }, { 0 }
	};
	enum cli_exit status;
	struct rules *rules;
	struct conf *conf;
	struct err err;

	if (!cli_options(cli, own, &argc, argv, &status))
		return status;
	if ((argc > 1) == (header != NULL))
		return cli_usage(cli,
		    "give either addresses or --from-header TEXT");
	conf = cli_conf(cli, 0, &status);
	if (conf == NULL)
		return status;
	rules = rules_open(conf, &err);
	conf_release(conf);
	if (rules == NULL)
		return cli_fail(cli, &err);
	status = ask(cli, rules, header, argc - 1, argv + 1);
	rules_close(rules);
	return status;
}

const struct verb verb_rewrite = {
	.name = "rewrite",
	.summary = "what becomes of a sender, and why",
	.usage =
	    "rewrite [--json] ADDRESS ...\n"
	    "       postern rewrite [--json] --from-header TEXT\n\n"
	    "Says what the rules make of each sender: whether it passes, is\n"
	    "replaced (and by what), rejected or deferred, and by which identity,\n"
	    "line of rewrite.senders or default. With --from-header the same for\n"
	    "each address in a From header, and what the header becomes. Exits 1\n"
	    "when a sender is rejected or deferred.\n",
	.run = run,
};
