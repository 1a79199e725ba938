/* SPDX-License-Identifier: BSD-2-Clause */
#include "config.h"

#include "core/conf_table.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "core/clock.h"
#include "core/mem.h"
#include "core/utf8.h"

/*
 * Values go in and out through the table's rows alone: nothing else knows where
 * a key lives in struct conf. Defaults pass through the same parser as the
 * file's values, so a default that its own check refuses fails the first test.
 */

_Static_assert(sizeof(enum conf_tls) == sizeof(int) &&
		   sizeof(enum conf_dkim) == sizeof(int) &&
		   sizeof(enum conf_doubtful) == sizeof(int) &&
		   sizeof(enum conf_log) == sizeof(int),
    "CONF_CHOICE writes enums as int");

/* Digits and nothing else, below 10^15, so that a unit can't overflow it. */
static int
digits(const char *s, size_t len, int64_t *n_r)
{
	size_t i;

	if (len == 0 || len > 15)
		return -1;
	*n_r = 0;
	for (i = 0; i < len; i++) {
		if (s[i] < '0' || s[i] > '9')
			return -1;
		*n_r = *n_r * 10 + (s[i] - '0');
	}
	return 0;
}

struct unit {
	const char *name;
	int64_t value;
};

static int
with_unit(const char *s, const struct unit *units, int64_t *n_r)
{
	size_t len = strspn(s, "0123456789");
	int64_t n;

	if (digits(s, len, &n) == -1)
		return -1;
	for (; units->name != NULL; units++) {
		if (strcmp(s + len, units->name) != 0)
			continue;
		if (n > INT64_MAX / units->value)
			return -1;
		*n_r = n * units->value;
		return 0;
	}
	return -1;
}

static const struct unit time_units[] = { { "d", 86400 * US_PER_SEC },
	{ "h", 3600 * US_PER_SEC }, { "m", 60 * US_PER_SEC },
	{ "s", US_PER_SEC }, { "ms", US_PER_MS }, { NULL, 0 } };
static const struct unit size_units[] = { { "M", 1024 * 1024 }, { "K", 1024 },
	{ "", 1 }, { NULL, 0 } };

int
conf_parse_duration(const char *s, int64_t *us_r)
{
	return with_unit(s, time_units, us_r);
}

int
conf_parse_size(const char *s, int64_t *bytes_r)
{
	return with_unit(s, size_units, bytes_r);
}

/* In the largest unit that leaves a whole number. */
static void
print_units(int64_t n, const struct unit *units, struct buf *out)
{
	while (units[1].name != NULL && (n == 0 || n % units->value != 0))
		units++;
	buf_addf(out, "%" PRId64 "%s", n / units->value, units->name);
}

static void
print_number(const struct conf_key *k, int64_t n, struct buf *out)
{
	if (k->kind == CONF_DURATION)
		print_units(n, time_units, out);
	else if (k->kind == CONF_SIZE)
		print_units(n, size_units, out);
	else
		buf_addf(out, "%" PRId64, n);
}

static int
number_error(const struct conf_key *k, const char *value, struct err *err)
{
	struct buf from, to;

	buf_init(&from, 64);
	buf_init(&to, 64);
	print_number(k, k->min, &from);
	print_number(k, k->max, &to);
	(void)err_set(err, ERR_CONFIG, "\"%s\" is not %s from %s to %s%s",
	    value,
	    k->kind == CONF_DURATION ? "a duration (such as 90s, with a "
				       "unit of ms, s, m, h or d)"
	    : k->kind == CONF_SIZE   ? "a size (such as 500K or 40M)"
	    : k->kind == CONF_COUNT  ? "a whole number"
				     : "a number above 0 (such as 14 or 0.5)",
	    from.data, to.data, k->unlimited ? ", or unlimited" : "");
	buf_free(&from);
	buf_free(&to);
	return -1;
}

static int
parse_number(const struct conf_key *k, const char *value, int64_t *n_r)
{
	if (k->kind == CONF_DURATION)
		return conf_parse_duration(value, n_r);
	if (k->kind == CONF_SIZE)
		return conf_parse_size(value, n_r);
	return digits(value, strlen(value), n_r);
}

static int
set_number(
    const struct conf_key *k, int64_t *p, const char *value, struct err *err)
{
	int64_t n;

	if (k->unlimited && strcmp(value, "unlimited") == 0) {
		*p = CONF_UNLIMITED;
		return 0;
	}
	if (parse_number(k, value, &n) == -1 || n < k->min || n > k->max)
		return number_error(k, value, err);
	*p = n;
	return 0;
}

/* Decimals are read by hand of strtod, but only of the shape 12 or 12.5. */
static int
set_rate(
    const struct conf_key *k, double *p, const char *value, struct err *err)
{
	size_t whole = strspn(value, "0123456789"), frac = 0;
	double rate;

	if (strcmp(value, "unlimited") == 0) {
		*p = CONF_UNLIMITED;
		return 0;
	}
	if (value[whole] == '.')
		frac = 1 + strspn(value + whole + 1, "0123456789");
	if (whole == 0 || whole > 9 || frac == 1 || frac > 10 ||
	    value[whole + frac] != '\0')
		return number_error(k, value, err);
	rate = strtod(value, NULL);
	if (!(rate > (double)k->min && rate <= (double)k->max))
		return number_error(k, value, err);
	*p = rate;
	return 0;
}

static int
set_choice(const struct conf_key *k, int *p, const char *value, struct err *err)
{
	const char *word = k->choices;
	size_t len;
	int i;

	for (i = 0;; i++) {
		len = strcspn(word, "|");
		if (len > 0 && strlen(value) == len &&
		    memcmp(value, word, len) == 0) {
			*p = i;
			return 0;
		}
		if (word[len] == '\0')
			break;
		word += len + 1;
	}
	word = k->choices[0] == '|' ? k->choices + 1 : k->choices;
	len = strcspn(word, "|");
	return err_set(err, ERR_CONFIG, "\"%s\" is not known: write %.*s or %s",
	    value, (int)len, word, word + len + 1);
}

static int
set_yes_no(bool *p, const char *value, struct err *err)
{
	if (strcmp(value, "yes") != 0 && strcmp(value, "no") != 0)
		return err_set(err, ERR_CONFIG,
		    "\"%s\" is not known: write yes or no", value);
	*p = value[0] == 'y';
	return 0;
}

static int
add_item(struct conf_list *l, const char *value, struct err *err)
{
	size_t i;

	if (l->n >= CONF_LIST_MAX)
		return err_set(err, ERR_CONFIG,
		    "more than %d values: name fewer", CONF_LIST_MAX);
	for (i = 0; i < l->n; i++) {
		if (strcmp(l->items[i], value) == 0)
			return err_set(err, ERR_CONFIG,
			    "\"%s\" stands there twice: name it once", value);
	}
	l->items = mem_grow(l->items, l->n + 1, sizeof(l->items[0]));
	l->items[l->n++] = mem_strdup(value);
	return 0;
}

static int
printable(const char *value, struct err *err)
{
	const char *p;
	size_t n;

	if (strlen(value) > CONF_VALUE_MAX)
		return err_set(err, ERR_CONFIG,
		    "the value is too long: at most %d bytes", CONF_VALUE_MAX);
	for (p = value; *p != '\0'; p += n) {
		n = utf8_printable(p);
		if (n == 0)
			return err_set(err, ERR_CONFIG,
			    "the value holds a control character or is not "
			    "UTF-8: write it in plain text");
	}
	return 0;
}

static void *
member(const struct conf_key *k, struct conf *conf)
{
	return (char *)conf + k->offset;
}

int
conf_value_set(const struct conf_key *k, struct conf *conf, const char *value,
    struct err *err)
{
	void *p = member(k, conf);

	if (printable(value, err) == -1)
		return -1;
	if (k->check != NULL && k->check(value, err) == -1)
		return -1;
	switch (k->kind) {
	case CONF_TEXT:
		free(*(char **)p);
		*(char **)p = mem_strdup(value);
		return 0;
	case CONF_LIST:
		return add_item(p, value, err);
	case CONF_COUNT:
	case CONF_DURATION:
	case CONF_SIZE:
		return set_number(k, p, value, err);
	case CONF_RATE:
		return set_rate(k, p, value, err);
	case CONF_YES_NO:
		return set_yes_no(p, value, err);
	case CONF_CHOICE:
		return set_choice(k, p, value, err);
	}
	return -1;
}

void
conf_value_default(const struct conf_key *k, struct conf *conf)
{
	const char *item = k->dflt;
	struct err err;
	char *one;
	size_t len;

	if (k->kind == CONF_TEXT && k->dflt == NULL)
		*(char **)member(k, conf) = mem_strdup("");
	while (item != NULL) {
		len = strcspn(item, ",");
		one = mem_strndup(item, len);
		(void)conf_value_set(k, conf, one, &err);
		free(one);
		item = item[len] == ',' ? item + len + 2 : NULL;
	}
}

/* As it would have to be written in the file. */
static void
print_text(const char *s, struct buf *out)
{
	if (*s != '\0' && strpbrk(s, " \t{}=,\"'#+*()\\") == NULL &&
	    strstr(s, "//") == NULL && strstr(s, "/*") == NULL) {
		buf_adds(out, s);
		return;
	}
	buf_addc(out, '"');
	for (; *s != '\0'; s++) {
		if (*s == '"' || *s == '\\')
			buf_addc(out, '\\');
		buf_addc(out, *s);
	}
	buf_addc(out, '"');
}

static void
print_list(const struct conf_list *l, struct buf *out)
{
	size_t i;

	buf_addc(out, '{');
	for (i = 0; i < l->n; i++) {
		if (i > 0)
			buf_adds(out, ", ");
		print_text(l->items[i], out);
	}
	buf_addc(out, '}');
}

static void
print_choice(const char *word, int n, struct buf *out)
{
	size_t len = strcspn(word, "|");

	for (; n > 0; n--) {
		word += len + 1;
		len = strcspn(word, "|");
	}
	buf_add(out, word, len);
}

void
conf_value_print(
    const struct conf_key *k, const struct conf *conf, struct buf *out)
{
	const void *p = (const char *)conf + k->offset;

	switch (k->kind) {
	case CONF_TEXT:
		print_text(*(char *const *)p, out);
		return;
	case CONF_LIST:
		print_list(p, out);
		return;
	case CONF_COUNT:
	case CONF_DURATION:
	case CONF_SIZE:
		if (k->unlimited && *(const int64_t *)p == CONF_UNLIMITED)
			buf_adds(out, "unlimited");
		else
			print_number(k, *(const int64_t *)p, out);
		return;
	case CONF_RATE:
		if (*(const double *)p < 0)
			buf_adds(out, "unlimited");
		else
			buf_addf(out, "%.15g", *(const double *)p);
		return;
	case CONF_YES_NO:
		buf_adds(out, *(const bool *)p ? "yes" : "no");
		return;
	case CONF_CHOICE:
		print_choice(k->choices, *(const int *)p, out);
		return;
	}
}

void
conf_value_free(const struct conf_key *k, struct conf *conf)
{
	struct conf_list *l;

	if (k->kind == CONF_TEXT)
		free(*(char **)member(k, conf));
	if (k->kind != CONF_LIST)
		return;
	l = member(k, conf);
	while (l->n > 0)
		free(l->items[--l->n]);
	free(l->items);
}
