/*
 * output: what postern(1) writes: tables and lines for people, JSON for
 * programs.
 *
 * Colour only on a terminal, and never when NO_COLOR is set (no-color.org).
 * Text that comes from elsewhere is made harmless for terminals here, in one
 * place: whatever is not printable comes out as "?".
 */
#ifndef CLI_OUTPUT_H
#define CLI_OUTPUT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "core/buf.h"

struct output {
	FILE *file;
	bool json;
	bool tty;
	bool color;
};

void output_init(struct output *, FILE *);

enum color {
	COLOR_PLAIN,
	COLOR_BOLD,
	COLOR_DIM,
	COLOR_GREEN,
	COLOR_YELLOW,
	COLOR_RED
};

/* Text in a colour, made harmless, without a line end. */
void output_color(const struct output *, enum color, const char *text);

/* printf for people, made harmless but for its line ends. */
void output_printf(const struct output *, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

/* A line "NAME        text", the name dimmed. */
void output_field(const struct output *, const char *name, const char *fmt,
    ...) __attribute__((format(printf, 3, 4)));

/*
 * Words folded to the terminal's width (80 when there is none), each line after
 * indent blanks, where the cursor stands already for the first.
 */
void output_folded(const struct output *, size_t indent, const char *text);

/* Write a JSON document and a line end. */
void output_json(const struct output *, const struct buf *);

/*
 * A record of n fields as RFC 4180 has it, each in quotes; NULL is an empty
 * field. A formula's first character is kept from spreadsheets' eyes by the
 * quotes alone.
 */
void output_csv(const struct output *, const char *const text[], size_t n);

/*
 * A table: columns as wide as they need to be, heads in bold, or with --json an
 * array of objects. Cells are given row by row, from left to right.
 */
struct column {
	const char *head; /* for people; NULL ends the list of columns */
	const char *key;  /* in JSON */
	bool number;	  /* right-aligned, a number in JSON */
};
struct table;

struct table *table_new(const struct column *); /* which must last */
void table_text(
    struct table *, const char *); /* NULL: an empty cell, null in JSON */
void table_number(struct table *, int64_t);
void table_color(struct table *, enum color); /* of the cell given last */
size_t table_rows(const struct table *);
void table_print(const struct table *, const struct output *);
void table_free(struct table *);

#endif
