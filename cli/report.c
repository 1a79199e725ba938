/* SPDX-License-Identifier: BSD-2-Clause */
#include "config.h"

#include "cli/report.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

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
		report_text(&p, &cli->out);
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
	if (cli_period(cli, since, until, &w.since, &w.until) == -1)
		return CLI_USAGE;
	if (since == NULL)
		w.since = w.until - PERIOD_US;
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
