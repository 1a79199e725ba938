/* SPDX-License-Identifier: BSD-2-Clause */
#include "config.h"

#include "cli/output.h"

#include <sys/ioctl.h>

#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/width.h"
#include "core/json.h"
#include "core/mem.h"
#include "core/utf8.h"

/*
 * All that goes to file passes put_text, but for JSON, which escapes by itself,
 * and the colours and blanks that are written here.
 */

#define LINE_WIDTH 80
#define JSON_MAX ((size_t)1 << 30)

void
output_csv(const struct output *o, const char *const text[], size_t n)
{
	for (size_t i = 0; i < n; i++) {
		(void)fputs(i > 0 ? ",\"" : "\"", o->file);
		for (const char *p = text[i]; p != NULL && *p != '\0'; p++) {
			if (*p == '"')
				(void)fputc('"', o->file);
			(void)fputc(*p, o->file);
		}
		(void)fputc('"', o->file);
	}
	(void)fputs("\r\n", o->file);
}

struct cell {
	char *text; /* NULL when empty */
	enum color color;
};

struct table {
	const struct column *columns;
	size_t ncolumns;
	struct cell *cells;
	size_t n, cap;
};

void
output_init(struct output *o, FILE *file)
{
	const char *no_color = getenv("NO_COLOR");
	const char *term = getenv("TERM");

	o->file = file;
	o->json = false;
	o->tty = isatty(fileno(file)) == 1;
	o->color = o->tty && (no_color == NULL || no_color[0] == '\0') &&
		   (term == NULL || strcmp(term, "dumb") != 0);
}

static void
put_text(const struct output *o, const char *s)
{
	size_t n;

	for (; *s != '\0'; s += n) {
		n = utf8_printable(s);
		if (n > 0) {
			(void)fwrite(s, 1, n, o->file);
			continue;
		}
		n = 1;
		(void)fputc(*s == '\n' || *s == '\t' ? *s : '?', o->file);
	}
}

static const char *
escape(const struct output *o, enum color color)
{
	if (!o->color)
		return "";
	switch (color) {
	case COLOR_PLAIN:
		break;
	case COLOR_BOLD:
		return "\033[1m";
	case COLOR_DIM:
		return "\033[2m";
	case COLOR_GREEN:
		return "\033[32m";
	case COLOR_YELLOW:
		return "\033[33m";
	case COLOR_RED:
		return "\033[31m";
	}
	return "";
}

void
output_color(const struct output *o, enum color color, const char *text)
{
	const char *begin = escape(o, color);

	(void)fputs(begin, o->file);
	put_text(o, text);
	if (begin[0] != '\0')
		(void)fputs("\033[0m", o->file);
}

void
output_printf(const struct output *o, const char *fmt, ...)
{
	va_list ap;
	char *text;
	int n;

	va_start(ap, fmt);
	n = vasprintf(&text, fmt, ap);
	va_end(ap);
	if (n == -1)
		return;
	put_text(o, text);
	free(text);
}

static size_t
line_width(const struct output *o)
{
	struct winsize size;

	if (o->tty && ioctl(fileno(o->file), TIOCGWINSZ, &size) == 0 &&
	    size.ws_col >= 40)
		return size.ws_col;
	return LINE_WIDTH;
}

void
output_folded(const struct output *o, size_t indent, const char *text)
{
	size_t max = line_width(o), at = indent, len;
	char *word;

	for (; *text != '\0'; text += len) {
		text += strspn(text, " ");
		len = strcspn(text, " ");
		if (len == 0)
			break;
		word = mem_strndup(text, len);
		if (at > indent && at + 1 + width(word) > max) {
			(void)fprintf(o->file, "\n%*s", (int)indent, "");
			at = indent;
		}
		if (at > indent) {
			(void)fputc(' ', o->file);
			at++;
		}
		put_text(o, word);
		at += width(word);
		free(word);
	}
	(void)fputc('\n', o->file);
}

void
output_field(const struct output *o, const char *name, const char *fmt, ...)
{
	char label[16], text[1500];
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	(void)snprintf(label, sizeof(label), "%-12s", name);
	output_color(o, COLOR_DIM, label);
	output_folded(o, 12, text);
}

void
output_json(const struct output *o, const struct buf *json)
{
	(void)fwrite(json->data, 1, json->len, o->file);
	(void)fputc('\n', o->file);
}

struct table *
table_new(const struct column *columns)
{
	struct table *t = mem_new(sizeof(*t));

	t->columns = columns;
	while (columns[t->ncolumns].head != NULL)
		t->ncolumns++;
	return t;
}

static struct cell *
add_cell(struct table *t)
{
	if (t->n == t->cap) {
		t->cap = t->cap == 0 ? 64 : 2 * t->cap;
		t->cells = mem_grow(t->cells, t->cap, sizeof(t->cells[0]));
	}
	t->cells[t->n].color = COLOR_PLAIN;
	return &t->cells[t->n++];
}

void
table_text(struct table *t, const char *text)
{
	add_cell(t)->text = mem_strdup(text);
}

void
table_number(struct table *t, int64_t n)
{
	add_cell(t)->text = mem_printf("%" PRId64, n);
}

void
table_color(struct table *t, enum color color)
{
	t->cells[t->n - 1].color = color;
}

size_t
table_rows(const struct table *t)
{
	return t->n / t->ncolumns;
}

static const struct cell *
cell(const struct table *t, size_t row, size_t column)
{
	return &t->cells[row * t->ncolumns + column];
}

static size_t
column_width(const struct table *t, size_t column)
{
	size_t max = width(t->columns[column].head), row, w;
	const char *text;

	for (row = 0; row < table_rows(t); row++) {
		text = cell(t, row, column)->text;
		w = text == NULL ? 0 : width(text);
		if (w > max)
			max = w;
	}
	return max;
}

static void
put_cell(const struct output *o, bool number, const char *text,
    enum color color, size_t pad)
{
	if (number)
		(void)fprintf(o->file, "%*s", (int)pad, "");
	output_color(o, color, text);
	if (!number)
		(void)fprintf(o->file, "%*s", (int)pad, "");
}

/* Up to the last cell that is not empty, which is not padded: no blanks at line
 * ends. */
static void
put_row(const struct table *t, const struct output *o, const struct cell *cells,
    const size_t *w)
{
	size_t last = t->ncolumns, i;
	const char *text;
	bool number;

	while (last > 0 && (cells[last - 1].text == NULL ||
			       cells[last - 1].text[0] == '\0'))
		last--;
	for (i = 0; i < last; i++) {
		text = cells[i].text == NULL ? "" : cells[i].text;
		number = t->columns[i].number;
		if (i > 0)
			(void)fputs("  ", o->file);
		put_cell(o, number, text, cells[i].color,
		    number || i + 1 < last ? w[i] - width(text) : 0);
	}
	(void)fputc('\n', o->file);
}

static void
put_heads(const struct table *t, const struct output *o, const size_t *w)
{
	struct cell *heads = mem_array(t->ncolumns, sizeof(*heads));
	size_t i;

	for (i = 0; i < t->ncolumns; i++) {
		heads[i].text = mem_strdup(t->columns[i].head);
		heads[i].color = COLOR_BOLD;
	}
	put_row(t, o, heads, w);
	for (i = 0; i < t->ncolumns; i++)
		free(heads[i].text);
	free(heads);
}

static void
print_columns(const struct table *t, const struct output *o)
{
	size_t *w = mem_array(t->ncolumns, sizeof(*w));
	size_t row, i;

	for (i = 0; i < t->ncolumns; i++)
		w[i] = column_width(t, i);
	put_heads(t, o, w);
	for (row = 0; row < table_rows(t); row++)
		put_row(t, o, cell(t, row, 0), w);
	free(w);
}

static void
print_json(const struct table *t, const struct output *o)
{
	const struct cell *c;
	struct buf json;
	size_t row, i;

	buf_init(&json, JSON_MAX);
	json_open(&json, '[');
	for (row = 0; row < table_rows(t); row++) {
		json_open(&json, '{');
		for (i = 0; i < t->ncolumns; i++) {
			c = cell(t, row, i);
			json_key(&json, t->columns[i].key);
			if (t->columns[i].number && c->text != NULL)
				json_raw(&json, c->text);
			else
				json_string(&json, c->text);
		}
		json_close(&json, '}');
	}
	json_close(&json, ']');
	output_json(o, &json);
	buf_free(&json);
}

void
table_print(const struct table *t, const struct output *o)
{
	if (o->json)
		print_json(t, o);
	else
		print_columns(t, o);
}

void
table_free(struct table *t)
{
	size_t i;

	for (i = 0; i < t->n; i++)
		free(t->cells[i].text);
	free(t->cells);
	free(t);
}
