/* SPDX-License-Identifier: BSD-2-Clause */
#include "config.h"

#include "cli/html.h"

#include <inttypes.h>
#include <string.h>

void
html_text(FILE *f, const char *text)
{
	for (; text != NULL && *text != '\0'; text++) {
		switch (*text) {
		case '&':
			(void)fputs("&amp;", f);
			break;
		case '<':
			(void)fputs("&lt;", f);
			break;
		case '>':
			(void)fputs("&gt;", f);
			break;
		case '"':
			(void)fputs("&quot;", f);
			break;
		case '\'':
			(void)fputs("&#39;", f);
			break;
		default:
			if ((unsigned char)*text < 0x20 || *text == 0x7f)
				(void)fputs("&#xfffd;", f);
			else
				(void)fputc(*text, f);
		}
	}
}

const char *
html_count(int64_t n, char text[HTML_COUNT_LEN])
{
	char digits[24];
	size_t len, out = 0;

	(void)snprintf(digits, sizeof(digits), "%" PRId64, n);
	len = strlen(digits);
	for (size_t i = 0; i < len; i++) {
		if (i > 0 && (len - i) % 3 == 0 && digits[i - 1] != '-')
			text[out++] = ',';
		text[out++] = digits[i];
	}
	text[out] = '\0';
	return text;
}

const char *
html_duration(int64_t us, char text[HTML_DURATION_LEN])
{
	static const struct {
		double us;
		const char *unit;
	} units[] = { { 86400e6, "d" }, { 3600e6, "h" }, { 60e6, "min" },
		{ 1e6, "s" }, { 1e3, "ms" } };
	size_t i = 0;
	double v;

	while (i < sizeof(units) / sizeof(units[0]) - 1 &&
	       (double)us < units[i].us)
		i++;
	v = (double)us / units[i].us;
	(void)snprintf(text, HTML_DURATION_LEN, v < 10 ? "%.1f %s" : "%.0f %s",
	    v, units[i].unit);
	return text;
}

const char *
html_share(int64_t part, int64_t of, char text[HTML_SHARE_LEN])
{
	if (of > 0)
		(void)snprintf(text, HTML_SHARE_LEN, "%.2f %%",
		    100.0 * (double)part / (double)of);
	else
		(void)snprintf(text, HTML_SHARE_LEN, "-");
	return text;
}

void
html_section(FILE *f, const char *id, const char *title)
{
	(void)fprintf(f,
	    "<section aria-labelledby=\"%s\">\n<h2 id=\"%s\">%s</h2>\n", id, id,
	    title);
}

void
html_fact(FILE *f, const char *name, const char *value)
{
	(void)fprintf(f, "<div><dt>%s</dt><dd>", name);
	html_text(f, value);
	(void)fputs("</dd></div>\n", f);
}

void
html_number_cell(FILE *f, int64_t n)
{
	char text[HTML_COUNT_LEN];

	(void)fprintf(f, "<td class=\"n\">%s</td>", html_count(n, text));
}

void
html_text_cell(FILE *f, const char *text)
{
	(void)fputs("<td class=\"w\">", f);
	html_text(f, text);
	(void)fputs("</td>", f);
}

void
html_table_begin(FILE *f, const char *id, const char *caption,
    const char *const heads[], size_t n, size_t first_number)
{
	(void)fprintf(f,
	    "<div class=\"wide\" tabindex=\"0\" role=\"region\" "
	    "aria-labelledby=\"%s\">"
	    "<table><caption id=\"%s\">%s</caption>\n<thead><tr>",
	    id, id, caption);
	for (size_t i = 0; i < n; i++)
		(void)fprintf(f, "<th scope=\"col\"%s>%s</th>",
		    i >= first_number ? " class=\"n\"" : "", heads[i]);
	(void)fputs("</tr></thead>\n<tbody>\n", f);
}

void
html_table_end(FILE *f)
{
	(void)fputs("</tbody></table></div>\n", f);
}

void
html_row_head(FILE *f, const char *text)
{
	(void)fputs("<tr><th scope=\"row\">", f);
	html_text(f, text);
	(void)fputs("</th>", f);
}
