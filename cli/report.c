/* SPDX-License-Identifier: BSD-2-Clause */
#include "config.h"

#include "cli/report.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/html.h"
#include "cli/when.h"
#include "core/clock.h"
#include "core/hostname.h"
#include "core/mem.h"
#include "store/verify.h"

/*
 * postern report: a period in figures, as tables for a terminal or a page.
 */
#define PERIOD_US (INT64_C(30) * 86400 * US_PER_SEC)
#define HOUR_US (3600 * US_PER_SEC)

const char *const report_phases[REPORT_PHASES] = {
	[REPORT_TURN] = "Until its turn",
	[REPORT_ANSWER] = "SES's answer",
	[REPORT_ACCEPTED] = "Both together",
	[REPORT_DELIVERED] = "SES's delivery",
};

const char *
report_slot_name(const struct report *r, size_t i, char text[24])
{
	char when[CLOCK_RFC3339_LEN];

	(void)clock_rfc3339(r->slots[i].at, when);
	if (r->slot_us > HOUR_US)
		(void)snprintf(text, 24, "%.10s", when);
	else
		(void)snprintf(text, 24, "%.10s %.2sh", when, when + 11);
	return text;
}

size_t
report_rate_slots(const struct report *r)
{
	return r->slot_us > HOUR_US ? 7 : 24;
}

double
report_rate(
    const struct report *r, size_t i, enum outcome_number what, size_t over)
{
	int64_t part = 0, sent = 0;

	for (size_t k = i + 1 > over ? i + 1 - over : 0; k <= i; k++) {
		part += r->slots[k].n[what];
		sent += r->slots[k].n[OUTCOME_SENT];
	}
	return sent > 0 ? (double)part / (double)sent : -1;
}

/* Tables for a terminal. */

static void
print_totals(const struct report *r, const struct output *out)
{
	static const struct column columns[] = { { "WHAT", "what", false },
		{ "COUNT", "count", true }, { "SHARE", "share", false },
		{ 0 } };
	struct table *t = table_new(columns);
	char share[HTML_SHARE_LEN];
	bool later;

	table_text(t, "messages");
	table_number(t, r->messages);
	table_text(t, NULL);
	for (int i = 0; i < OUTCOMES; i++) {
		later = i >= OUTCOME_DELIVERED && i <= OUTCOME_COMPLAINED;
		table_text(t, outcome_names[i]);
		table_number(t, r->total[i]);
		table_text(t, i == OUTCOME_DELIVERIES || i == OUTCOME_ATTEMPTS
				  ? NULL
				  : html_share(r->total[i],
					later ? r->total[OUTCOME_SENT]
					      : r->total[OUTCOME_DELIVERIES],
					share));
	}
	table_print(t, out);
	table_free(t);
}

static void
print_phases(const struct report *r, const struct output *out)
{
	static const struct column columns[] = { { "DELAY", "delay", false },
		{ "DELIVERIES", "deliveries", true }, { "50 %", "p50", false },
		{ "90 %", "p90", false }, { "95 %", "p95", false },
		{ "99 %", "p99", false }, { "LONGEST", "longest", false },
		{ 0 } };
	static const double shares[] = { 0.5, 0.9, 0.95, 0.99, 1 };
	struct table *t = table_new(columns);
	char text[HTML_DURATION_LEN];

	for (size_t i = 0; i < REPORT_PHASES; i++) {
		table_text(t, report_phases[i]);
		table_number(t, r->phase[i].count);
		for (size_t k = 0; k < 5; k++)
			table_text(
			    t, r->phase[i].count == 0
				   ? NULL
				   : html_duration(
					 histogram_at(&r->phase[i], shares[k]),
					 text));
	}
	table_print(t, out);
	table_free(t);
}

static void
put_rate(struct table *t, double rate, int digits)
{
	char text[24];

	(void)snprintf(text, sizeof(text), "%.*f %%", digits, rate * 100);
	table_text(t, rate < 0 ? NULL : text);
}

/* What SES judges by, at the end and at its worst. */
static void
print_rates(const struct report *r, const struct output *out)
{
	static const struct {
		const char *name;
		enum outcome_number what;
		double review, pause;
		int digits; /* of those two */
	} rates[] = {
		{ "bounced", OUTCOME_BOUNCED, REPORT_BOUNCE_REVIEW,
		    REPORT_BOUNCE_PAUSE, 0 },
		{ "complained", OUTCOME_COMPLAINED, REPORT_COMPLAINT_REVIEW,
		    REPORT_COMPLAINT_PAUSE, 1 },
	};
	size_t over = report_rate_slots(r);
	const struct column columns[] = {
		{ over == 7 ? "RATE OVER 7 DAYS" : "RATE OVER 24 HOURS", "rate",
		    false },
		{ "AT THE END", "last", false }, { "HIGHEST", "highest", false },
		{ "SES REVIEWS", "review", false },
		{ "SES PAUSES", "pause", false }, { 0 }
	};
	struct table *t = table_new(columns);
	double rate, highest;

	for (size_t k = 0; k < sizeof(rates) / sizeof(rates[0]); k++) {
		rate = highest = -1;
		for (size_t i = 0; i < r->nslots; i++) {
			rate = report_rate(r, i, rates[k].what, over);
			highest = rate > highest ? rate : highest;
		}
		table_text(t, rates[k].name);
		put_rate(t, rate, rates[k].digits + 2);
		put_rate(t, highest, rates[k].digits + 2);
		put_rate(t, rates[k].review, rates[k].digits);
		put_rate(t, rates[k].pause, rates[k].digits);
	}
	table_print(t, out);
	table_free(t);
}

static void
print_outcome_row(struct table *t, const char *name, const int64_t n[])
{
	table_text(t, name);
	for (int i = OUTCOME_DELIVERIES; i <= OUTCOME_DOUBTFUL; i++)
		table_number(t, n[i]);
	table_number(t, n[OUTCOME_BOUNCED]);
	table_number(t, n[OUTCOME_COMPLAINED]);
}

/* The table goes on using the columns. */
#define OUTCOME_COLUMNS 9

static struct table *
outcome_table(struct column columns[OUTCOME_COLUMNS], const char *first)
{
	static const struct column rest[OUTCOME_COLUMNS - 1] = {
		{ "DELIVERIES", "deliveries", true }, { "SENT", "sent", true },
		{ "DEFERRED", "deferred", true },
		{ "REFUSED", "refused", true },
		{ "DOUBTFUL", "doubtful", true },
		{ "BOUNCED", "bounced", true },
		{ "COMPLAINED", "complained", true }, { 0 }
	};

	columns[0] = (struct column){ first, "name", false };
	memcpy(columns + 1, rest, sizeof(rest));
	return table_new(columns);
}

static void
print_slots(const struct report *r, const struct output *out)
{
	struct column columns[OUTCOME_COLUMNS];
	struct table *t = outcome_table(columns, "WHEN (UTC)");
	char name[24];

	for (size_t i = 0; i < r->nslots; i++)
		if (r->slots[i].n[OUTCOME_DELIVERIES] > 0)
			print_outcome_row(
			    t, report_slot_name(r, i, name), r->slots[i].n);
	if (table_rows(t) > 0)
		table_print(t, out);
	table_free(t);
}

static void
print_top(const char *first, struct tally *tally, const struct output *out)
{
	const struct tally_row *rows = tally_sorted(tally, TALLY_LARGEST);
	struct column columns[OUTCOME_COLUMNS];
	struct table *t = outcome_table(columns, first);

	for (size_t i = 0; i < tally_size(tally) && i < REPORT_TOP; i++)
		print_outcome_row(t, rows[i].name, rows[i].n);
	if (table_rows(t) > 0)
		table_print(t, out);
	table_free(t);
}

static void
print_reasons(const struct report *r, const struct output *out)
{
	static const struct column columns[] = { { "REFUSED", "refused", true },
		{ "DEFERRED", "deferred", true },
		{ "WHAT WAS ANSWERED", "reason", false }, { 0 } };
	const struct tally_row *rows = tally_sorted(r->reasons, TALLY_LARGEST);
	struct table *t = table_new(columns);

	for (size_t i = 0; i < tally_size(r->reasons) && i < REPORT_TOP; i++) {
		table_number(t, rows[i].n[OUTCOME_REFUSED]);
		table_number(t, rows[i].n[OUTCOME_DEFERRED]);
		table_text(t, rows[i].name);
	}
	if (table_rows(t) > 0)
		table_print(t, out);
	table_free(t);
}

static void
print_doubts(const struct report *r, const struct output *out)
{
	static const struct column columns[] = { { "DOUBTFUL", "message",
						     false },
		{ "RECEIVED (UTC)", "received", false },
		{ "RECIPIENT", "recipient", false }, { 0 } };
	char id[UUID_TEXT_LEN], when[WHEN_LEN];
	struct table *t = table_new(columns);

	for (size_t i = 0; i < r->ndoubts; i++) {
		table_text(t, uuid_text(&r->doubts[i].message, id));
		table_text(t, when_short(r->doubts[i].received_at, when));
		table_text(t, r->doubts[i].recipient);
	}
	if (table_rows(t) > 0)
		table_print(t, out);
	table_free(t);
}

static void
print_chain(const struct report_page *p, const struct output *out)
{
	char hex[CHAIN_TEXT_LEN];

	output_printf(out,
	    "Journal: %" PRId64 " rows in this period, head "
	    "%" PRId64 ":%s\n",
	    p->report->rows, p->report->head_seq,
	    chain_text(p->report->head, hex));
	if (!p->verified)
		output_printf(
		    out, "Its chain was not checked; --verify does.\n");
	else
		output_printf(out, "Its chain: %s, %" PRIu64 " faults\n",
		    p->faults == 0 ? "good" : "broken", p->faults);
}

static void
print_text(const struct report_page *p, const struct output *out)
{
	const struct report *r = p->report;
	char since[WHEN_LEN], until[WHEN_LEN];

	output_printf(out, "Mail through Amazon SES, %s to %s (UTC), %s\n\n",
	    when_short(r->since_us, since), when_short(r->until_us, until),
	    p->host);
	print_totals(r, out);
	if (p->daily >= 0)
		output_printf(out,
		    "The account may send to %" PRId64
		    " recipients in any window of a day.\n",
		    p->daily);
	output_printf(out, "\n");
	print_rates(r, out);
	output_printf(out, "\n");
	print_phases(r, out);
	output_printf(out, "\n");
	print_slots(r, out);
	output_printf(out, "\n");
	print_top("SENDER", r->senders, out);
	output_printf(out, "\n");
	print_top("DOMAIN", r->domains, out);
	output_printf(out, "\n");
	print_reasons(r, out);
	output_printf(out, "\n");
	print_doubts(r, out);
	print_chain(p, out);
}

/* The page. */

/*
 * Written beside its place and moved there when whole: whoever looks at the
 * page meanwhile sees the old one. It holds addresses of people, so others may
 * not read it.
 */
static int
write_page(const struct report_page *p, const char *path, struct err *err)
{
	char *beside = mem_printf("%s.XXXXXX", path);
	int fd = mkstemp(beside), rc = -1;
	FILE *f = NULL;

	if (fd != -1 && fchmod(fd, 0640) == 0)
		f = fdopen(fd, "w");
	if (f != NULL) {
		report_html(p, f);
		rc = fflush(f) == 0 && !ferror(f) ? 0 : -1;
		rc = fclose(f) == 0 ? rc : -1;
	} else if (fd != -1) {
		(void)close(fd);
	}
	if (rc == 0)
		rc = rename(beside, path);
	if (rc == -1) {
		(void)err_sys(err, ERR_LOCAL, errno, "%s", path);
		if (fd != -1)
			(void)unlink(beside);
	}
	free(beside);
	return rc;
}

static void
ignore_fault(void *arg, int64_t seq, const char *words)
{
	(void)arg;
	(void)seq;
	(void)words;
}

struct wish {
	int64_t since, until;
	const char *html;
	bool verify;
};

static int
verify_chain(const char *journal, struct report_page *p, struct err *err)
{
	const struct verify_ask ask = { .live = true };
	struct verify_result result;

	if (verify_journal(
		&journal, 1, &ask, ignore_fault, NULL, &result, err) == -1)
		return -1;
	p->verified = true;
	p->faults = result.faults;
	return 0;
}

static enum cli_exit
make(struct cli *cli, const struct conf *conf, const struct wish *w)
{
	struct report_page p = { .made_at = clock_wall_us(),
		.daily = conf->quota.daily };
	enum cli_exit status = CLI_DONE;
	char host[HOSTNAME_SIZE];
	struct report *r;
	struct err err;

	p.host = hostname(host);
	p.report = r = report_new(conf->store.path, w->since, w->until, &err);
	if (r == NULL ||
	    (w->verify && verify_chain(conf->store.path, &p, &err) == -1)) {
		status = cli_fail(cli, &err);
	} else if (w->html == NULL && cli->out.json) {
		report_json(&p, &cli->out);
	} else if (w->html == NULL) {
		print_text(&p, &cli->out);
	} else if (strcmp(w->html, "-") == 0) {
		report_html(&p, cli->out.file);
	} else if (write_page(&p, w->html, &err) == -1) {
		status = cli_fail(cli, &err);
	}
	report_free(r);
	return status == CLI_DONE && p.faults > 0 ? CLI_WRONG : status;
}

static enum cli_exit
run(struct cli *cli, int argc, char **argv)
{
	const char *since = NULL, *until = NULL;
	struct wish w = { .html = NULL };
	bool text = false;
	const struct cli_option options[] = { { .name = "since",
						  .value = &since },
		{ .name = "until", .value = &until },
		{ .name = "html", .value = &w.html },
		{ .name = "text", .flag = &text },
		{ .name = "verify", .flag = &w.verify }, { 0 } };
	enum cli_exit status;
	struct conf *conf;

	if (!cli_options(cli, options, &argc, argv, &status))
		return status;
	if (argc > 1)
		return cli_usage(
		    cli, "what is %s? --html takes the file", argv[1]);
	if (text && w.html != NULL)
		return cli_usage(cli, "--html or --text");
	w.until = clock_wall_us();
	if (cli_time(cli, "--until", until, &w.until) == -1)
		return CLI_USAGE;
	w.since = w.until - PERIOD_US;
	if (cli_time(cli, "--since", since, &w.since) == -1)
		return CLI_USAGE;
	if (w.since >= w.until)
		return cli_usage(cli, "--since lies not before --until");
	conf = cli_conf(cli, CONF_NEED_STORE, &status);
	if (conf == NULL)
		return status;
	status = make(cli, conf, &w);
	conf_release(conf);
	return status;
}

const struct verb verb_report = {
	.name = "report",
	.summary = "a period in figures and charts",
	.usage =
	    "report [--since TIME] [--until TIME]\n"
	    "           [--html FILE | --text] [--verify]\n\n"
	    "Volume, outcomes, delays, bounce and complaint rates, top senders\n"
	    "and domains, reasons, doubtful deliveries, and the journal's head;\n"
	    "of the last 30 days unless told otherwise. --html writes one page\n"
	    "that needs nothing else (- for standard output). --verify also\n"
	    "checks the whole chain, at some 300,000 rows a second, and exits 1\n"
	    "when it is broken.\n",
	.gives_way = true,
	.run = run,
};
