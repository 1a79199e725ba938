/* SPDX-License-Identifier: BSD-2-Clause */
#include "config.h"

#include "cli/cli.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "cli/control.h"
#include "cli/log_count.h"
#include "cli/placeholder.h"
#include "cli/when.h"
#include "core/json.h"
#include "core/mem.h"
#include "store/search.h"

/*
 * postern log: deliveries, newest first, as a table, CSV or JSON lines.
 */
#define LIMIT_DEFAULT 50
#define LINE_MAX_BYTES ((size_t)64 * 1024)

struct options {
	const char *sender, *recipient, *domain, *client, *queue_id, *ses_id;
	const char *message_id, *user, *state, *feedback, *reply;
	const char *since, *until, *limit, *after, *by;
	bool csv, count, wide;
};

struct page {
	struct cli *cli;
	struct table *table; /* NULL for CSV and JSON */
	bool wide;
	size_t rewritten; /* rows with the mark */
	int64_t next;
};

static enum color
state_color(const struct search_hit *h)
{
	const char *feedback = h->feedback != NULL ? h->feedback : "";

	if (strcmp(feedback, "bounced") == 0 ||
	    strcmp(feedback, "complained") == 0 ||
	    strcmp(feedback, "rejected") == 0)
		return COLOR_RED;
	if (strcmp(h->state, "sent") == 0)
		return COLOR_GREEN;
	if (strcmp(h->state, "refused") == 0 ||
	    strcmp(h->state, "doubtful") == 0)
		return COLOR_RED;
	return COLOR_YELLOW;
}

/* For programs only the SES id: the other names are columns of their own. */
static const char *
meaning(const void *arg, const char *mark, size_t len)
{
	const struct search_hit *h = arg;

	return placeholder_is(mark, len, "ses-id", 0) ? h->ses_id : NULL;
}

static const char *
meaning_for_people(const void *arg, const char *mark, size_t len)
{
	const struct search_hit *h = arg;

	if (placeholder_is(mark, len, "recipient", h->n))
		return h->recipient;
	if (placeholder_is(mark, len, "sender", 0))
		return h->sender;
	return meaning(arg, mark, len);
}

/* The reply as the MTA got it. */
static void
reply_text(const struct search_hit *h, bool people, struct buf *out)
{
	if (h->code != 0)
		buf_addf(out, "%u %s ", h->code, h->dsn != NULL ? h->dsn : "");
	if (h->reply != NULL)
		placeholder_fill(h->reply,
		    people ? meaning_for_people : meaning, h, out);
}

/* With --json and --csv: every column of the view `audit`, and the cursor. */
static const char *const keys[] = { "message", "n", "queue_ids", "received",
	"sender", "original_sender", "recipient", "client", "user",
	"message_id", "size", "state", "attempts", "ses_id", "reply",
	"feedback", "updated", "cursor" };
#define NKEYS (sizeof(keys) / sizeof(keys[0]))

struct values {
	char message[UUID_TEXT_LEN];
	char received[CLOCK_RFC3339_LEN], updated[CLOCK_RFC3339_LEN];
	char n[24], size[24], attempts[24], cursor[24];
	struct buf reply;
	const char *text[NKEYS];
	bool number[NKEYS];
};

static const char *
number(char text[24], int64_t v)
{
	(void)snprintf(text, 24, "%" PRId64, v);
	return text;
}

static const char *
or_erased(const char *who)
{
	return who != NULL ? who : "(erased)";
}

/* JSON has null for who was erased, what else there is has none. */
static void
values_init(
    struct values *v, const struct search_hit *h, bool people, bool json)
{
	buf_init(&v->reply, LINE_MAX_BYTES);
	reply_text(h, people, &v->reply);
	const char *const texts[NKEYS] = { uuid_text(&h->message, v->message),
		number(v->n, h->n), h->queue_ids,
		clock_rfc3339(h->received_at, v->received),
		json ? h->sender : or_erased(h->sender),
		json ? h->original_sender : or_erased(h->original_sender),
		json ? h->recipient : or_erased(h->recipient), h->client,
		h->user,
		h->message_id,
		number(v->size, h->size), h->state,
		number(v->attempts, h->attempts), h->ses_id,
		v->reply.len > 0 ? v->reply.data : NULL, h->feedback,
		clock_rfc3339(h->updated_at, v->updated),
		number(v->cursor, h->cursor) };

	memcpy(v->text, texts, sizeof(texts));
	for (size_t i = 0; i < NKEYS; i++)
		v->number[i] = v->text[i] == v->n || v->text[i] == v->size ||
		    v->text[i] == v->attempts || v->text[i] == v->cursor;
}

static void
put_json(struct cli *cli, const struct values *v)
{
	struct buf line;

	buf_init(&line, LINE_MAX_BYTES);
	json_open(&line, '{');
	for (size_t i = 0; i < NKEYS; i++) {
		json_key(&line, keys[i]);
		if (v->number[i])
			json_raw(&line, v->text[i]);
		else
			json_string(&line, v->text[i]);
	}
	json_close(&line, '}');
	output_json(&cli->out, &line);
	buf_free(&line);
}

static const char *
sender_text(const char *sender)
{
	return sender != NULL && *sender == '\0' ? "<>" : or_erased(sender);
}

static bool
is_rewritten(const struct search_hit *h)
{
	return h->sender != NULL && h->original_sender != NULL &&
	       strcmp(h->sender, h->original_sender) != 0;
}

/* Whom people know as the sender, not what was made of him for SES. */
static void
put_sender(struct page *page, const struct search_hit *h)
{
	char *marked;

	if (page->wide || !is_rewritten(h)) {
		table_text(page->table, sender_text(h->original_sender));
		return;
	}
	marked = mem_printf("%s *", sender_text(h->original_sender));
	table_text(page->table, marked);
	free(marked);
	page->rewritten++;
}

/* What SES accepted may have bounced since: "sent" alone would mislead. */
static void
put_state(struct table *t, const struct search_hit *h)
{
	char *both;

	if (h->feedback == NULL) {
		table_text(t, h->state);
	} else {
		both = mem_printf("%s, %s", h->state, h->feedback);
		table_text(t, both);
		free(both);
	}
	table_color(t, state_color(h));
}

static void
put_row(struct page *page, const struct search_hit *h, const struct values *v)
{
	struct table *t = page->table;
	char when[WHEN_LEN];

	table_text(t, when_short(h->received_at, when));
	put_state(t, h);
	put_sender(page, h);
	table_text(t, or_erased(h->recipient));
	table_text(t, h->queue_ids);
	table_text(t, v->message);
	if (page->wide)
		table_text(t, sender_text(h->sender));
	table_text(t, v->reply.len > 0 ? v->reply.data : NULL);
}

static int
put_hit(void *arg, const struct search_hit *h)
{
	struct page *page = arg;
	struct values v;

	values_init(&v, h, page->table != NULL, page->cli->out.json);
	page->next = h->cursor;
	if (page->table != NULL)
		put_row(page, h, &v);
	else if (page->cli->out.json)
		put_json(page->cli, &v);
	else
		output_csv(&page->cli->out, v.text, NKEYS);
	buf_free(&v.reply);
	return 0;
}

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
	/* A reply is long, so what --wide adds stands before it. */
	const struct column reply = { "REPLY", "reply", false };
	const struct column columns[] = {
		{ "RECEIVED (UTC)", "received", false },
		{ "STATE", "state", false }, { "SENDER", "sender", false },
		{ "RECIPIENT", "recipient", false },
		{ "QUEUE IDS", "queue_ids", false },
		{ "MESSAGE", "message", false },
		o->wide ? (struct column) { "SENT AS", "sent_as", false }
			: reply,
		o->wide ? reply : (struct column) { 0 }, { 0 }
	};
	struct page page = { .cli = cli, .wide = o->wide };
	struct err err;
	int64_t hits;

	if (!cli->out.json && !o->csv)
		page.table = table_new(columns);
	else if (o->csv)
		output_csv(&cli->out, keys, NKEYS);
	hits = search_run(
	    s, f, &after, (size_t)limit, put_hit, &page, &err);
	if (page.table != NULL && hits > 0)
		table_print(page.table, &cli->out);
	if (page.table != NULL)
		table_free(page.table);
	if (hits == -1)
		return cli_fail(cli, &err);
	if (page.rewritten > 0)
		(void)fprintf(stderr,
		    "postern log: * was rewritten; --wide shows as whom it was "
		    "sent\n");
	if (hits == limit && !cli->out.json && !o->csv)
		(void)fprintf(stderr,
		    "postern log: more with --after %" PRId64 "\n", page.next);
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
