/* SPDX-License-Identifier: BSD-2-Clause */
#include "config.h"

#include "cli/report_parts.h"

#include <inttypes.h>
#include <string.h>

#include "cli/chart.h"
#include "cli/html.h"
#include "cli/when.h"
#include "core/clock.h"

/*
 * The page. Each chart is followed, at the end of the page, by the table with
 * its figures; so all is there on paper, for a screen reader, and where
 * pictures are not drawn.
 */

static void
head(const struct report_page *p, FILE *f)
{
	const struct report *r = p->report;
	char since[WHEN_LEN], until[WHEN_LEN], made[WHEN_LEN];

	(void)fprintf(f,
	    "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta "
	    "charset=\"utf-8\">\n"
	    "<meta name=\"viewport\" "
	    "content=\"width=device-width,initial-scale=1\">\n"
	    "<meta http-equiv=\"Content-Security-Policy\" "
	    "content=\"default-src 'none'; style-src 'unsafe-inline'\">\n"
	    "<meta name=\"referrer\" content=\"no-referrer\">\n"
	    "<title>Mail through Amazon SES, %.10s to %.10s</title>\n"
	    "<style>\n%s</style>\n</head>\n<body>\n<header>\n"
	    "<h1>Mail through Amazon SES</h1>\n<p>%s to %s (UTC), from the "
	    "journal of ",
	    when_short(r->since_us, since), when_short(r->until_us, until),
	    report_style, since, until);
	html_text(f, p->host);
	(void)fprintf(f,
	    ".</p>\n<p class=\"soft\">Made %s by Postern " PACKAGE_VERSION
	    ". Deliveries count for the time at which their "
	    "message was first received; each recipient is one delivery.</p>\n"
	    "<nav aria-label=\"Sections\"><ul>"
	    "<li><a href=\"#volume\">Volume</a></li>"
	    "<li><a href=\"#delays\">Delays</a></li>"
	    "<li><a href=\"#rates\">Bounces and complaints</a></li>"
	    "<li><a href=\"#who\">Senders and domains</a></li>"
	    "<li><a href=\"#why\">Refused and deferred</a></li>"
	    "<li><a href=\"#doubts\">Doubtful</a></li>"
	    "<li><a href=\"#chain\">The journal's chain</a></li>"
	    "<li><a "
	    "href=\"#figures\">Figures</a></li></ul></nav>\n</"
	    "header>\n<main>\n",
	    when_short(p->made_at, made));
	chart_patterns(f);
}

static const char *const outcome_heads[] = { NULL, "deliveries", "sent",
	"deferred", "refused", "doubtful", "bounced", "complained" };
static const enum outcome_number outcome_columns[] = { OUTCOME_DELIVERIES,
	OUTCOME_SENT, OUTCOME_DEFERRED, OUTCOME_REFUSED, OUTCOME_DOUBTFUL,
	OUTCOME_BOUNCED, OUTCOME_COMPLAINED };
#define OUTCOME_COLUMNS (sizeof(outcome_columns) / sizeof(outcome_columns[0]))

static void
outcome_cells(FILE *f, const int64_t n[])
{
	for (size_t i = 0; i < OUTCOME_COLUMNS; i++)
		html_number_cell(f, n[outcome_columns[i]]);
	(void)fputs("</tr>\n", f);
}

static void
outcome_table_begin(
    FILE *f, const char *id, const char *caption, const char *first)
{
	const char *heads[OUTCOME_COLUMNS + 1];

	memcpy(heads, outcome_heads, sizeof(heads));
	heads[0] = first;
	html_table_begin(f, id, caption, heads, OUTCOME_COLUMNS + 1, 1);
}

static void
top(FILE *f, const char *id, const char *caption, const char *first,
    struct tally *t)
{
	const struct tally_row *rows = tally_sorted(t, TALLY_LARGEST);

	outcome_table_begin(f, id, caption, first);
	for (size_t i = 0; i < tally_size(t) && i < REPORT_TOP; i++) {
		html_row_head(f, rows[i].name);
		outcome_cells(f, rows[i].n);
	}
	html_table_end(f);
	if (tally_size(t) > REPORT_TOP)
		(void)fprintf(
		    f, "<p class=\"soft\">%zu in all.</p>\n", tally_size(t));
}

static void
reasons(const struct report *r, FILE *f)
{
	static const char *const heads[] = { "What was answered", "refused",
		"deferred" };
	const struct tally_row *rows = tally_sorted(r->reasons, TALLY_LARGEST);

	html_section(f, "why", "Refused and deferred");
	(void)fputs(
	    "<p>As deliveries stand now: one that was deferred and then "
	    "sent is not here. In the words, names of people are "
	    "replaced, and numbers are #.</p>\n",
	    f);
	html_table_begin(f, "t-why", "Reasons", heads, 3, 1);
	for (size_t i = 0; i < tally_size(r->reasons) && i < REPORT_TOP; i++) {
		html_row_head(f, rows[i].name);
		html_number_cell(f, rows[i].n[OUTCOME_REFUSED]);
		html_number_cell(f, rows[i].n[OUTCOME_DEFERRED]);
		(void)fputs("</tr>\n", f);
	}
	html_table_end(f);
	(void)fputs("</section>\n", f);
}

static void
doubts(const struct report *r, FILE *f)
{
	static const char *const heads[] = { "Message", "Received (UTC)",
		"Recipient", "What is known" };
	char id[UUID_TEXT_LEN], when[WHEN_LEN];

	html_section(f, "doubts", "Doubtful deliveries");
	if (r->total[OUTCOME_DOUBTFUL] == 0) {
		(void)fputs("<p>None.</p>\n</section>\n", f);
		return;
	}
	(void)fprintf(f,
	    "<p>SES may have these: the connection was lost "
	    "between the final dot and the answer. An event of SES settles "
	    "them. "
	    "%" PRId64 " in all.</p>\n",
	    r->total[OUTCOME_DOUBTFUL]);
	html_table_begin(f, "t-doubts", "The first of them", heads, 4, 4);
	for (size_t i = 0; i < r->ndoubts; i++) {
		html_row_head(f, uuid_text(&r->doubts[i].message, id));
		html_text_cell(f, when_short(r->doubts[i].received_at, when));
		html_text_cell(f, r->doubts[i].recipient != NULL
				 ? r->doubts[i].recipient
				 : "(erased)");
		html_text_cell(f, r->doubts[i].reply);
		(void)fputs("</tr>\n", f);
	}
	html_table_end(f);
	(void)fputs("</section>\n", f);
}

static void
chain(const struct report_page *p, FILE *f)
{
	char hex[CHAIN_TEXT_LEN], count[HTML_COUNT_LEN];
	const struct report *r = p->report;

	html_section(f, "chain", "The journal's chain");
	(void)fprintf(f,
	    "<p>%s rows of the journal fall into this period. It "
	    "begins with row %" PRId64 ", and its head is "
	    "<code>%" PRId64 ":%s</code>.</p>\n",
	    html_count(r->rows, count), r->first_seq, r->head_seq,
	    chain_text(r->head, hex));
	if (!p->verified)
		(void)fputs("<p>The chain was not checked for this report "
			    "(<code>--verify</code> does). To prove later that "
			    "nothing up "
			    "to this head was changed: <code>postern verify "
			    "--since-head "
			    "SEQ:HASH</code>.</p>\n",
		    f);
	else if (p->faults == 0)
		(void)fputs("<p><strong>Good:</strong> every row follows from "
			    "the one before it.</p>\n",
		    f);
	else
		(void)fprintf(f,
		    "<p><strong>%" PRIu64 " faults were "
		    "found:</strong> <code>postern verify</code> names "
		    "them.</p>\n",
		    p->faults);
	(void)fputs("</section>\n", f);
}

static void
figures(const struct report *r, FILE *f)
{
	char name[24], bounced[HTML_SHARE_LEN], complained[HTML_SHARE_LEN];
	static const char *const heads[] = { "When (UTC)", "deliveries", "sent",
		"deferred", "refused", "doubtful", "bounced", "complained",
		"bounce rate", "complaint rate" };
	double rate;

	html_section(f, "figures", "Figures");
	html_table_begin(f, "t-volume",
	    "Deliveries over time, and the rates up to each point", heads, 10,
	    1);
	for (size_t i = 0; i < r->nslots; i++) {
		html_row_head(f, report_slot_name(r, i, name));
		for (size_t k = 0; k < OUTCOME_COLUMNS; k++)
			html_number_cell(f, r->slots[i].n[outcome_columns[k]]);
		rate = report_bounce_rate(r, i);
		(void)snprintf(bounced, sizeof(bounced),
		    rate < 0 ? "-" : "%.2f %%", rate * 100);
		rate = report_complaint_rate(r, i);
		(void)snprintf(complained, sizeof(complained),
		    rate < 0 ? "-" : "%.3f %%", rate * 100);
		(void)fprintf(f,
		    "<td class=\"n\">%s</td><td class=\"n\">%s</td></tr>\n",
		    bounced, complained);
	}
	html_table_end(f);
	(void)fputs("</section>\n", f);
}

void
report_html(const struct report_page *p, FILE *f)
{
	const struct report *r = p->report;

	head(p, f);
	report_volume(p, f);
	report_delays(r, f);
	report_rates(r, f);
	html_section(f, "who", "Senders and domains");
	top(f, "t-senders", "Senders with the most deliveries", "Sender",
	    r->senders);
	top(f, "t-domains", "Recipients' domains with the most deliveries",
	    "Domain", r->domains);
	(void)fputs("</section>\n", f);
	reasons(r, f);
	doubts(r, f);
	chain(p, f);
	figures(r, f);
	(void)fprintf(f, "</main>\n</body>\n</html>\n");
}
