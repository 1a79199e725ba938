/* SPDX-License-Identifier: BSD-2-Clause */
#include "config.h"

#include "core/header_fold.h"

#include <string.h>

#include "core/header.h"
#include "core/header_scan.h"

/*
 * RFC 5322 section 2.1.1 forbids longer lines; some hosts behind SES refuse
 * them, others break them in places of their own. Lines between 78 and 998 are
 * left alone: they harm nobody, and signatures cover them.
 *
 * No piece is blank, since some programs take a blank line for the end of the
 * header section: of blanks that would fill a line by themselves some go, and
 * so do those at the end of a line.
 */

static size_t
line_length(const char *p, size_t len)
{
	const char *lf = memchr(p, '\n', len);

	return lf == NULL ? len : (size_t)(lf - p) + 1;
}

/* The length of a line without blanks and line end after it. */
static size_t
visible(const char *p, size_t len)
{
	while (len > 0 && header_scan_is_blank(p[len - 1]))
		len--;
	return len;
}

/*
 * Where to fold: before the last blank that leaves something visible on this
 * side, which the name always is; 0 when there is none.
 */
static size_t
fold_at(const char *p, size_t start, size_t max)
{
	if (start == 0) {
		while (start < max && header_scan_is_blank(p[start]))
			start++;
		start++;
	}
	for (size_t i = max; i >= start; i--)
		if (header_scan_is_blank(p[i]))
			return i;
	return 0;
}

/* The same where there is no blank: a blank more after a comma or semicolon
 * changes nothing in a list, and little elsewhere. */
static size_t
fold_hard_at(const char *p, size_t max)
{
	for (size_t i = max; i > 0; i--)
		if (p[i - 1] == ',' || p[i - 1] == ';')
			return i;
	return max;
}

static void
fold_line(const char *p, size_t len, size_t start, struct buf *out)
{
	size_t max = HEADER_LINE_MAX, at;

	while (len > max) {
		at = fold_at(p, start, max);
		if (at == 0 && header_scan_is_blank(p[0]) &&
		    header_scan_is_blank(p[1])) {
			p++;
			len--;
			continue;
		}
		if (at == 0)
			at = fold_hard_at(p, max);
		buf_add(out, p, at);
		buf_adds(out, "\r\n");
		p += at;
		len -= at;
		start = 0;
		max = HEADER_LINE_MAX;
		if (!header_scan_is_blank(*p)) {
			buf_addc(out, ' ');
			max--;
		}
	}
	buf_add(out, p, len);
	buf_adds(out, "\r\n");
}

bool
header_fold(const char *field, size_t len, size_t start, struct buf *out)
{
	bool folded = false;
	size_t n, len_visible;

	for (; len > 0; field += n, len -= n, start = 0) {
		n = line_length(field, len);
		if (n <= HEADER_LINE_MAX + 2) {
			buf_add(out, field, n);
			continue;
		}
		folded = true;
		if ((len_visible = visible(field, n)) > 0)
			fold_line(field, len_visible, start, out);
	}
	return folded;
}
