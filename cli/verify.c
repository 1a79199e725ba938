/* SPDX-License-Identifier: BSD-2-Clause */
#include "config.h"

#include "cli/cli.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "core/json.h"
#include "core/mem.h"
#include "store/snapshot.h"
#include "store/verify.h"

/*
 * postern verify and postern snapshot: whether the journal is what was
 * written, and a copy of it.
 */
#define DOCUMENT_MAX_BYTES ((size_t)64 * 1024 * 1024)

/* A journal that is wrong all over is told in its beginnings. */
#define FAULTS_TOLD 100

struct report {
	struct cli *cli;
	struct buf json;
	unsigned told;
};

static void
fault(void *arg, int64_t seq, const char *words)
{
	struct report *r = arg;

	if (r->told++ >= FAULTS_TOLD)
		return;
	json_open(&r->json, '{');
	if (seq > 0)
		json_add_int(&r->json, "seq", seq);
	json_add_string(&r->json, "fault", words);
	json_close(&r->json, '}');
	if (r->cli->out.json)
		return;
	output_color(&r->cli->out, COLOR_RED, "wrong  ");
	output_folded(&r->cli->out, 7, words);
}

/* "good" is about these rows only. */
static void
tell_span(struct output *out, const struct verify_result *v)
{
	if (v->first_seq == 0)
		return;
	output_printf(
	    out, "rows   %" PRId64 " to %" PRId64, v->first_seq, v->last_seq);
	if (v->first_seq > 1)
		output_printf(out,
		    "; 1 to %" PRId64 " lie in archives that were not named",
		    v->first_seq - 1);
	output_printf(out, "\n");
}

/* Nor about what only other files could tell. */
static void
tell_open(struct output *out, const struct verify_result *v)
{
	if (v->archive)
		output_printf(out, "end    of an archive: what came after it "
				   "was not looked at\n");
	if (v->open.messages > 0)
		output_printf(out, "open   messages that lie or begin in files "
				   "that were not named, or nowhere: %" PRId64
				   "\n", v->open.messages);
	if (v->open.others > 0)
		output_printf(out, "open   erasures, ends of suppressions and "
				   "prunes that such files have to tell of: "
				   "%" PRId64 "\n", v->open.others);
}

static void
tell(struct report *r, const struct verify_result *v)
{
	struct output *out = &r->cli->out;
	char head[CHAIN_TEXT_LEN];

	(void)chain_text(v->head, head);
	json_close(&r->json, ']');
	json_add_int(&r->json, "rows", v->rows);
	json_add_int(&r->json, "first_seq", v->first_seq);
	json_add_int(&r->json, "faults", (int64_t)v->faults);
	json_add_bool(&r->json, "archive", v->archive);
	json_add_int(&r->json, "open_messages", v->open.messages);
	json_add_int(&r->json, "open_others", v->open.others);
	json_add_int(&r->json, "head_seq", v->last_seq);
	json_add_string(&r->json, "head_chain", head);
	json_close(&r->json, '}');
	if (out->json) {
		output_json(out, &r->json);
		return;
	}
	if (v->faults > FAULTS_TOLD)
		output_printf(out, "       and %" PRIu64 " more\n",
		    v->faults - FAULTS_TOLD);
	if (v->faults == 0) {
		output_color(out, COLOR_GREEN, "good");
		output_printf(out, "   %" PRId64 " rows, each follows from the "
				   "one before\n", v->rows);
	}
	tell_span(out, v);
	tell_open(out, v);
	output_printf(out, "head   %" PRId64 ":%s\n", v->last_seq, head);
}

static enum cli_exit
verify(struct cli *cli, const char *const *paths, size_t n,
    const struct verify_ask *ask)
{
	struct report r = { .cli = cli };
	struct verify_result result;
	enum cli_exit status;
	struct err err;

	buf_init(&r.json, DOCUMENT_MAX_BYTES);
	json_open(&r.json, '{');
	json_key(&r.json, "wrong");
	json_open(&r.json, '[');
	if (verify_journal(paths, n, ask, fault, &r, &result, &err) == -1) {
		status = cli_fail(cli, &err);
	} else {
		tell(&r, &result);
		status = result.faults == 0 ? CLI_DONE : CLI_WRONG;
	}
	buf_free(&r.json);
	return status;
}

/* The journal of the configuration, with those of its archives. */
static enum cli_exit
verify_own(struct cli *cli, char **archives, size_t n,
    struct verify_ask *ask)
{
	enum cli_exit status;
	const char **paths;
	struct conf *conf;

	conf = cli_conf(cli, CONF_NEED_STORE, &status);
	if (conf == NULL)
		return status;
	paths = mem_array(n + 1, sizeof(*paths));
	paths[0] = conf->store.path;
	ask->live = true;
	for (size_t i = 0; i < n; i++)
		paths[i + 1] = archives[i];
	status = verify(cli, paths, n + 1, ask);
	free(paths);
	conf_release(conf);
	return status;
}

static enum cli_exit
run_verify(struct cli *cli, int argc, char **argv)
{
	struct verify_ask ask = { .projections = false };
	const char *head = NULL;
	bool archive = false;
	const struct cli_option options[] = {
		{ .name = "projections", .flag = &ask.projections },
		{ .name = "archive", .flag = &archive },
		{ .name = "since-head", .value = &head }, { 0 }
	};
	enum cli_exit status;
	struct err err;

	if (!cli_options(cli, options, &argc, argv, &status))
		return status;
	if (head != NULL && verify_parse_head(head, &ask, &err) == -1)
		return cli_usage(cli, "%s", err.text);
	if (archive && argc < 2)
		return cli_usage(cli, "--archive: of which FILE?");
	ask.from_start = archive;
	if (archive || argc < 2)
		return verify_own(cli, argv + 1, (size_t)(argc - 1), &ask);
	return verify(cli, (const char *const *)(argv + 1), (size_t)(argc - 1),
	    &ask);
}

const struct verb verb_verify = {
	.name = "verify",
	.summary = "whether the journal is what was written",
	.usage =
	    "verify [--projections] [--since-head SEQ:HASH]\n"
	    "       postern verify [...] [--archive] FILE ...\n\n"
	    "Follows the journal's chain and names each row that was changed,\n"
	    "taken out or put in. With --archive the files are archives that\n"
	    "prune made, and are checked together with the journal: one chain,\n"
	    "which has to begin with row 1. Without it they are checked by\n"
	    "themselves: a snapshot, an archive, several archives that follow\n"
	    "each other. Given a head that was noted earlier (the log has one\n"
	    "every few minutes), also finds a tail that was cut off or written\n"
	    "anew. --projections builds the other\n"
	    "tables again from the journal and compares. Prints which rows it has\n"
	    "seen, and the head, for a ticket or a notary. Exits 1 when something\n"
	    "is wrong.\n",
	.gives_way = true,
	.run = run_verify,
};

static enum cli_exit
run_snapshot(struct cli *cli, int argc, char **argv)
{
	unsigned char chain[CHAIN_LEN];
	char head[CHAIN_TEXT_LEN];
	enum cli_exit status = CLI_DONE;
	struct conf *conf;
	struct buf json;
	struct err err;
	int64_t seq;

	if (!cli_options(cli, NULL, &argc, argv, &status))
		return status;
	if (argc != 2)
		return cli_usage(cli, "one FILE is needed");
	conf = cli_conf(cli, CONF_NEED_STORE, &status);
	if (conf == NULL)
		return status;
	if (snapshot_take(conf->store.path, argv[1], &seq, chain, &err) == -1) {
		status = cli_fail(cli, &err);
	} else if (cli->out.json) {
		buf_init(&json, 8192);
		json_open(&json, '{');
		json_add_string(&json, "file", argv[1]);
		json_add_int(&json, "head_seq", seq);
		json_add_string(&json, "head_chain", chain_text(chain, head));
		json_close(&json, '}');
		output_json(&cli->out, &json);
		buf_free(&json);
	} else {
		output_printf(&cli->out, "%s  head %" PRId64 ":%s\n", argv[1],
		    seq, chain_text(chain, head));
	}
	conf_release(conf);
	return status;
}

const struct verb verb_snapshot = {
	.name = "snapshot",
	.summary = "copy the journal while mail flows",
	.usage = "snapshot [--json] FILE\n\n"
		 "Writes the journal as it is at this moment to a new file, one\n"
		 "SQLite database that reads and verifies by itself. posternd may\n"
		 "run or not.\n",
	.gives_way = true,
	.run = run_snapshot,
};
