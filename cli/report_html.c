/* SPDX-License-Identifier: BSD-2-Clause */
#include "config.h"

#include "cli/report.h"

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
static const char *const classes[] = { "sent", "deferred", "refused",
	"doubtful", "open" };
static const char *const words[] = { "sent", "deferred", "refused", "doubtful",
	"under way" };
static const enum outcome_number parts[] = { OUTCOME_SENT, OUTCOME_DEFERRED,
	OUTCOME_REFUSED, OUTCOME_DOUBTFUL, OUTCOME_OPEN };
#define PARTS (sizeof(parts) / sizeof(parts[0]))

static void
key(FILE *f)
{
	(void)fputs("<ul class=\"key\">", f);
	for (size_t i = 0; i < PARTS; i++)
		(void)fprintf(f,
		    "<li><svg viewBox=\"0 0 28 16\" aria-hidden=\"true\" "
		    "focusable=\"false\">"
		    "<rect class=\"%s\" x=\".5\" y=\".5\" width=\"27\" "
		    "height=\"15\"/></svg>%s</li>",
		    classes[i], words[i]);
	(void)fputs("</ul>\n", f);
}

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

static void
facts(const struct report *r, FILE *f)
{
	char count[HTML_COUNT_LEN], share[HTML_SHARE_LEN];
	const int64_t *n = r->total;

	(void)fputs("<dl class=\"facts\">\n", f);
	html_fact(f, "Messages", html_count(r->messages, count));
	html_fact(f, "Deliveries", html_count(n[OUTCOME_DELIVERIES], count));
	html_fact(f, "Accepted by SES", html_count(n[OUTCOME_SENT], count));
	html_fact(f, "Accepted, of deliveries",
	    html_share(n[OUTCOME_SENT], n[OUTCOME_DELIVERIES], share));
	html_fact(f, "Refused", html_count(n[OUTCOME_REFUSED], count));
	html_fact(f, "Doubtful", html_count(n[OUTCOME_DOUBTFUL], count));
	html_fact(f, "Bounced, of accepted",
	    html_share(n[OUTCOME_BOUNCED], n[OUTCOME_SENT], share));
	html_fact(f, "Complained, of accepted",
	    html_share(n[OUTCOME_COMPLAINED], n[OUTCOME_SENT], share));
	(void)fputs("</dl>\n", f);
}

static double
part_of(const void *arg, size_t i, size_t part)
{
	const struct report *r = arg;

	return (double)r->slots[i].n[parts[part]];
}

static const char *
slot_label(const void *arg, size_t i, char text[24])
{
	const struct report *r = arg;
	char name[24];

	/* 11-22, or 22 14h. */
	(void)report_slot_name(r, i, name);
	(void)snprintf(text, 24, "%s", name + (strlen(name) > 10 ? 8 : 5));
	return text;
}

static void
count_scale(double v, char text[24])
{
	char count[HTML_COUNT_LEN];

	(void)snprintf(text, 24, "%.23s", html_count((int64_t)v, count));
}

static void
share_scale(double v, char text[24])
{
	(void)snprintf(text, 24, "%.3g %%", v * 100);
}

static void
volume(const struct report_page *p, FILE *f)
{
	const struct report *r = p->report;
	char limit[HTML_COUNT_LEN], name[64];
	const struct chart c = { "volume-chart",
		"Deliveries over time by outcome, and the daily limit",
		slot_label, r, r->nslots, count_scale };
	struct chart_mark mark = { (double)p->daily, name };
	bool daily = p->daily >= 0 && r->slot_us > INT64_C(3600000000);
	int64_t values[PARTS];

	html_section(f, "volume", "Volume and outcomes");
	facts(r, f);
	(void)snprintf(
	    name, sizeof(name), "daily limit %s", html_count(p->daily, limit));
	(void)fputs("<figure>\n", f);
	for (size_t i = 0; i < PARTS; i++)
		values[i] = r->total[parts[i]];
	chart_shares(f, "shares-chart", "Shares of the outcomes", classes,
	    values, PARTS);
	key(f);
	chart_columns(f, &c, classes, PARTS, part_of, &mark, daily ? 1 : 0);
	(void)fprintf(f, "<figcaption>Deliveries %s. ",
	    r->slot_us > INT64_C(3600000000) ? "a day" : "an hour");
	if (p->daily >= 0)
		(void)fprintf(f,
		    "The account may send to %s recipients in "
		    "any window of a day%s. ",
		    limit,
		    daily
			? "; the dashed line, unless it lies far above the rest"
			: "");
	(void)fputs("<a href=\"#t-volume\">The "
		    "figures</a></figcaption>\n</figure>\n</section>\n",
	    f);
}

static void
delays(const struct report *r, FILE *f)
{
	static const char *const heads[] = { "Phase", "Deliveries", "50 %",
		"90 %", "95 %", "99 %", "longest" };
	static const double shares[] = { 0.5, 0.9, 0.95, 0.99 };
	struct chart_range ranges[REPORT_PHASES];
	char text[HTML_DURATION_LEN];
	const struct histogram *h;

	html_section(f, "delays", "Delays");
	for (size_t i = 0; i < REPORT_PHASES; i++) {
		h = &r->phase[i];
		ranges[i] = (struct chart_range){ report_phases[i],
			histogram_at(h, 0.5), histogram_at(h, 0.9),
			histogram_at(h, 0.99) };
	}
	(void)fputs("<figure>\n", f);
	chart_ranges(f, "delay-chart",
	    "Delays by phase, from the median to the 99th percentile", ranges,
	    REPORT_PHASES);
	(void)fputs(
	    "<figcaption>A dot where half are done, a square at 90 %, "
	    "a bar at 99 %. A turn is waited for until the final dot goes to "
	    "SES, retries of the mail server included. <a "
	    "href=\"#t-delays\">The figures</a></figcaption>\n</figure>\n",
	    f);
	html_table_begin(f, "t-delays", "Delays by phase", heads, 7, 1);
	for (size_t i = 0; i < REPORT_PHASES; i++) {
		h = &r->phase[i];
		html_row_head(f, report_phases[i]);
		html_number_cell(f, h->count);
		for (size_t k = 0; k < 4; k++)
			(void)fprintf(f, "<td class=\"n\">%s</td>",
			    h->count == 0
				? "-"
				: html_duration(
				      histogram_at(h, shares[k]), text));
		(void)fprintf(f, "<td class=\"n\">%s</td></tr>\n",
		    h->count == 0 ? "-" : html_duration(h->max_us, text));
	}
	html_table_end(f);
	(void)fputs("</section>\n", f);
}

static double
bounce_rate(const void *arg, size_t i)
{
	return report_rate(arg, i, OUTCOME_BOUNCED, report_rate_slots(arg));
}

static double
complaint_rate(const void *arg, size_t i)
{
	return report_rate(arg, i, OUTCOME_COMPLAINED, report_rate_slots(arg));
}

static void
rates(const struct report *r, FILE *f)
{
	const struct chart bounces = { "bounce-chart", "Bounce rate over time",
		slot_label, r, r->nslots, share_scale };
	const struct chart complaints = { "complaint-chart",
		"Complaint rate over time", slot_label, r, r->nslots,
		share_scale };
	static const struct chart_mark bounce_marks[] = {
		{ REPORT_BOUNCE_REVIEW, "SES reviews: 5 %" },
		{ REPORT_BOUNCE_PAUSE, "SES pauses: 10 %" }
	};
	static const struct chart_mark complaint_marks[] = {
		{ REPORT_COMPLAINT_REVIEW, "SES reviews: 0.1 %" },
		{ REPORT_COMPLAINT_PAUSE, "SES pauses: 0.5 %" }
	};
	const char *over =
	    r->slot_us > INT64_C(3600000000) ? "seven days" : "24 hours";

	html_section(f, "rates", "Bounces and complaints");
	(void)fprintf(f,
	    "<p>Of the deliveries of the %s up to each point that "
	    "SES accepted, those that it later reported as bounced or "
	    "complained "
	    "about. SES counts only some kinds of bounces. Without its events "
	    "(<code>postern events ingest</code>) nothing is known of "
	    "either.</p>\n<figure>\n",
	    over);
	chart_line(f, &bounces, bounce_rate, bounce_marks, 2);
	(void)fputs("<figcaption>Bounce rate. <a href=\"#t-volume\">The "
		    "figures</a></figcaption>\n</figure>\n<figure>\n",
	    f);
	chart_line(f, &complaints, complaint_rate, complaint_marks, 2);
	(void)fputs("<figcaption>Complaint rate. <a href=\"#t-volume\">The "
		    "figures</a></figcaption>\n</figure>\n</section>\n",
	    f);
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
		rate = bounce_rate(r, i);
		(void)snprintf(bounced, sizeof(bounced),
		    rate < 0 ? "-" : "%.2f %%", rate * 100);
		rate = complaint_rate(r, i);
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
	volume(p, f);
	delays(r, f);
	rates(r, f);
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
