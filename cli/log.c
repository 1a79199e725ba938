/* SPDX-License-Identifier: BSD-2-Clause */
#include "config.h"

#include "cli/cli.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "cli/control.h"
#include "cli/log_count.h"
#include "cli/log_page.h"
#include "cli/when.h"
#include "store/search.h"

/*
 * postern log: deliveries, newest first, as a table, CSV or JSON lines.
 */
#define LIMIT_DEFAULT 50

struct options {
	const char *sender, *recipient, *domain, *client, *queue_id, *ses_id;
	const char *message_id, *user, *state, *feedback, *reply;
	const char *since, *until, *limit, *after, *by;
	bool csv, count, wide;
};

static int
number_option(struct cli *cli, const char *name, const char *text, int64_t *v_r)
{
	char *end;

	if (text == NULL)
		return 0;
	errno = 0;
	*v_r = strtoll(text, &end, 10);
	if (errno == 0 && *end == '\0' && *v_r > 0)
		return 0;
	(void)cli_usage(cli, "%s %s: not a number above 0", name, text);
	return -1;
}

/* NULL is fine: nothing was asked for. */
static int
word_option(struct cli *cli, const char *name, const char *text,
    const char *const *words)
{
	size_t i;

	for (i = 0; text != NULL && words[i] != NULL; i++)
		if (strcmp(words[i], text) == 0)
			return 0;
	if (text == NULL)
		return 0;
	(void)cli_usage(cli, "%s %s: there is no such; see --help", name, text);
	return -1;
}

static int
check_words(struct cli *cli, const struct options *o)
{
	static const char *const states[] = { "waiting", "sending", "sent",
		"deferred", "refused", "doubtful", NULL };
	static const char *const feedbacks[] = { "complained", "bounced",
		"rejected", "delivered", "delayed", NULL };
	struct log_count *counts;

	if (word_option(cli, "--state", o->state, states) == -1 ||
	    word_option(cli, "--feedback", o->feedback, feedbacks) == -1)
		return -1;
	counts = log_count_new(o->by);
	log_count_free(counts);
	if (counts == NULL)
		(void)cli_usage(cli, "--by %s: not one of %s", o->by,
		    log_count_keys);
	else if (o->by != NULL && !o->count)
		(void)cli_usage(cli, "--by says what to --count by");
	else if (o->wide && o->count)
		(void)cli_usage(cli, "--count has no --wide table");
	else if (o->csv && cli->out.json)
		(void)cli_usage(cli, "--csv or --json, not both");
	else if (o->after != NULL && o->count)
		(void)cli_usage(cli, "--count knows no pages");
	else
		return 0;
	return -1;
}

/* Erring on the side of showing: an old answer is told to be one. */
static void
say_lag(struct search *s, const struct err *why)
{
	char when[WHEN_LEN];
	int64_t rows, at;
	struct err err;

	if (search_lag(s, &rows, &at, &err) == -1 || rows == 0)
		return;
	(void)fprintf(stderr,
	    "postern log: the newest %" PRId64 " rows of the journal are not "
	    "searched (%s); last caught up %s\n",
	    rows, why->text, when_short(at, when));
}

static enum cli_exit
print_page(struct cli *cli, struct search *s, const struct search_filter *f,
    const struct options *o, int64_t after, int64_t limit)
{
	struct log_page *page = log_page_new(&cli->out, o->csv, o->wide);
	struct err err;
	int64_t hits;

	hits = search_run(
	    s, f, &after, (size_t)limit, log_page_hit, page, &err);
	if (hits > 0)
		log_page_print(page);
	if (hits == limit && !cli->out.json && !o->csv)
		(void)fprintf(stderr,
		    "postern log: more with --after %" PRId64 "\n",
		    log_page_next(page));
	log_page_free(page);
	if (hits == -1)
		return cli_fail(cli, &err);
	return hits > 0 ? CLI_DONE : CLI_WRONG;
}

static enum cli_exit
print_counts(struct cli *cli, struct search *s, const struct search_filter *f,
    const struct options *o, int64_t limit)
{
	struct log_count *counts = log_count_new(o->by);
	int64_t hits, all = 0;
	struct err err;
	size_t rows;

	hits = search_run(
	    s, f, &all, SIZE_MAX / 2, log_count_hit, counts, &err);
	if (hits == -1) {
		log_count_free(counts);
		return cli_fail(cli, &err);
	}
	rows = log_count_print(counts, cli, o->csv, (size_t)limit);
	if (limit > 0 && rows > (size_t)limit && !cli->out.json && !o->csv)
		(void)fprintf(stderr, "postern log: %zu more\n",
		    rows - (size_t)limit);
	log_count_free(counts);
	return hits > 0 ? CLI_DONE : CLI_WRONG;
}

static enum cli_exit
search(struct cli *cli, const struct conf *conf, const struct search_filter *f,
    const struct options *o, int64_t after, int64_t limit)
{
	struct err err, why;
	enum cli_exit status;
	struct search *s;
	int caught_up;

	caught_up = control_catch_up(conf, &why);
	s = search_open(conf->store.path, &err);
	if (s == NULL)
		return cli_fail(cli, caught_up == -1 &&
			    err.class == ERR_STATE ? &why : &err);
	if (caught_up == -1)
		say_lag(s, &why);
	status = o->count ? print_counts(cli, s, f, o, limit)
			  : print_page(cli, s, f, o, after, limit);
	search_close(s);
	return status;
}

static enum cli_exit
run(struct cli *cli, int argc, char **argv)
{
	struct options o = { .sender = NULL };
	const struct cli_option options[] = {
		{ .name = "sender", .value = &o.sender },
		{ .name = "recipient", .value = &o.recipient },
		{ .name = "domain", .value = &o.domain },
		{ .name = "client", .value = &o.client },
		{ .name = "queue-id", .value = &o.queue_id },
		{ .name = "ses-id", .value = &o.ses_id },
		{ .name = "message-id", .value = &o.message_id },
		{ .name = "user", .value = &o.user },
		{ .name = "state", .value = &o.state },
		{ .name = "feedback", .value = &o.feedback },
		{ .name = "reply", .value = &o.reply },
		{ .name = "since", .value = &o.since },
		{ .name = "until", .value = &o.until },
		{ .letter = 'n', .name = "limit", .value = &o.limit },
		{ .name = "after", .value = &o.after },
		{ .name = "count", .flag = &o.count },
		{ .name = "by", .value = &o.by },
		{ .name = "csv", .flag = &o.csv },
		{ .letter = 'w', .name = "wide", .flag = &o.wide }, { 0 }
	};
	int64_t limit, after = 0;
	struct search_filter f = { .sender = NULL };
	enum cli_exit status;
	struct conf *conf;

	if (!cli_options(cli, options, &argc, argv, &status))
		return status;
	if (argc > 1)
		return cli_usage(
		    cli, "what is %s? Filters are options", argv[1]);
	limit = o.count ? 0 : LIMIT_DEFAULT;
	if (check_words(cli, &o) == -1 ||
	    cli_period(cli, o.since, o.until, &f.since_us, &f.until_us) == -1 ||
	    number_option(cli, "--limit", o.limit, &limit) == -1 ||
	    number_option(cli, "--after", o.after, &after) == -1)
		return CLI_USAGE;
	f.sender = o.sender;
	f.recipient = o.recipient;
	f.domain = o.domain;
	f.client = o.client;
	f.queue_id = o.queue_id;
	f.ses_id = o.ses_id;
	f.message_id = o.message_id;
	f.user = o.user;
	f.state = o.state;
	f.feedback = o.feedback;
	f.reply = o.reply;
	conf = cli_conf(cli, CONF_NEED_STORE, &status);
	if (conf == NULL)
		return status;
	status = search(cli, conf, &f, &o, after, limit);
	conf_release(conf);
	return status;
}

const struct verb verb_log = {
	.name = "log",
	.summary = "deliveries by sender, recipient, queue id, SES id, time ...",
	.usage =
	    "log [FILTER ...] [-n N] [--after CURSOR] [--wide|--csv]\n"
	    "       postern log [FILTER ...] --count [--by KEY] [-n N] [--csv]\n\n"
	    "Lists deliveries, newest first. All filters given must hold:\n"
	    "  --sender ADDRESS     as the MTA gave it or as SES saw it; \"\" for none\n"
	    "  --recipient ADDRESS\n"
	    "  --domain DOMAIN      the recipient's\n"
	    "  --client WHO         \"name [address]\", or the address, that handed it over\n"
	    "  --queue-id ID        of any MTA on the way\n"
	    "  --ses-id ID\n"
	    "  --message-id ID      the header field, with its angle brackets\n"
	    "  --user NAME          who logged in to submit it\n"
	    "  --state STATE        waiting, sending, sent, deferred, refused, doubtful\n"
	    "  --feedback WHAT      SES's: complained, bounced, rejected, delivered, delayed\n"
	    "  --reply WORDS        all in one refusal or report, in any order\n"
	    "  --since, --until TIME  YYYY-MM-DD[THH:MM:SS] (UTC), or 90s, 2h, 3d ago\n"
	    "  -n, --limit N        how many (50)\n"
	    "  --after CURSOR       the page after the one that ended there\n"
	    "  -w, --wide           also as whom it was sent: senders marked * in the\n"
	    "                       table were rewritten\n"
	    "--count counts them, by hour, day, month, sender, recipient, domain,\n"
	    "client, user, state, feedback or reply.\n"
	    "--csv writes RFC 4180, --json an object a line. Exits 1 when nothing\n"
	    "was found.\n",
	.gives_way = true,
	.run = run,
};
