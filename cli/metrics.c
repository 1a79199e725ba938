/* SPDX-License-Identifier: BSD-2-Clause */
#include "config.h"

#include "cli/cli.h"

#include <sys/stat.h>

#include <ctype.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/control.h"
#include "cli/quota.h"
#include "core/json.h"
#include "core/mem.h"
#include "store/counts.h"

/*
 * postern metrics: figures in the Prometheus text format, version 0.0.4.
 *
 * Counters come from the journal, by way of the search database, so that they
 * go on where they were after a restart. Without one, or while it is being made
 * anew, they are left out: a counter that falls is taken to begin again at 0. What
 * only posternd knows is left out while it does not answer; postern_up says so.
 */
#define ANSWER_MAX_BYTES ((size_t)256 * 1024)
#define VALUE_MAX_BYTES ((size_t)4096)

/* No name has two help texts: each family is told in one place. */
static void
family(
    const struct cli *cli, const char *name, const char *type, const char *help)
{
	(void)fprintf(cli->out.file,
	    "# HELP postern_%s %s\n# TYPE postern_%s %s\n", name, help, name,
	    type);
}

static void
gauge(const struct cli *cli, const char *name, const char *help, double value)
{
	family(cli, name, "gauge", help);
	(void)fprintf(cli->out.file, "postern_%s %.17g\n", name, value);
}

/* For people. Printable, and one line. */
static void
remark(const struct cli *cli, const char *text)
{
	(void)fputs("# ", cli->out.file);
	for (; *text != '\0'; text++)
		(void)fputc(
		    isprint((unsigned char)*text) ? *text : ' ', cli->out.file);
	(void)fputc('\n', cli->out.file);
}

/* A label's value: quotes, backslashes and line ends are escaped. */
static void
labelled(const struct cli *cli, const char *name, const char *label,
    const char *value, int64_t count)
{
	(void)fprintf(cli->out.file, "postern_%s{%s=\"", name, label);
	for (; *value != '\0'; value++) {
		if (*value == '"' || *value == '\\')
			(void)fputc('\\', cli->out.file);
		if (*value == '\n')
			(void)fputs("\\n", cli->out.file);
		else
			(void)fputc(*value, cli->out.file);
	}
	(void)fprintf(cli->out.file, "\"} %" PRId64 "\n", count);
}

/* Of an answer that has it as a number; otherwise nothing is told. */
static bool
number(const char *answer, const char *key, double *value_r)
{
	enum json_type type;
	struct buf value;
	struct err err;
	bool is;

	buf_init(&value, VALUE_MAX_BYTES);
	is = json_get(answer, key, &type, &value, &err) == 0 &&
	     type == JSON_NUMBER;
	if (is)
		*value_r = strtod(value.data, NULL);
	buf_free(&value);
	return is;
}

struct figure {
	const char *key, *name, *help;
	double scale;
};

static void
print_figures(const struct cli *cli, const char *answer,
    const struct figure *figures, size_t n)
{
	double value;

	for (size_t i = 0; i < n; i++)
		if (number(answer, figures[i].key, &value))
			gauge(cli, figures[i].name, figures[i].help,
			    value * figures[i].scale);
}

static void
print_quota(const struct cli *cli, const char *answer, bool running)
{
	static const struct figure figures[] = {
		{ "rate", "quota_rate_limit",
		    "Recipients a second that the account may send to.", 1 },
		{ "pace", "quota_rate_pace",
		    "Recipients a second that posternd sends to at most now.",
		    1 },
		{ "daily", "quota_daily_limit",
		    "Recipients that the account may send to in the window.",
		    1 },
		{ "spent", "quota_daily_spent",
		    "Recipients that count in the window now.", 1 },
		{ "window_us", "quota_window_seconds",
		    "Length of the rolling window.", 1e-6 },
	};
	enum json_type type = JSON_ABSENT;
	struct buf until;
	struct err err;

	print_figures(cli, answer, figures, sizeof(figures) / sizeof(*figures));
	buf_init(&until, VALUE_MAX_BYTES);
	if (running && json_get(answer, "hold_until", &type, &until, &err) == 0)
		gauge(cli, "quota_held",
		    "1 while SES says that the day is spent before we do.",
		    type == JSON_STRING);
	buf_free(&until);
}

/* The array of open breakers; those that are closed are not told of. */
static void
print_breakers(const struct cli *cli, const char *answer)
{
	struct buf list, one, what;
	enum json_type type;
	const char *at;
	struct err err;

	family(cli, "breaker_open", "gauge",
	    "Trouble with SES that holds mail up: the account, an endpoint, an "
	    "identity or a configuration set. Absent when there is none.");
	buf_init(&list, ANSWER_MAX_BYTES);
	buf_init(&one, ANSWER_MAX_BYTES);
	buf_init(&what, VALUE_MAX_BYTES);
	if (json_get(answer, "breakers", &type, &list, &err) == 0 &&
	    type == JSON_NESTED)
		for (at = list.data; json_next(&at, &type, &one, &err) == 1;)
			if (json_get_string(one.data, "what", &what, &err) == 1)
				labelled(
				    cli, "breaker_open", "what", what.data, 1);
	buf_free(&list);
	buf_free(&one);
	buf_free(&what);
}

static void
print_status(const struct cli *cli, const char *answer)
{
	static const struct figure figures[] = {
		{ "sessions", "sessions", "LMTP sessions that are open.", 1 },
		{ "waiting", "deliveries_waiting",
		    "Deliveries that wait for their turn.", 1 },
		{ "under_way", "deliveries_under_way",
		    "Deliveries that a connection to SES has taken.", 1 },
		{ "senders", "ses_connections",
		    "Threads that hold a connection to SES.", 1 },
	};
	double value;

	print_figures(cli, answer, figures, sizeof(figures) / sizeof(*figures));
	if (number(answer, "put_off", &value)) {
		family(cli, "rcpt_put_off_total", "counter",
		    "Recipients put off at RCPT because the day was spent, "
		    "since posternd started.");
		(void)fprintf(
		    cli->out.file, "postern_rcpt_put_off_total %.17g\n", value);
	}
	print_breakers(cli, answer);
}

static void
print_posternd(const struct cli *cli, const struct conf *conf)
{
	struct buf quota, status;
	bool running = false;
	struct err err;

	buf_init(&quota, ANSWER_MAX_BYTES);
	buf_init(&status, ANSWER_MAX_BYTES);
	family(cli, "build_info", "gauge", "Always 1.");
	labelled(cli, "build_info", "version", PACKAGE_VERSION, 1);
	if (quota_answer(conf, &quota, &running, &err) == 0)
		print_quota(cli, quota.data, running);
	if (running &&
	    control_op(conf, "status", CONTROL_WITHIN_US, &status, &err) == 0)
		print_status(cli, status.data);
	gauge(cli, "up", "1 when posternd answers.", running);
	buf_free(&quota);
	buf_free(&status);
}

static void
print_size(const struct cli *cli, const char *path, const char *suffix,
    const char *name, const char *help)
{
	char *file = mem_printf("%s%s", path, suffix);
	struct stat st;

	if (stat(file, &st) == 0)
		gauge(cli, name, help, (double)st.st_size);
	free(file);
}

/*
 * Told from the beginning, at 0: of a counter that appears with its first events
 * Prometheus sees no increase. Whatever an alert may be made of is here.
 */
static const char *const always[] = { "received", "sending", "sent",
	"deferred", "refused", "doubtful", "settled", "suppressed", "unmatched",
	"event:Bounce:Permanent", "event:Bounce:Transient",
	"event:Bounce:Undetermined", "event:Complaint",
	"event:Complaint:abuse", "event:Complaint:not-spam", "event:Delivery",
	"event:DeliveryDelay", "event:Reject", "event:Send" };
#define NALWAYS (sizeof(always) / sizeof(*always))

/* What counts_read tells comes in three parts; families must not mix. */
struct told {
	const struct cli *cli;
	bool counted, there[NALWAYS];
	struct buf rows, reports, states;
};

static void
tell_journal(void *arg, const struct counts_journal *j)
{
	struct told *t = arg;
	const struct cli *cli = t->cli;
	int64_t rows = j->last_seq > 0 ? j->last_seq - j->first_seq + 1 : 0;
	char *why;

	gauge(cli, "journal_rows", "Rows in the journal.", (double)rows);
	gauge(cli, "journal_last_row_timestamp_seconds",
	    "When the last row was written.", (double)j->last_at / 1e6);
	gauge(cli, "journal_uncounted_rows",
	    "Rows that are not in the counters yet, nor in the search.",
	    (double)(rows - j->counted));
	t->counted = j->uncounted == NULL;
	if (!t->counted) {
		why = mem_printf("No counters: %s", j->uncounted);
		remark(cli, why);
		free(why);
	}
	gauge(cli, "suppressed_addresses", "Addresses that are not written to.",
	    (double)j->suppressed);
}

static void
add_sample(struct buf *out, const char *name, const char *label,
    const char *value, int64_t count)
{
	buf_addf(out, "postern_%s{%s=\"%s\"} %" PRId64 "\n", name, label, value,
	    count);
}

/* event:TYPE or event:TYPE:KIND. The store has no other texts there, but
 * whatever is no name is not told. */
static void
add_report(struct told *t, const char *kind, int64_t count)
{
	static const char letters[] = "abcdefghijklmnopqrstuvwxyz"
				      "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789 -_";
	const char *type = kind + strlen("event:");
	size_t len = strspn(type, letters);
	const char *rest = type[len] == ':' ? type + len + 1 : "";

	if ((type[len] != ':' && type[len] != '\0') ||
	    rest[strspn(rest, letters)] != '\0')
		return;
	buf_addf(&t->reports,
	    "postern_ses_events_total{type=\"%.*s\",kind=\"%s\"} %" PRId64 "\n",
	    (int)len, type, rest, count);
}

static void
tell_rows(void *arg, const char *kind, int64_t count)
{
	struct told *t = arg;

	for (size_t i = 0; i < NALWAYS; i++)
		t->there[i] = t->there[i] || strcmp(kind, always[i]) == 0;
	if (strncmp(kind, "event:", 6) == 0)
		add_report(t, kind, count);
	else
		add_sample(&t->rows, "events_total", "event", kind, count);
}

static void
tell_zeros(struct told *t)
{
	for (size_t i = 0; i < NALWAYS; i++)
		if (t->counted && !t->there[i])
			tell_rows(t, always[i], 0);
}

static void
tell_state(void *arg, const char *state, int64_t count)
{
	struct told *t = arg;

	add_sample(&t->states, "deliveries", "state", state, count);
}

static void
print_family(const struct cli *cli, const char *name, const char *type,
    const char *help, struct buf *samples)
{
	if (samples->len > 0) {
		family(cli, name, type, help);
		(void)fputs(samples->data, cli->out.file);
	}
	buf_free(samples);
}

static int
print_counts(const struct cli *cli, const struct conf *conf, struct err *err)
{
	struct told t = { .cli = cli };
	const struct counts_listener listener = { tell_journal, tell_rows,
		tell_state, &t };
	int rc;

	buf_init(&t.rows, ANSWER_MAX_BYTES);
	buf_init(&t.reports, ANSWER_MAX_BYTES);
	buf_init(&t.states, ANSWER_MAX_BYTES);
	rc = counts_read(conf->store.path, &listener, err);
	if (rc == 0)
		tell_zeros(&t);
	print_family(cli, "events_total", "counter",
	    "What happened, by the journal's event: sent, deferred, refused "
	    "and so on; unmatched: SES reported on what is not known here.",
	    &t.rows);
	print_family(cli, "ses_events_total", "counter",
	    "What SES reported later of deliveries known here, by type, and of "
	    "a bounce or complaint by its kind.",
	    &t.reports);
	print_family(cli, "deliveries", "gauge",
	    "Deliveries that are not sent, by their state now.", &t.states);
	print_size(cli, conf->store.path, "", "journal_bytes",
	    "Size of the journal's file.");
	print_size(cli, conf->store.path, "-wal", "journal_wal_bytes",
	    "Size of its write-ahead log; grows while somebody reads for "
	    "long.");
	print_size(cli, conf->store.path, "-search.db", "search_bytes",
	    "Size of the search database.");
	return rc;
}

static enum cli_exit
run(struct cli *cli, int argc, char **argv)
{
	enum cli_exit status;
	struct conf *conf;
	struct err err;
	int caught_up;

	if (!cli_options(cli, NULL, &argc, argv, &status))
		return status;
	if (argc > 1)
		return cli_usage(cli, "metrics takes no operand");
	conf = cli_conf(cli, CONF_NEED_STORE, &status);
	if (conf == NULL)
		return status;
	caught_up = control_catch_up_soon(conf, &err);
	if (caught_up == -1)
		remark(cli, err.text);
	gauge(cli, "caught_up",
	    "1 when all rows of the journal were counted just before.",
	    caught_up == 0);
	print_posternd(cli, conf);
	status =
	    print_counts(cli, conf, &err) == 0 ? CLI_DONE : cli_fail(cli, &err);
	conf_release(conf);
	return status;
}

const struct verb verb_metrics = {
	.name = "metrics",
	.summary = "figures for Prometheus",
	.usage =
	    "metrics\n\n"
	    "Prints figures in the Prometheus text format: limits and what is\n"
	    "spent of them, what waits, open breakers, counters of what\n"
	    "happened, sizes. Cheap however large the journal is. For a textfile\n"
	    "collector:\n"
	    "  postern metrics >postern.prom.new &&\n"
	    "      mv postern.prom.new postern.prom\n",
	.gives_way = true,
	.run = run,
};
