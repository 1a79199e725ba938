/* SPDX-License-Identifier: BSD-2-Clause */
#include "config.h"

#include "core/conf_scan.h"

#include <stdbool.h>
#include <string.h>

/*
 * Knows comments, quotes, braces and names, no more: what a value means is
 * the table's matter, and whether tokens come in the right order is
 * libConfuse's. Each call below consumes what it recognises; p never passes
 * end, and there is no NUL on the way.
 */
struct scan {
	char *p, *end;
	unsigned line;
	unsigned depth;	       /* braces that are open: 1 a section, 2 a list */
	unsigned opened[2];    /* the lines where they were opened */
	bool after_equals;     /* so that "{" opens a list */
	struct conf_name word; /* the last unquoted word */
	struct conf_name section; /* the section that is open */
	conf_scan_fn *fn;
	void *arg;
};

static bool
next_is(const struct scan *s, const char *two)
{
	return s->end - s->p >= 2 && s->p[0] == two[0] && s->p[1] == two[1];
}

/*
 * Comments become blanks: libConfuse takes none inside a list, and 3.3 counts
 * the end of each line with one twice. Line ends stay, to be counted once.
 */
static void
line_comment(struct scan *s)
{
	while (s->p < s->end && *s->p != '\n')
		*s->p++ = ' ';
}

static int
block_comment(struct scan *s, struct err *err)
{
	unsigned begun = s->line;

	*s->p++ = ' ';
	*s->p++ = ' ';
	for (; s->p < s->end; s->p++) {
		if (next_is(s, "*/")) {
			*s->p++ = ' ';
			*s->p++ = ' ';
			return 0;
		}
		if (*s->p == '\n')
			s->line++;
		else
			*s->p = ' ';
	}
	s->line = begun;
	return err_set(err, ERR_CONFIG,
	    "this comment is not closed: write */ "
	    "where it ends, or # before each line");
}

/*
 * Escapes other than of quotes and of the backslash itself could put line ends
 * and NUL into values, which nobody needs here and every later check would have
 * to fear.
 */
static int
backslash(struct scan *s, struct err *err)
{
	if (s->end - s->p < 2 || strchr("\\\"'", s->p[1]) == NULL)
		return err_set(err, ERR_CONFIG,
		    "a backslash stands only before \", ' or another "
		    "backslash: write other characters as they are");
	s->p += 2;
	return 0;
}

static int
dollar(struct err *err)
{
	return err_set(err, ERR_CONFIG,
	    "$ can't be used: there are no variables here, so write the "
	    "value itself");
}

static int
quoted(struct scan *s, struct err *err)
{
	char quote = *s->p++;

	while (s->p < s->end && *s->p != quote) {
		if (*s->p == '$')
			return dollar(err);
		if (*s->p == '\n')
			break;
		if (*s->p != '\\')
			s->p++;
		else if (backslash(s, err) == -1)
			return -1;
	}
	if (s->p == s->end || *s->p == '\n')
		return err_set(err, ERR_CONFIG,
		    "the closing %s is missing on this line",
		    quote == '"' ? "\"" : "'");
	s->p++;
	s->after_equals = false;
	return 0;
}

/* What ends an unquoted word without being part of a mistake. */
static bool
ends_word(char c)
{
	return strchr(" \t\r\n{}=,", c) != NULL;
}

/* Characters that libConfuse would drop, or take for a comment inside a word.
 */
static int
needs_quotes(const struct scan *s, const char *word, struct err *err)
{
	const char *e = s->p;

	while (e < s->end && !ends_word(*e))
		e++;
	return err_set(err, ERR_CONFIG, "%.*s needs quotes: write \"%.*s\"",
	    (int)(e - word), word, (int)(e - word), word);
}

static int
word(struct scan *s, struct err *err)
{
	const char *begin = s->p;

	for (; s->p < s->end && !ends_word(*s->p); s->p++) {
		if (*s->p == '$')
			return dollar(err);
		if (next_is(s, "+="))
			return err_set(err, ERR_CONFIG,
			    "+= can't be used: write all values as "
			    "NAME = {a, b}");
		if (strchr("*+()#\"'\\", *s->p) != NULL || next_is(s, "//") ||
		    next_is(s, "/*"))
			return needs_quotes(s, begin, err);
	}
	s->word.text = begin;
	s->word.len = (size_t)(s->p - begin);
	s->after_equals = false;
	return 0;
}

static const struct conf_name no_name = { "", 0 };

static int
open_brace(struct scan *s, struct err *err)
{
	s->p++;
	if (s->depth == 2)
		return err_set(err, ERR_CONFIG,
		    "{ inside a list: close the list with } first");
	if (s->depth == 1 && !s->after_equals)
		return err_set(err, ERR_CONFIG,
		    "{ inside section %.*s, opened in line %u: close that "
		    "with } first, or write NAME = {a, b} for a list",
		    (int)s->section.len, s->section.text, s->opened[0]);
	s->opened[s->depth] = s->line;
	s->after_equals = false;
	if (s->depth++ == 1)
		return 0;
	s->section = s->word;
	s->word = no_name;
	return s->fn(s->arg, &s->section, &no_name, s->line, err);
}

static int
close_brace(struct scan *s, struct err *err)
{
	s->p++;
	if (s->depth == 0)
		return err_set(err, ERR_CONFIG, "} closes nothing: remove it");
	if (--s->depth == 0)
		s->section = no_name;
	s->word = no_name;
	return 0;
}

static int
equals(struct scan *s, struct err *err)
{
	struct conf_name key = s->word;

	s->p++;
	if (key.len == 0)
		return err_set(err, ERR_CONFIG,
		    "= without a name before it: write NAME = VALUE");
	s->after_equals = true;
	s->word = no_name;
	return s->fn(s->arg, &s->section, &key, s->line, err);
}

static int
step(struct scan *s, struct err *err)
{
	switch (*s->p) {
	case '\n':
		s->line++;
		s->p++;
		return 0;
	case ' ':
	case '\t':
	case '\r':
	case ',':
		s->p++;
		return 0;
	case '"':
	case '\'':
		return quoted(s, err);
	case '{':
		return open_brace(s, err);
	case '}':
		return close_brace(s, err);
	case '=':
		return equals(s, err);
	case '#':
		line_comment(s);
		return 0;
	default:
		if (next_is(s, "//")) {
			line_comment(s);
			return 0;
		}
		return next_is(s, "/*") ? block_comment(s, err) : word(s, err);
	}
}

/* libConfuse would take the text to end there. */
static int
find_nul(struct scan *s, struct err *err)
{
	const char *p = s->p;

	for (; p < s->end && *p != '\0'; p++)
		s->line += *p == '\n';
	if (p < s->end)
		return err_set(
		    err, ERR_CONFIG, "a NUL byte: write a text file, in UTF-8");
	s->line = 1;
	return 0;
}

int
conf_scan(char *text, size_t len, conf_scan_fn *fn, void *arg,
    unsigned *line_r, struct err *err)
{
	struct scan s = { .p = text,
		.end = text + len,
		.line = 1,
		.word = no_name,
		.section = no_name,
		.fn = fn,
		.arg = arg };

	if (find_nul(&s, err) == -1) {
		*line_r = s.line;
		return -1;
	}
	while (s.p < s.end) {
		if (step(&s, err) == -1) {
			*line_r = s.line;
			return -1;
		}
	}
	if (s.depth > 0) {
		*line_r = s.opened[s.depth - 1];
		return err_set(err, ERR_CONFIG,
		    "the { opened here is never "
		    "closed: write } where it ends");
	}
	return 0;
}
