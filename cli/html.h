/*
 * html: writing a page. Whatever comes from elsewhere goes through html_text,
 * which leaves nothing of it that a browser would take for markup.
 */
#ifndef CLI_HTML_H
#define CLI_HTML_H

#include <stdint.h>
#include <stdio.h>

/* Escaped, for content and for quoted attributes; control characters come out
 * as U+FFFD. NULL writes nothing. */
void html_text(FILE *, const char *);

/* 1,234,567 */
#define HTML_COUNT_LEN 32
const char *html_count(int64_t, char text[HTML_COUNT_LEN]);

/* As people say it, to two digits or three: 850 ms, 3.2 s, 4.5 min, 2.1 h. */
#define HTML_DURATION_LEN 32
const char *html_duration(int64_t us, char text[HTML_DURATION_LEN]);

/* 3.25 %; "-" of nothing. */
#define HTML_SHARE_LEN 32
const char *html_share(int64_t part, int64_t of, char text[HTML_SHARE_LEN]);

/*
 * Parts of a page, with classes for its style sheet. Titles, names, heads and
 * captions are ours, and taken for markup.
 *
 * A section begins with its heading, and is ended by whoever writes its last
 * line.
 */
void html_section(FILE *, const char *id, const char *title);

/* A name and a value in a <dl>. */
void html_fact(FILE *, const char *name, const char *value);

/*
 * A table with n columns, of which those from first_number on hold numbers.
 * Each row is begun by html_row_head, and ended by whoever writes its last
 * cell.
 */
void html_table_begin(FILE *, const char *id, const char *caption,
    const char *const heads[], size_t n, size_t first_number);
void html_row_head(FILE *, const char *text);
void html_number_cell(FILE *, int64_t);
void html_text_cell(FILE *, const char *text);
void html_table_end(FILE *);

#endif
