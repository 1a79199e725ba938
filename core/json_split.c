/* SPDX-License-Identifier: BSD-2-Clause */
#include "config.h"

#include "core/json_split.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "core/buf.h"
#include "core/mem.h"

/*
 * held.data[start] is where the value or noise in hand begins, held.data[at]
 * the next byte to look at. A value that breaks is given up: start moves on by
 * one byte and everything behind it is looked at again, for a brace. That is
 * bounded: a value can only be entered anew at a brace, and at most
 * JSON_SPLIT_DEPTH of those lie open over any byte.
 *
 * From a broken value on we are lost, until a value begins a line or follows
 * on a whole one with nothing but blanks between: what is found before may be a
 * part of something else, and noise there has been named already.
 */

/* Of noise, what is worth showing. */
#define NOISE_MAX 256

#define FEED_BYTES 65536

enum state {
	WANT_VALUE,
	WANT_FIRST_VALUE, /* or the array's end */
	WANT_KEY,
	WANT_FIRST_KEY, /* or the object's end */
	WANT_COLON,
	WANT_END, /* a comma or the end of what stands open */
	IN_WORD,
	IN_STRING,
	IN_ESCAPE,
	IN_HEX
};

struct json_split {
	struct buf held;
	size_t max, start, at;
	uint64_t base;	    /* offset of held.data[0] */
	uint64_t line;	    /* of start */
	uint64_t value_end; /* offset behind the last whole value, blanks too */
	char before;	    /* the byte before held.data[0] */
	bool lost;

	/* The value in hand. */
	bool in_value;
	bool passing; /* it is too long: its bytes are not held */
	bool fragment;
	enum state state;
	bool key; /* the string in hand is one */
	unsigned hex;
	unsigned depth;
	uint64_t objects; /* a bit for each depth: an object, not an array */
};

struct listener {
	json_split_fn *fn;
	void *arg;
};

struct json_split *
json_split_new(size_t max_bytes)
{
	struct json_split *s = mem_new(sizeof(*s));

	buf_init(&s->held, max_bytes + 2 * FEED_BYTES);
	s->max = max_bytes;
	s->line = 1;
	s->before = '\n';
	return s;
}

void
json_split_free(struct json_split *s)
{
	if (s == NULL)
		return;
	buf_free(&s->held);
	free(s);
}

static void
advance(struct json_split *s, size_t to)
{
	for (; s->start < to; s->start++)
		s->line += s->held.data[s->start] == '\n';
	if (s->at < to)
		s->at = to;
}

static int
tell(struct json_split *s, const struct listener *l, enum json_piece_kind kind,
    const char *why)
{
	struct json_piece piece = { .kind = kind,
		.data = s->held.data + s->start,
		.len = s->at - s->start,
		.offset = s->base + s->start,
		.line = s->line,
		.fragment = s->in_value && s->fragment,
		.why = why };

	if (kind != JSON_PIECE_VALUE && piece.fragment)
		return 0;
	return l->fn(l->arg, &piece);
}

static bool
is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

/* Between values; RFC 7464 puts a record separator there. */
static bool
is_between(char c)
{
	return is_blank(c) || c == ',' || c == '\x1e';
}

/* Whether nothing but a value's end or a line's stands before `at`. */
static bool
begins_here(const struct json_split *s)
{
	char before = s->at > 0 ? s->held.data[s->at - 1] : s->before;

	return before == '\n' || s->base + s->at == s->value_end;
}

static int
end_noise(struct json_split *s, const struct listener *l)
{
	int rc = 0;

	if (s->at > s->start && !s->lost)
		rc = tell(s, l, JSON_PIECE_NOISE, NULL);
	advance(s, s->at);
	return rc;
}

static bool
may_begin(const struct json_split *s, char c)
{
	if (c == '{')
		return true;
	/* Log lines have brackets, too. */
	return c == '[' && s->at == s->start && (!s->lost || begins_here(s));
}

static int
begin_value(struct json_split *s, const struct listener *l)
{
	int rc = end_noise(s, l);

	if (begins_here(s))
		s->lost = false;
	s->in_value = true;
	s->passing = false;
	s->fragment = s->lost;
	s->state = WANT_VALUE;
	s->depth = 0;
	return rc;
}

static int
between(struct json_split *s, const struct listener *l)
{
	char c = s->held.data[s->at];
	int rc = 0;

	if (may_begin(s, c))
		return begin_value(s, l);
	if (c == '\n' && s->at > s->start)
		rc = end_noise(s, l);
	if (is_blank(c) && s->base + s->at == s->value_end)
		s->value_end++;
	s->at++;
	if (s->lost || c == '\n' ||
	    (is_between(c) && s->at == s->start + 1)) {
		advance(s, s->at);
	} else if (s->at - s->start == NOISE_MAX) {
		rc = end_noise(s, l);
		s->lost = true;
	}
	return rc;
}

enum step { STEP_MORE, STEP_DONE, STEP_BROKEN };

static enum step
open_nested(struct json_split *s, bool object)
{
	uint64_t bit;

	if (s->depth == JSON_SPLIT_DEPTH)
		return STEP_BROKEN;
	bit = UINT64_C(1) << s->depth++;
	s->objects = object ? s->objects | bit : s->objects & ~bit;
	s->state = object ? WANT_FIRST_KEY : WANT_FIRST_VALUE;
	return STEP_MORE;
}

static enum step
close_nested(struct json_split *s)
{
	s->state = WANT_END;
	return --s->depth == 0 ? STEP_DONE : STEP_MORE;
}

static bool
in_object(const struct json_split *s)
{
	return (s->objects >> (s->depth - 1) & 1) != 0;
}

static void
open_string(struct json_split *s, bool key)
{
	s->key = key;
	s->state = IN_STRING;
}

static enum step
value_begins(struct json_split *s, char c)
{
	if (c == '{' || c == '[')
		return open_nested(s, c == '{');
	if (c == '"')
		open_string(s, false);
	else if (isalnum((unsigned char)c) || c == '-')
		s->state = IN_WORD;
	else
		return STEP_BROKEN;
	return STEP_MORE;
}

static enum step
value_ended(struct json_split *s, char c)
{
	if (c == (in_object(s) ? '}' : ']'))
		return close_nested(s);
	if (c != ',')
		return STEP_BROKEN;
	s->state = in_object(s) ? WANT_KEY : WANT_VALUE;
	return STEP_MORE;
}

static enum step
in_string(struct json_split *s, char c)
{
	if ((unsigned char)c < 0x20)
		return STEP_BROKEN;
	if (c == '\\')
		s->state = IN_ESCAPE;
	else if (c == '"')
		s->state = s->key ? WANT_COLON : WANT_END;
	return STEP_MORE;
}

static enum step
in_escape(struct json_split *s, char c)
{
	if (s->state == IN_HEX) {
		if (!isxdigit((unsigned char)c))
			return STEP_BROKEN;
		if (--s->hex == 0)
			s->state = IN_STRING;
		return STEP_MORE;
	}
	if (c == '\0' || strchr("\"\\/bfnrtu", c) == NULL)
		return STEP_BROKEN;
	s->state = c == 'u' ? IN_HEX : IN_STRING;
	s->hex = 4;
	return STEP_MORE;
}

/* Outside of strings, where blanks mean nothing. */
static enum step
in_structure(struct json_split *s, char c)
{
	if (is_blank(c))
		return STEP_MORE;
	switch (s->state) {
	case WANT_FIRST_KEY:
	case WANT_KEY:
		if (c == '}' && s->state == WANT_FIRST_KEY)
			return close_nested(s);
		open_string(s, true);
		return c == '"' ? STEP_MORE : STEP_BROKEN;
	case WANT_COLON:
		s->state = WANT_VALUE;
		return c == ':' ? STEP_MORE : STEP_BROKEN;
	case WANT_FIRST_VALUE:
		if (c == ']')
			return close_nested(s);
		return value_begins(s, c);
	case WANT_VALUE:
		return value_begins(s, c);
	case WANT_END:
	case IN_WORD:
	case IN_STRING:
	case IN_ESCAPE:
	case IN_HEX:
		break;
	}
	return value_ended(s, c);
}

static enum step
step(struct json_split *s, char c)
{
	if (s->state == IN_STRING)
		return in_string(s, c);
	if (s->state == IN_ESCAPE || s->state == IN_HEX)
		return in_escape(s, c);
	if (s->state == IN_WORD) {
		if (isalnum((unsigned char)c) || strchr("+-.", c) != NULL)
			return c != '\0' ? STEP_MORE : STEP_BROKEN;
		s->state = WANT_END;
	}
	return in_structure(s, c);
}

static int
broken(struct json_split *s, const struct listener *l, const char *why)
{
	int rc = 0;

	if (!s->passing)
		rc = tell(s, l, JSON_PIECE_BROKEN, why);
	s->in_value = false;
	s->lost = true;
	if (!s->passing) {
		s->at = s->start;
		advance(s, s->start + 1);
	}
	return rc;
}

static int
whole(struct json_split *s, const struct listener *l)
{
	int rc = s->passing ? 0 : tell(s, l, JSON_PIECE_VALUE, NULL);

	advance(s, s->at);
	s->in_value = false;
	s->value_end = s->base + s->at;
	return rc;
}

static int
in_value(struct json_split *s, const struct listener *l)
{
	char c = s->held.data[s->at];
	bool too_deep = s->depth == JSON_SPLIT_DEPTH && (c == '{' || c == '[');
	int rc = 0;

	if (!s->passing && s->at - s->start == s->max) {
		rc = tell(s, l, JSON_PIECE_LONG, NULL);
		s->passing = true;
	}
	switch (step(s, c)) {
	case STEP_BROKEN:
		return rc != 0 ? rc
			       : broken(s, l,
				     too_deep ? "it is nested too deep"
					      : "it breaks off or is no JSON");
	case STEP_DONE:
		s->at++;
		return rc != 0 ? rc : whole(s, l);
	case STEP_MORE:
		s->at++;
		if (s->passing)
			advance(s, s->at);
		break;
	}
	return rc;
}

static int
scan(struct json_split *s, const struct listener *l)
{
	int rc = 0;

	while (rc == 0 && s->at < s->held.len)
		rc = s->in_value ? in_value(s, l) : between(s, l);
	if (s->start > 0) {
		s->before = s->held.data[s->start - 1];
		s->base += s->start;
		buf_drop(&s->held, s->start);
		s->at -= s->start;
		s->start = 0;
	}
	return rc;
}

int
json_split_feed(struct json_split *s, const void *bytes, size_t len,
    json_split_fn *fn, void *arg)
{
	const struct listener l = { fn, arg };
	const char *p = bytes;
	size_t n;
	int rc = 0;

	for (; len > 0 && rc == 0; p += n, len -= n) {
		n = len < FEED_BYTES ? len : FEED_BYTES;
		buf_add(&s->held, p, n);
		rc = scan(s, &l);
	}
	return rc;
}

int
json_split_end(struct json_split *s, json_split_fn *fn, void *arg)
{
	const struct listener l = { fn, arg };
	int rc = 0;

	while (rc == 0 && s->in_value) {
		rc = broken(s, &l, "it ends in the middle");
		if (rc == 0)
			rc = scan(s, &l);
	}
	return rc != 0 ? rc : end_noise(s, &l);
}
