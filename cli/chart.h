/*
 * chart: pictures of figures, as inline SVG.
 *
 * Shapes are told apart by pattern and label, not by colour alone; the colours
 * are classes that the page defines. A picture names itself and points to the
 * table with the same figures; nothing in it is only in it.
 */
#ifndef CLI_CHART_H
#define CLI_CHART_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

struct chart {
	const char *id;	   /* unique in the page */
	const char *title; /* what a screen reader says */
	/* Labels below, one a point; not all are drawn. */
	const char *(*label)(const void *arg, size_t i, char text[24]);
	const void *arg;
	size_t n; /* points */
	/* How a number of the axis is written. */
	void (*scale)(double value, char text[24]);
};

/*
 * A line across, with its name; not drawn when it lies far above the rest. Of
 * several the lower ones come first.
 */
struct chart_mark {
	double value;
	const char *name;
};

/* The patterns that the charts use; once in a page, before the first. */
void chart_patterns(FILE *);

/*
 * Columns of stacked parts: value(arg, i, part) of part 0 stands at the bottom.
 * classes names each part's look.
 */
void chart_columns(FILE *, const struct chart *, const char *const classes[],
    size_t parts, double (*value)(const void *arg, size_t i, size_t part),
    const struct chart_mark *, size_t marks);

/* A line through the points; negative ones are gaps. */
void chart_line(FILE *, const struct chart *,
    double (*value)(const void *arg, size_t i), const struct chart_mark *,
    size_t marks);

/* One bar of parts that fills the width. */
void chart_shares(FILE *, const char *id, const char *title,
    const char *const classes[], const int64_t values[], size_t parts);

/*
 * Times from median to 99th percentile on a scale of powers: a dot at half, a
 * square at 90 %, a bar at 99 %. Zeros: nothing is known.
 */
struct chart_range {
	const char *name;
	int64_t half_us, most_us, all_us; /* 0.5, 0.9, 0.99 */
};
void chart_ranges(FILE *, const char *id, const char *title,
    const struct chart_range *, size_t n);

#endif
