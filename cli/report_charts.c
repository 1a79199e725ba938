/* SPDX-License-Identifier: BSD-2-Clause */
#include "config.h"

#include "cli/report_parts.h"

#include <string.h>

#include "cli/chart.h"
#include "cli/html.h"

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

void
report_volume(const struct report_page *p, FILE *f)
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

void
report_delays(const struct report *r, FILE *f)
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

double
report_bounce_rate(const void *arg, size_t i)
{
	return report_rate(arg, i, OUTCOME_BOUNCED, report_rate_slots(arg));
}

double
report_complaint_rate(const void *arg, size_t i)
{
	return report_rate(arg, i, OUTCOME_COMPLAINED, report_rate_slots(arg));
}

void
report_rates(const struct report *r, FILE *f)
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
	chart_line(f, &bounces, report_bounce_rate, bounce_marks, 2);
	(void)fputs("<figcaption>Bounce rate. <a href=\"#t-volume\">The "
		    "figures</a></figcaption>\n</figure>\n<figure>\n",
	    f);
	chart_line(f, &complaints, report_complaint_rate, complaint_marks, 2);
	(void)fputs("<figcaption>Complaint rate. <a href=\"#t-volume\">The "
		    "figures</a></figcaption>\n</figure>\n</section>\n",
	    f);
}
