/* SPDX-License-Identifier: BSD-2-Clause */
#include "config.h"

#include "core/json.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "core/utf8.h"

/*
 * The reader is a scanner over one object: it checks all of the text, so that
 * what is taken for a member can't be the inside of a string, and keeps the
 * first member of the wanted name. JSON leaves twins undefined; the first is
 * what SQLite takes too.
 */
#define DEPTH_MAX 32

#define REPLACEMENT "\xef\xbf\xbd" /* U+FFFD */

/* A value needs a comma before it when another value stands there. */
static void
separate(struct buf *b)
{
	char last = b->len > 0 ? b->data[b->len - 1] : '\n';

	if (strchr("{[:,\n", last) == NULL)
		buf_addc(b, ',');
}

void
json_open(struct buf *b, char bracket)
{
	separate(b);
	buf_addc(b, bracket);
}

void
json_close(struct buf *b, char bracket)
{
	buf_addc(b, bracket);
}

void
json_key(struct buf *b, const char *key)
{
	json_string(b, key);
	buf_addc(b, ':');
}

static void
add_ascii(struct buf *b, unsigned char c)
{
	switch (c) {
	case '"':
	case '\\':
		buf_addc(b, '\\');
		buf_addc(b, (char)c);
		break;
	case '\n':
		buf_adds(b, "\\n");
		break;
	case '\r':
		buf_adds(b, "\\r");
		break;
	case '\t':
		buf_adds(b, "\\t");
		break;
	default:
		if (c < 0x20 || c == 0x7f)
			buf_addf(b, "\\u%04x", c);
		else
			buf_addc(b, (char)c);
	}
}

void
json_string_len(struct buf *b, const char *s, size_t len)
{
	size_t i = 0, n;

	separate(b);
	buf_addc(b, '"');
	while (i < len) {
		n = utf8_char(s + i, len - i);
		if (n == 0)
			buf_adds(b, REPLACEMENT);
		else if (n == 1)
			add_ascii(b, (unsigned char)s[i]);
		else
			buf_add(b, s + i, n);
		i += n > 0 ? n : 1;
	}
	buf_addc(b, '"');
}

void
json_string(struct buf *b, const char *s)
{
	if (s == NULL)
		json_null(b);
	else
		json_string_len(b, s, strlen(s));
}

void
json_int(struct buf *b, int64_t v)
{
	separate(b);
	buf_addf(b, "%" PRId64, v);
}

void
json_bool(struct buf *b, bool v)
{
	json_raw(b, v ? "true" : "false");
}

void
json_null(struct buf *b)
{
	json_raw(b, "null");
}

void
json_raw(struct buf *b, const char *json)
{
	separate(b);
	buf_adds(b, json);
}

void
json_add_string(struct buf *b, const char *key, const char *value)
{
	if (value == NULL)
		return;
	json_key(b, key);
	json_string(b, value);
}

void
json_add_int(struct buf *b, const char *key, int64_t value)
{
	json_key(b, key);
	json_int(b, value);
}

void
json_add_bool(struct buf *b, const char *key, bool value)
{
	json_key(b, key);
	json_bool(b, value);
}

static const char *
skip_blanks(const char *p)
{
	return p + strspn(p, " \t\r\n");
}

static const char *
skip_colon(const char *p)
{
	if (p == NULL)
		return NULL;
	p = skip_blanks(p);
	return *p == ':' ? p + 1 : NULL;
}

/* Four hex digits; -1 when they are not there. */
static long
hex4(const char *p)
{
	long v = 0;

	for (int i = 0; i < 4; i++) {
		unsigned c = (unsigned char)p[i];
		unsigned d = c - '0' < 10 ? c - '0' : (c | 32) - 'a' + 10;

		if (c == '\0' || d > 15 || (c - '0' >= 10 && d < 10))
			return -1;
		v = v << 4 | (long)d;
	}
	return v;
}

static void
add_utf8(struct buf *b, long c)
{
	if (c < 0x80) {
		buf_addc(b, (char)c);
	} else if (c < 0x800) {
		buf_addc(b, (char)(0xc0 | c >> 6));
		buf_addc(b, (char)(0x80 | (c & 0x3f)));
	} else if (c < 0x10000) {
		buf_addc(b, (char)(0xe0 | c >> 12));
		buf_addc(b, (char)(0x80 | (c >> 6 & 0x3f)));
		buf_addc(b, (char)(0x80 | (c & 0x3f)));
	} else {
		buf_addc(b, (char)(0xf0 | c >> 18));
		buf_addc(b, (char)(0x80 | (c >> 12 & 0x3f)));
		buf_addc(b, (char)(0x80 | (c >> 6 & 0x3f)));
		buf_addc(b, (char)(0x80 | (c & 0x3f)));
	}
}

/* p stands after "\u". Lone surrogates become U+FFFD. */
static const char *
read_unicode(const char *p, struct buf *b)
{
	long c = hex4(p), low;

	if (c <= 0)
		return NULL;
	p += 4;
	if (c >= 0xd800 && c < 0xdc00 && p[0] == '\\' && p[1] == 'u' &&
	    (low = hex4(p + 2)) >= 0xdc00 && low < 0xe000) {
		c = 0x10000 + ((c - 0xd800) << 10) + (low - 0xdc00);
		p += 6;
	} else if (c >= 0xd800 && c < 0xe000) {
		c = 0xfffd;
	}
	add_utf8(b, c);
	return p;
}

/* p stands on the opening quote; returns what follows the closing one. */
static const char *
read_string(const char *p, struct buf *b)
{
	static const char from[] = "\"\\/bfnrt", to[] = "\"\\/\b\f\n\r\t";
	const char *e;

	for (p++; *p != '"'; p++) {
		if ((unsigned char)*p < 0x20)
			return NULL;
		if (*p != '\\') {
			buf_addc(b, *p);
			continue;
		}
		p++;
		if (*p == 'u') {
			if ((p = read_unicode(p + 1, b)) == NULL)
				return NULL;
			p--;
			continue;
		}
		if (*p == '\0' || (e = strchr(from, *p)) == NULL)
			return NULL;
		buf_addc(b, to[e - from]);
	}
	return p + 1;
}

static const char *
read_word(const char *p, const char *word)
{
	size_t len = strlen(word);

	return strncmp(p, word, len) == 0 ? p + len : NULL;
}

static const char *
read_number(const char *p)
{
	const char *end = p + strspn(p, "+-.0123456789eE");

	return end > p ? end : NULL;
}

static const char *read_value(
    const char *p, enum json_type *type, struct buf *b, unsigned depth);

/* p stands after the opening bracket. */
static const char *
read_nested(const char *p, bool object, unsigned depth)
{
	char close = object ? '}' : ']';
	enum json_type type;
	struct buf skip;

	buf_init(&skip, SIZE_MAX / 2);
	p = skip_blanks(p);
	while (depth < DEPTH_MAX && p != NULL && *p != close) {
		if (object && *p == '"')
			p = read_string(p, &skip);
		else if (object)
			p = NULL;
		if (object)
			p = skip_colon(p);
		if (p != NULL)
			p = read_value(p, &type, &skip, depth + 1);
		buf_reset(&skip);
		if (p == NULL)
			break;
		p = skip_blanks(p);
		if (*p == ',')
			p = skip_blanks(p + 1);
		else if (*p != close)
			p = NULL;
	}
	buf_free(&skip);
	return p != NULL && *p == close ? p + 1 : NULL;
}

static const char *
read_value(const char *p, enum json_type *type, struct buf *b, unsigned depth)
{
	const char *start = p = skip_blanks(p);

	switch (*p) {
	case '"':
		*type = JSON_STRING;
		return read_string(p, b);
	case '{':
	case '[':
		*type = JSON_NESTED;
		p = read_nested(p + 1, *p == '{', depth);
		break;
	case 't':
	case 'f':
		*type = JSON_BOOL;
		p = read_word(p, *p == 't' ? "true" : "false");
		break;
	case 'n':
		*type = JSON_NULL;
		p = read_word(p, "null");
		break;
	default:
		*type = JSON_NUMBER;
		p = read_number(p);
	}
	if (p != NULL)
		buf_add(b, start, (size_t)(p - start));
	return p;
}

/* One member; *found_r tells that it was the wanted one and value has it. */
static const char *
read_member(const char *p, const char *key, enum json_type *type_r,
    struct buf *value, bool *found_r)
{
	enum json_type type;
	struct buf name, other;

	*found_r = false;
	if (*p != '"')
		return NULL;
	buf_init(&name, SIZE_MAX / 2);
	buf_init(&other, SIZE_MAX / 2);
	p = skip_colon(read_string(p, &name));
	if (p != NULL && *type_r == JSON_ABSENT &&
	    strcmp(name.data, key) == 0) {
		p = read_value(p, type_r, value, 1);
		*found_r = p != NULL;
	} else if (p != NULL) {
		p = read_value(p, &type, &other, 1);
	}
	buf_free(&name);
	buf_free(&other);
	return p;
}

int
json_get(const char *text, const char *key, enum json_type *type_r,
    struct buf *value, struct err *err)
{
	const char *p = skip_blanks(text);
	bool found;

	buf_reset(value);
	*type_r = JSON_ABSENT;
	if (*p != '{')
		return err_set(err, ERR_PROTO, "not a JSON object");
	p = skip_blanks(p + 1);
	while (p != NULL && *p != '}') {
		p = read_member(p, key, type_r, value, &found);
		if (p == NULL)
			break;
		p = skip_blanks(p);
		if (*p == ',')
			p = skip_blanks(p + 1);
		else if (*p != '}')
			p = NULL;
	}
	if (p == NULL || *skip_blanks(p + 1) != '\0')
		return err_set(err, ERR_PROTO, "not a JSON object");
	if (value->overflow)
		return err_set(err, ERR_PROTO, "\"%s\" is too long", key);
	return 0;
}

int
json_get_string(const char *text, const char *key, struct buf *value,
    struct err *err)
{
	enum json_type type;

	if (json_get(text, key, &type, value, err) == -1)
		return -1;
	if (type == JSON_ABSENT || type == JSON_NULL)
		return 0;
	if (type != JSON_STRING)
		return err_set(err, ERR_PROTO, "\"%s\" must be a string", key);
	return 1;
}

int
json_get_int(const char *text, const char *key, int64_t *value_r,
    struct err *err)
{
	enum json_type type;
	struct buf value;
	long long v = 0;
	char *end = NULL;
	int rc;

	buf_init(&value, 64);
	rc = json_get(text, key, &type, &value, err);
	if (rc == 0 && type == JSON_NUMBER) {
		errno = 0;
		v = strtoll(value.data, &end, 10);
	}
	if (rc == 0 && type != JSON_ABSENT && type != JSON_NULL)
		rc = end == NULL || *end != '\0' || errno != 0
		    ? err_set(err, ERR_PROTO, "\"%s\" must be an integer", key)
		    : 1;
	if (rc == 1)
		*value_r = v;
	buf_free(&value);
	return rc;
}

int
json_next(const char **at, enum json_type *type_r, struct buf *value,
    struct err *err)
{
	const char *p = skip_blanks(*at);
	bool first = *p == '[';

	buf_reset(value);
	if (first)
		p = skip_blanks(p + 1);
	if (*p == ']') {
		*at = p;
		return 0;
	}
	if (!first && *p == ',')
		p++;
	else if (!first)
		p = NULL;
	if (p != NULL)
		p = read_value(p, type_r, value, 0);
	if (p == NULL || value->overflow)
		return err_set(err, ERR_PROTO, "not a JSON array");
	*at = p;
	return 1;
}
