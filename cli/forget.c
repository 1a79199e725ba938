/* SPDX-License-Identifier: BSD-2-Clause */
#include "config.h"

#include "cli/cli.h"

#include <ctype.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "cli/forget_steps.h"
#include "cli/keeper.h"
#include "core/address.h"
#include "core/json.h"
#include "core/mem.h"
#include "store/archives.h"
#include "store/forget.h"
#include "store/hidden.h"
#include "store/prune.h"

/*
 * postern forget: a person out of the journal and its archives
 * (store/forget.h).
 *
 * What is erased is journalled, one row a message, by the keeper, some messages
 * at a time. Then what rows left behind between others is wiped (store/wipe.h),
 * and at the end the bytes of all files are searched.
 */
#define ANSWER_MAX_BYTES ((size_t)1024 * 1024)

struct forget {
	struct cli *cli;
	struct keeper keeper;
	const char *path;
	char **archives;
	size_t narchives;
	char address[ADDRESS_WRITTEN_MAX + 1]; /* in lower case */
	bool suppression_too;
	struct forget_archive *archive; /* in hand, or NULL */

	/* Found, and to be erased together. */
	struct forget_item items[FORGET_ITEMS_MAX];
	size_t n, nparties;

	int64_t messages, parties, suppressions;
	int64_t others; /* values of others that the address is part of */
	bool erased; /* all of it, what is left to do is to wipe */
	bool traces;
	char **unseen; /* archives that were not named */
	size_t nunseen;
};

static void
count_item(struct forget *f, const struct forget_item *item)
{
	if (item->of_message) {
		f->messages++;
		f->parties += (int64_t)item->nparties;
	} else {
		f->suppressions += (int64_t)item->nparties;
	}
}

static int
erase(struct forget *f, const struct forget_item *items, size_t n,
    struct err *err)
{
	const struct forget_ask ask = { .items = items,
		.n = n,
		.address = f->address,
		.suppression_too = f->suppression_too,
		.who = f->keeper.who };
	struct forget_done done = { .busy_us = 0 };
	int rc;

	rc = forget_steps_erase(&f->keeper, &ask, &done, err);
	for (size_t i = 0; rc == 0 && i < n; i++) {
		if (f->archive != NULL)
			rc = forget_archive_erase(
			    f->archive, &items[i], done.seqs[i], err);
		if (rc == 0)
			count_item(f, &items[i]);
	}
	return rc;
}

static int
erase_found(struct forget *f, struct err *err)
{
	int rc = f->n > 0 ? erase(f, f->items, f->n, err) : 0;

	f->n = f->nparties = 0;
	return rc;
}

/* What is of no message goes by itself. */
static int
take(void *arg, const struct forget_item *item, struct err *err)
{
	struct forget *f = arg;

	if (!item->of_message)
		return erase(f, item, 1, err);
	if ((f->n == FORGET_ITEMS_MAX ||
		f->nparties + item->nparties > FORGET_ITEMS_PARTIES_MAX) &&
	    erase_found(f, err) == -1)
		return -1;
	f->items[f->n++] = *item;
	f->nparties += item->nparties;
	return 0;
}

static int
erase_in(struct forget *f, const char *file, const char *hidden,
    struct err *err)
{
	int rc = forget_find(file, f->address, hidden, take, f, err);

	return rc == 0 ? erase_found(f, err) : -1;
}

static int
in_archive(struct forget *f, const char *file, struct err *err)
{
	char name[HIDDEN_LEN];
	const char *hidden = NULL;
	struct hidden_key key;
	int rc = 0;

	if (f->suppression_too)
		rc = hidden_key_load(f->path, &key, err);
	if (rc == 1)
		hidden = hidden_name(&key, f->address, name);
	f->archive = rc == -1 ? NULL : forget_archive_open(file, err);
	if (f->archive == NULL)
		return -1;
	rc = erase_in(f, file, hidden, err);
	if (forget_archive_close(f->archive, rc == 0, err) == -1)
		rc = -1;
	f->archive = NULL;
	return rc;
}

/* Values of others explain as many bytes as they are. */
static void
judge(struct forget *f, const struct forget_rest *rest)
{
	f->others += rest->others;
	if (rest->own > 0 || rest->places > rest->explained)
		f->traces = true;
}

/* Wiped, a file has what its values have, and nothing else. */
static int
clean_up(struct forget *f, struct err *err)
{
	struct forget_rest rest;
	int rc = forget_steps_wipe(&f->keeper, err);

	if (rc == 0)
		rc = forget_rest(f->path, f->address, &rest, err);
	if (rc == 0)
		judge(f, &rest);
	for (size_t i = 0; rc == 0 && i < f->narchives; i++) {
		rc = forget_rest(f->archives[i], f->address, &rest, err);
		if (rc == 0)
			judge(f, &rest);
	}
	return rc;
}

/* What a prune goes on with must be what it began with. */
static int
check_pruned(struct forget *f, struct err *err)
{
	struct prune_state s;
	int rc = prune_state(f->path, &s, err);

	if (rc == -1)
		return -1;
	if (s.unfinished)
		rc = err_set(err, ERR_STATE,
		    "the prune into %s is unfinished: finish it first, with "
		    "postern prune --before DATE --archive .../%s, or if that "
		    "is lost with --archive-lost",
		    s.archive, s.archive);
	free(s.archive);
	return rc;
}

static void
add_unseen(void *arg, const char *name)
{
	struct forget *f = arg;

	f->unseen = mem_grow(f->unseen, f->nunseen + 1, sizeof(*f->unseen));
	f->unseen[f->nunseen++] = mem_strdup(name);
}

static int
forget(void *arg, struct err *err)
{
	struct forget *f = arg;
	const struct forget_item kept = { .of_message = false };
	int rc = check_pruned(f, err);

	if (rc == 0)
		rc = erase_in(f, f->path, NULL, err);

	/* What an earlier time has kept is only known to who has the key. */
	if (rc == 0 && f->suppression_too)
		rc = erase(f, &kept, 1, err);
	for (size_t i = 0; rc == 0 && i < f->narchives; i++)
		rc = in_archive(f, f->archives[i], err);
	if (rc == 0)
		rc = archives_besides(f->path, f->archives, f->narchives,
		    add_unseen, f, err);
	f->erased = rc == 0;
	if (rc == 0)
		rc = clean_up(f, err);
	if (rc == -1)
		f->traces = true;
	return rc;
}

static void
tell_json(const struct forget *f)
{
	struct buf json;

	buf_init(&json, ANSWER_MAX_BYTES);
	json_open(&json, '{');
	json_add_int(&json, "messages", f->messages);
	json_add_int(&json, "parties", f->parties);
	json_add_int(&json, "suppressions", f->suppressions);
	json_add_int(&json, "others", f->others);
	json_add_bool(&json, "traces", f->traces);
	json_key(&json, "archives_not_looked_at");
	json_open(&json, '[');
	for (size_t i = 0; i < f->nunseen; i++)
		json_string(&json, f->unseen[i]);
	json_close(&json, ']');
	json_close(&json, '}');
	output_json(&f->cli->out, &json);
	buf_free(&json);
}

static void
tell_unseen(const struct forget *f)
{
	struct output *out = &f->cli->out;

	for (size_t i = 0; i < f->nunseen; i++)
		output_printf(out, "%s%s", i > 0 ? ", " : "", f->unseen[i]);
	if (f->nunseen > 0)
		output_printf(out,
		    " %s not looked at: run this again with --archive and %s.\n",
		    f->nunseen == 1 ? "was" : "were",
		    f->nunseen == 1 ? "that file" : "those files");
}

static void
tell(const struct forget *f)
{
	struct output *out = &f->cli->out;

	if (out->json) {
		tell_json(f);
		return;
	}
	output_printf(out,
	    "erased %" PRId64 " in %" PRId64 " messages, %" PRId64
	    " suppressions\n",
	    f->parties, f->messages, f->suppressions);
	if (f->others > 0)
		output_printf(out,
		    "It is part of %" PRId64 " other values, which stay.\n",
		    f->others);
	if (f->traces)
		output_printf(out,
		    "Bytes of it may be left: run this again when nobody reads "
		    "the files.\n");
	tell_unseen(f);
}

static enum cli_exit
run_with(struct forget *f, const struct conf *conf)
{
	enum cli_exit status;
	int rc;

	f->path = conf->store.path;
	rc = keeper_run(&f->keeper, f->cli, conf, forget, f, &status);
	if (f->erased)
		tell(f);
	for (size_t i = 0; i < f->nunseen; i++)
		free(f->unseen[i]);
	free(f->unseen);
	return rc == 0 && (f->traces || f->nunseen > 0) ? CLI_WRONG : status;
}

/*
 * What is no address may still have been written for one: of a recipient that
 * was refused for it, the journal has what was written.
 */
static bool
take_address(struct forget *f, const char *operand)
{
	address_written(operand, f->address);
	for (char *c = f->address; *c != '\0'; c++)
		*c = (char)tolower((unsigned char)*c);
	return f->address[0] != '\0';
}

static enum cli_exit
run(struct cli *cli, int argc, char **argv)
{
	struct forget f = { .cli = cli };
	bool archive = false;
	const struct cli_option options[] = {
		{ .name = "archive", .flag = &archive },
		{ .name = "suppression-too", .flag = &f.suppression_too }, { 0 }
	};
	enum cli_exit status;
	struct conf *conf;

	if (!cli_options(cli, options, &argc, argv, &status))
		return status;
	if (argc < 2 || (argc > 2) != archive)
		return cli_usage(cli,
		    "one ADDRESS, and its archives' FILEs after --archive");
	if (!take_address(&f, argv[1]))
		return cli_usage(cli, "%s: no address", argv[1]);
	f.archives = argv + 2;
	f.narchives = (size_t)(argc - 2);
	conf = cli_conf(cli, CONF_NEED_STORE, &status);
	if (conf == NULL)
		return status;
	status = run_with(&f, conf);
	conf_release(conf);
	return status;
}

const struct verb verb_forget = {
	.name = "forget",
	.summary = "erase a person from the journal and its archives",
	.usage =
	    "forget ADDRESS [--suppression-too] [--json]\n"
	    "       postern forget ADDRESS [...] --archive FILE ...\n\n"
	    "Erases ADDRESS wherever it is a sender, recipient, From, user, or\n"
	    "what one was rewritten to, in the journal and in the archives that\n"
	    "are named; where it sent, who submitted the mail goes too. The chain\n"
	    "still verifies. What was erased is journalled, not of whom. A\n"
	    "suppression stays in force under a keyed hash, unless\n"
	    "--suppression-too. The search database is made anew. What rows left\n"
	    "behind in the files is overwritten while mail flows, and then all\n"
	    "bytes are searched for it. Exits 1 when a reader is in the way, or an\n"
	    "archive was not named: run it again then. ADDRESS+label is another\n"
	    "address; snapshots and backups are not looked at.\n",
	.gives_way = true,
	.run = run,
};
