/* SPDX-License-Identifier: BSD-2-Clause */
#include "config.h"

#include "cli/chart.h"

#include "cli/html.h"

/* In the units of viewBox; the page scales it. */
#define WIDTH 720.0
#define HEIGHT 250.0
#define LEFT 64.0
#define RIGHT 10.0
#define TOP 18.0
#define BOTTOM 26.0
#define PLOT_WIDTH (WIDTH - LEFT - RIGHT)
#define PLOT_HEIGHT (HEIGHT - TOP - BOTTOM)
#define TICKS 4
#define LABELS_MAX 8
#define LABEL_HEIGHT 14.0

/* A mark that much above everything else would flatten the rest. */
#define MARK_ABOVE 3.0

void
chart_patterns(FILE *f)
{
	(void)fputs(
	    "<svg class=\"patterns\" width=\"0\" height=\"0\" "
	    "aria-hidden=\"true\" focusable=\"false\"><defs>\n"
	    "<pattern id=\"hatch\" width=\"6\" height=\"6\" "
	    "patternUnits=\"userSpaceOnUse\" patternTransform=\"rotate(45)\">"
	    "<rect width=\"6\" height=\"6\" class=\"ground\"/><rect "
	    "width=\"3\" height=\"6\" class=\"ink2\"/></pattern>\n"
	    "<pattern id=\"grid\" width=\"6\" height=\"6\" "
	    "patternUnits=\"userSpaceOnUse\">"
	    "<rect width=\"6\" height=\"6\" class=\"ground\"/><path d=\"M0 "
	    "0H6M0 0V6\" class=\"ink3\"/></pattern>\n"
	    "<pattern id=\"dots\" width=\"5\" height=\"5\" "
	    "patternUnits=\"userSpaceOnUse\">"
	    "<rect width=\"5\" height=\"5\" class=\"ground\"/><circle "
	    "cx=\"2.5\" cy=\"2.5\" r=\"1.3\" class=\"ink4\"/></pattern>\n"
	    "</defs></svg>\n",
	    f);
}

static void
open_svg(FILE *f, const char *id, const char *title, double height)
{
	(void)fprintf(f,
	    "<svg viewBox=\"0 0 %.0f %.0f\" role=\"img\" "
	    "aria-labelledby=\"%s-t\">"
	    "<title id=\"%s-t\">",
	    WIDTH, height, id, id);
	html_text(f, title);
	(void)fputs("</title>\n", f);
}

/* 1, 2, 2.5 or 5 times a power of ten, so that TICKS steps hold the value. */
static double
nice_step(double max)
{
	static const double steps[] = { 1, 2, 2.5, 5, 10 };
	double power = 1, raw = max / TICKS;
	size_t i = 0;

	while (power * 10 <= raw)
		power *= 10;
	while (power > raw && power > 1e-9)
		power /= 10;
	while (i < 4 && steps[i] * power < raw)
		i++;
	return steps[i] * power;
}

static double
y_of(double value, double top)
{
	return TOP + PLOT_HEIGHT * (1 - value / top);
}

static void
draw_scale(FILE *f, const struct chart *c, double step)
{
	char text[24];
	double y;

	for (int i = 0; i <= TICKS; i++) {
		y = y_of(i * step, TICKS * step);
		c->scale(i * step, text);
		(void)fprintf(f,
		    "<path class=\"rule\" d=\"M%.0f %.1fH%.0f\"/>"
		    "<text x=\"%.0f\" y=\"%.1f\" class=\"end\">%s</text>\n",
		    LEFT, y, WIDTH - RIGHT, LEFT - 6, y + 4, text);
	}
}

static double
x_of(const struct chart *c, size_t i)
{
	return LEFT + PLOT_WIDTH * ((double)i + 0.5) / (double)c->n;
}

static void
draw_labels(FILE *f, const struct chart *c)
{
	size_t every = (c->n + LABELS_MAX - 1) / LABELS_MAX;
	char text[24];

	for (size_t i = 0; i < c->n; i += every) {
		(void)fprintf(f, "<text x=\"%.1f\" y=\"%.0f\" class=\"mid\">",
		    x_of(c, i), HEIGHT - 8);
		html_text(f, c->label(c->arg, i, text));
		(void)fputs("</text>\n", f);
	}
}

/* The name stands on its line, or on the name below. */
static void
draw_marks(FILE *f, const struct chart_mark *marks, size_t n, double top)
{
	double y, name_y = HEIGHT;

	for (size_t i = 0; i < n; i++) {
		if (marks[i].value > top)
			continue;
		y = y_of(marks[i].value, top);
		name_y = y - 5 < name_y - LABEL_HEIGHT ? y - 5
						       : name_y - LABEL_HEIGHT;
		(void)fprintf(f,
		    "<path class=\"mark\" d=\"M%.0f %.1fH%.0f\"/>"
		    "<text x=\"%.0f\" y=\"%.1f\" class=\"end strong\">",
		    LEFT, y, WIDTH - RIGHT, WIDTH - RIGHT, name_y);
		html_text(f, marks[i].name);
		(void)fputs("</text>\n", f);
	}
}

/* The step of the axis that has room for everything that is to be seen. */
static double
step_for(double max, const struct chart_mark *marks, size_t n)
{
	double top = max;

	for (size_t i = 0; i < n; i++)
		if (marks[i].value > top &&
		    (marks[i].value <= max * MARK_ABOVE || max == 0))
			top = marks[i].value;
	return nice_step(top > 0 ? top : 1);
}

void
chart_columns(FILE *f, const struct chart *c, const char *const classes[],
    size_t parts, double (*value)(const void *arg, size_t i, size_t part),
    const struct chart_mark *marks, size_t nmarks)
{
	double wide = PLOT_WIDTH / (double)c->n, max = 0, sum, v, step;

	for (size_t i = 0; i < c->n; i++) {
		sum = 0;
		for (size_t k = 0; k < parts; k++)
			sum += value(c->arg, i, k);
		max = sum > max ? sum : max;
	}
	step = step_for(max, marks, nmarks);
	if (step < 1)
		step = 1; /* they are counts */
	open_svg(f, c->id, c->title, HEIGHT);
	draw_scale(f, c, step);
	for (size_t i = 0; i < c->n; i++) {
		sum = 0;
		for (size_t k = 0; k < parts; k++) {
			v = value(c->arg, i, k);
			sum += v;
			if (v > 0)
				(void)fprintf(f,
				    "<rect class=\"%s\" x=\"%.2f\" y=\"%.2f\" "
				    "width=\"%.2f\" height=\"%.2f\"/>\n",
				    classes[k], x_of(c, i) - wide * 0.4,
				    y_of(sum, TICKS * step), wide * 0.8,
				    PLOT_HEIGHT * v / (TICKS * step));
		}
	}
	draw_labels(f, c);
	draw_marks(f, marks, nmarks, TICKS * step);
	(void)fputs("</svg>\n", f);
}

void
chart_line(FILE *f, const struct chart *c,
    double (*value)(const void *arg, size_t i), const struct chart_mark *marks,
    size_t nmarks)
{
	double max = 0, v, step;
	bool drawing = false;

	for (size_t i = 0; i < nmarks; i++)
		max = marks[i].value > max ? marks[i].value : max;
	for (size_t i = 0; i < c->n; i++) {
		v = value(c->arg, i);
		max = v > max ? v : max;
	}
	step = step_for(max, NULL, 0);
	open_svg(f, c->id, c->title, HEIGHT);
	draw_scale(f, c, step);
	(void)fputs("<path class=\"line\" d=\"", f);
	for (size_t i = 0; i < c->n; i++) {
		v = value(c->arg, i);
		if (v >= 0)
			(void)fprintf(f, "%c%.1f %.1f", drawing ? 'L' : 'M',
			    x_of(c, i), y_of(v, TICKS * step));
		drawing = v >= 0;
	}
	(void)fputs("\"/>\n", f);
	for (size_t i = 0; i < c->n && c->n <= 100; i++) {
		v = value(c->arg, i);
		if (v >= 0)
			(void)fprintf(f,
			    "<circle class=\"point\" cx=\"%.1f\" cy=\"%.1f\" "
			    "r=\"2.5\"/>\n",
			    x_of(c, i), y_of(v, TICKS * step));
	}
	draw_labels(f, c);
	draw_marks(f, marks, nmarks, TICKS * step);
	(void)fputs("</svg>\n", f);
}

void
chart_shares(FILE *f, const char *id, const char *title,
    const char *const classes[], const int64_t values[], size_t parts)
{
	int64_t sum = 0;
	double x = 0, wide;

	for (size_t i = 0; i < parts; i++)
		sum += values[i];
	open_svg(f, id, title, 34);
	for (size_t i = 0; i < parts && sum > 0; i++) {
		wide = WIDTH * (double)values[i] / (double)sum;
		if (values[i] > 0)
			(void)fprintf(f,
			    "<rect class=\"%s\" x=\"%.2f\" y=\"1\" "
			    "width=\"%.2f\" height=\"32\"/>\n",
			    classes[i], x, wide);
		x += wide;
	}
	(void)fputs("</svg>\n", f);
}

/* Powers of two above a millisecond; straight between them will do. */
static double
power_of(int64_t us)
{
	double v = (double)us / 1e3, power = 0;

	for (; v >= 2; v /= 2)
		power++;
	return v > 1 ? power + v - 1 : power;
}

static double
x_of_time(int64_t us)
{
	static const int64_t longest = INT64_C(10) * 86400 * 1000000;

	return 150 + (WIDTH - 170) * power_of(us < longest ? us : longest) /
			 power_of(longest);
}

static void
draw_time_scale(FILE *f, double height)
{
	static const struct {
		int64_t us;
		const char *name;
	} ticks[] = { { 1000, "1 ms" }, { 10000, "10 ms" }, { 100000, "0.1 s" },
		{ 1000000, "1 s" }, { 10000000, "10 s" }, { 60000000, "1 min" },
		{ 600000000, "10 min" }, { 3600000000, "1 h" },
		{ 36000000000, "10 h" }, { 259200000000, "3 d" } };

	for (size_t i = 0; i < sizeof(ticks) / sizeof(ticks[0]); i++)
		(void)fprintf(f,
		    "<path class=\"rule\" d=\"M%.1f 8V%.0f\"/>"
		    "<text x=\"%.1f\" y=\"%.0f\" class=\"mid\">%s</text>\n",
		    x_of_time(ticks[i].us), height - 24, x_of_time(ticks[i].us),
		    height - 8, ticks[i].name);
}

void
chart_ranges(FILE *f, const char *id, const char *title,
    const struct chart_range *rows, size_t n)
{
	double height = 40 + 32 * (double)n, y;

	open_svg(f, id, title, height);
	draw_time_scale(f, height);
	for (size_t i = 0; i < n; i++) {
		y = 24 + 32 * (double)i;
		(void)fprintf(f, "<text x=\"0\" y=\"%.0f\">", y + 4);
		html_text(f, rows[i].name);
		(void)fputs("</text>\n", f);
		if (rows[i].all_us == 0)
			continue;
		(void)fprintf(f,
		    "<path class=\"line\" d=\"M%.1f %.0fH%.1f\"/>"
		    "<circle class=\"point\" cx=\"%.1f\" cy=\"%.0f\" r=\"5\"/>"
		    "<rect class=\"point\" x=\"%.1f\" y=\"%.0f\" width=\"8\" "
		    "height=\"8\"/>"
		    "<path class=\"line\" d=\"M%.1f %.0fv16\"/>\n",
		    x_of_time(rows[i].half_us), y, x_of_time(rows[i].all_us),
		    x_of_time(rows[i].half_us), y,
		    x_of_time(rows[i].most_us) - 4, y - 4,
		    x_of_time(rows[i].all_us), y - 8);
	}
	(void)fputs("</svg>\n", f);
}
