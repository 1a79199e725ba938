/* SPDX-License-Identifier: BSD-2-Clause */
#include "config.h"

#include "cli/cli.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/prune_steps.h"
#include "cli/when.h"
#include "core/json.h"
#include "core/mem.h"

/*
 * postern prune: the journal's oldest days into an archive (store/prune.h).
 *
 * What is read and the archive are this program's; what the journal's writer
 * has to do goes through the keeper (cli/prune_steps.h). One prune at a time:
 * only so an archive at FILE that no `pruned` row knows is what an interrupted
 * one left, and all that it has still in the journal, so that it can be made
 * anew.
 */
#define DAY_US (86400 * US_PER_SEC)

struct prune {
	struct cli *cli;
	struct keeper keeper;
	const char *path, *file;
	char *whole; /* file's whole path */
	int64_t before_us;
	bool unsettled, lost;
	struct archive archive;
	char *instead; /* of which it was made, or NULL */
	struct prune_gone gone;
};

static bool
is_gone(const struct prune_gone *gone)
{
	return gone->last_seq > 0 || gone->messages > 0;
}

static int
begin(struct prune *p, struct err *err)
{
	const struct prune_ask ask = { .file = p->whole,
		.who = p->keeper.who,
		.keep_us = prune_keep_us(p->keeper.conf),
		.may_be_unsettled = p->unsettled,
		.instead = p->instead != NULL,
		.remains = is_gone(&p->gone) };

	return prune_steps_begin(&p->keeper, &ask, err);
}

static int
drop_messages(struct prune *p, struct err *err)
{
	return prune_steps_messages(&p->keeper, p->whole, &p->archive, err);
}

/* Its directory has to be there, it need not. */
static int
find_whole(struct prune *p, struct err *err)
{
	const char *slash = strrchr(p->file, '/');
	const char *name = slash != NULL ? slash + 1 : p->file;
	char *named = slash != NULL
	    ? mem_strndup(p->file, (size_t)(name - p->file))
	    : mem_strdup(".");
	char *dir = realpath(named, NULL);
	int rc = 0;

	if (dir == NULL)
		rc = err_sys(err, ERR_LOCAL, errno, "the archive's directory");
	else
		p->whole = mem_printf(
		    "%s/%s", strcmp(dir, "/") == 0 ? "" : dir, name);
	if (rc == 0 && strlen(p->whole) > ARCHIVE_PATH_MAX)
		rc = err_set(err, ERR_POLICY,
		    "the archive's whole path has %zu bytes, and may have %d",
		    strlen(p->whole), ARCHIVE_PATH_MAX);
	free(dir);
	free(named);
	return rc;
}

static bool
is_its_archive(struct prune *p, const struct prune_state *s)
{
	struct err ignored;

	return access(p->file, F_OK) == 0 &&
	    archive_read(p->file, &p->archive, &ignored) == 0 &&
	    p->archive.last_seq == s->last_seq &&
	    memcmp(p->archive.last_chain, s->last_chain, CHAIN_LEN) == 0;
}

/* Go on with what was begun: FILE has to be the archive it was begun with. */
static int
resume(struct prune *p, const struct prune_state *s, struct err *err)
{
	if (!is_its_archive(p, s))
		return err_set(err, ERR_STATE,
		    "the prune into %s is unfinished: run it again with "
		    "--archive and that file first, or if that is lost with "
		    "--archive-lost and another",
		    s->archive);
	if (archive_check(p->file, s->remains, err) == -1)
		return -1;
	return s->messages_gone ? 0 : drop_messages(p, err);
}

/* What an interrupted one left is as good. */
static int
build_again(struct prune *p, const struct prune_state *s, struct err *err)
{
	bool remains = is_gone(&p->gone);

	if (access(p->file, F_OK) == -1)
		return archive_build(p->path, p->file, s->last_seq, remains,
		    &p->archive, err);
	if (!is_its_archive(p, s) || p->archive.first_seq != s->first_seq)
		return err_set(err, ERR_STATE, "%s exists already", p->file);
	return archive_check(p->file, remains, err);
}

/* Go on without the archive, with one of what is still there. */
static int
replace(struct prune *p, const struct prune_state *s, struct err *err)
{
	if (strcmp(strrchr(p->whole, '/') + 1, s->archive) == 0)
		return access(p->file, F_OK) == 0
		    ? resume(p, s, err)
		    : err_set(err, ERR_POLICY,
			  "what is made instead of %s needs a name of its own",
			  s->archive);
	if (prune_gone(p->path, s, &p->gone, err) == -1 ||
	    build_again(p, s, err) == -1)
		return -1;
	p->instead = mem_strdup(s->archive);
	return begin(p, err) == -1 ? -1 : drop_messages(p, err);
}

/* posternd may be about to begin a prune into it which we don't know of, asked
 * by a command that was interrupted. */
static int
put_aside(struct prune *p, struct err *err)
{
	char *part = mem_printf("%s.part", p->file);
	struct prune_state now = { .archive = NULL };
	int rc = -1;

	/* Killed before, they may be two names of one file: rename would do
	 * nothing then. */
	if (unlink(part) == -1 && errno != ENOENT)
		(void)err_sys(err, ERR_LOCAL, errno, "remove %s", part);
	else if (rename(p->file, part) == -1)
		(void)err_sys(err, ERR_LOCAL, errno, "rename %s", p->file);
	else if (prune_state(p->path, &now, err) == 0 && !now.unfinished)
		rc = 0;
	else if (rename(part, p->file) == -1)
		(void)err_sys(err, ERR_LOCAL, errno, "rename %s", part);
	else if (now.unfinished)
		(void)err_set(err, ERR_STATE,
		    "a prune into %s has just begun: run it again", p->file);
	free(now.archive);
	free(part);
	return rc;
}

/* Whatever lies at FILE must be in the journal still, or it is not ours. */
static int
remove_leftover(struct prune *p, const struct prune_state *s, struct err *err)
{
	unsigned char chain[CHAIN_LEN];
	struct archive there;
	struct err ignored;

	if (access(p->file, F_OK) == -1)
		return 0;
	if (archive_read(p->file, &there, &ignored) == -1 ||
	    there.first_seq < s->first_seq ||
	    prune_chain(p->path, there.last_seq, chain, &ignored) == -1 ||
	    memcmp(chain, there.last_chain, CHAIN_LEN) != 0)
		return err_set(err, ERR_STATE, "%s exists already", p->file);
	return put_aside(p, err);
}

/*
 * A refusal is final: nothing is journalled of the archive that was made for
 * this, so it goes, unless another command's prune has begun with it. Without an
 * answer posternd may begin yet. Returns -1.
 */
static int
not_begun(struct prune *p, struct err *err)
{
	char *part = mem_printf("%s.part", p->file);
	const struct err why = *err;
	struct err ignored;
	bool gone;

	gone = (why.class == ERR_STATE || why.class == ERR_POLICY) &&
	    put_aside(p, &ignored) == 0 && unlink(part) == 0;
	free(part);
	return gone
	    ? -1
	    : err_set(err, why.class,
		  "%s; %s is left: the same command goes on with it, or makes it "
		  "anew",
		  why.text, p->file);
}

/* Steps 1 to 3: 1 when done, 0 when there was nothing to do, -1 and err. */
static int
start(struct prune *p, const struct prune_state *s, struct err *err)
{
	int64_t last_seq;

	if (prune_plan(p->path, p->before_us, prune_keep_us(p->keeper.conf),
		p->unsettled, &last_seq, err) == -1)
		return -1;
	if (last_seq == 0)
		return 0;
	if (remove_leftover(p, s, err) == -1 ||
	    archive_build(
		p->path, p->file, last_seq, false, &p->archive, err) == -1)
		return -1;
	if (begin(p, err) == -1)
		return not_begun(p, err);
	return drop_messages(p, err) == -1 ? -1 : 1;
}

/* 1 when something was pruned. */
static int
prune(void *arg, struct err *err)
{
	struct prune *p = arg;
	struct prune_state s;
	int rc;

	if (find_whole(p, err) == -1 || prune_state(p->path, &s, err) == -1)
		return -1;
	if (!s.unfinished)
		rc = start(p, &s, err);
	else if (p->lost)
		rc = replace(p, &s, err) == -1 ? -1 : 1;
	else
		rc = resume(p, &s, err) == -1 ? -1 : 1;
	if (rc == 1 && prune_steps_rows(&p->keeper, p->whole, err) == -1)
		rc = -1;
	free(s.archive);
	return rc;
}

static void
tell_lost(const struct prune *p)
{
	struct output *out = &p->cli->out;

	if (!is_gone(&p->gone))
		output_printf(out, "Nothing is lost with %s.\n", p->instead);
	if (p->gone.last_seq > 0)
		output_printf(out,
		    "Lost with %s: rows %" PRId64 " to %" PRId64
		    ", and who was in their messages.\n",
		    p->instead, p->gone.first_seq, p->gone.last_seq);
	if (p->gone.messages > 0)
		output_printf(out,
		    "Lost with %s: who was in %" PRId64
		    " messages that have rows still.\n",
		    p->instead, p->gone.messages);
}

static void
add_lost(const struct prune *p, struct buf *json)
{
	json_add_string(json, "instead", p->instead);
	json_key(json, "lost");
	json_open(json, '{');
	json_add_int(json, "first_seq", p->gone.first_seq);
	json_add_int(json, "last_seq", p->gone.last_seq);
	json_add_int(json, "messages", p->gone.messages);
	json_close(json, '}');
}

static void
tell(const struct prune *p)
{
	struct output *out = &p->cli->out;
	char chain[CHAIN_TEXT_LEN];
	struct buf json;

	(void)chain_text(p->archive.last_chain, chain);
	if (!out->json) {
		output_printf(out,
		    "%s  rows %" PRId64 " to %" PRId64 ", %" PRId64
		    " messages, head %" PRId64 ":%s\n",
		    p->file, p->archive.first_seq, p->archive.last_seq,
		    p->archive.messages, p->archive.last_seq, chain);
		if (p->instead != NULL)
			tell_lost(p);
		return;
	}
	buf_init(&json, 8192);
	json_open(&json, '{');
	json_add_string(&json, "archive", p->file);
	json_add_int(&json, "first_seq", p->archive.first_seq);
	json_add_int(&json, "last_seq", p->archive.last_seq);
	json_add_string(&json, "last_chain", chain);
	json_add_int(&json, "messages", p->archive.messages);
	if (p->instead != NULL)
		add_lost(p, &json);
	json_close(&json, '}');
	output_json(out, &json);
	buf_free(&json);
}

static enum cli_exit
run_with(struct prune *p, const struct conf *conf)
{
	enum cli_exit status;
	int rc;

	p->path = conf->store.path;
	rc = keeper_run(&p->keeper, p->cli, conf, prune, p, &status);
	if (rc == 1)
		tell(p);
	else if (rc == 0 && p->cli->out.json)
		output_printf(&p->cli->out, "{}\n");
	else if (rc == 0)
		output_printf(
		    &p->cli->out, "The journal has nothing before that day.\n");
	free(p->whole);
	free(p->instead);
	return status;
}

static enum cli_exit
run(struct cli *cli, int argc, char **argv)
{
	struct prune p = { .cli = cli };
	const char *before = NULL;
	const struct cli_option options[] = {
		{ .name = "before", .value = &before },
		{ .name = "archive", .value = &p.file },
		{ .name = "archive-lost", .flag = &p.lost },
		{ .name = "unsettled", .flag = &p.unsettled }, { 0 }
	};
	enum cli_exit status;
	struct conf *conf;

	if (!cli_options(cli, options, &argc, argv, &status))
		return status;
	if (argc != 1 || before == NULL || p.file == NULL)
		return cli_usage(cli, "--before DATE and --archive FILE");
	if (when_parse(before, 0, &p.before_us) == -1)
		return cli_usage(cli,
		    "--before %s: YYYY-MM-DD (UTC), or how long ago: 400d",
		    before);
	p.before_us -= p.before_us % DAY_US;
	conf = cli_conf(cli, CONF_NEED_STORE, &status);
	if (conf == NULL)
		return status;
	status = run_with(&p, conf);
	conf_release(conf);
	return status;
}

const struct verb verb_prune = {
	.name = "prune",
	.summary = "move old days of the journal into an archive",
	.usage =
	    "prune --before DATE --archive FILE [--unsettled]\n"
	    "       [--archive-lost]\n\n"
	    "Moves what is older than DATE (YYYY-MM-DD, UTC, or 400d ago; whole\n"
	    "days) out of the journal into FILE, a new database that reads and\n"
	    "verifies as the journal does, and prints its head. The chain goes on\n"
	    "from there in the journal. What was interrupted is taken up again by\n"
	    "the same command. Refuses while a delivery of that time is waiting\n"
	    "or doubtful, unless --unsettled archives it as it is, and what is\n"
	    "younger than store.repeat-window and quota.daily-window. Mail flows\n"
	    "meanwhile. FILE is the only place where those rows are then. If it\n"
	    "was lost while its prune was interrupted, --archive-lost goes on\n"
	    "with another of what the journal still has.\n",
	.gives_way = true,
	.run = run,
};
