/* SPDX-License-Identifier: BSD-2-Clause */
#include "config.h"

#include "cli/report.h"

#include <inttypes.h>
#include <string.h>

#include "cli/html.h"
#include "cli/when.h"

/*
 * The report as tables for a terminal.
 */

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

void
report_text(const struct report_page *p, const struct output *out)
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
