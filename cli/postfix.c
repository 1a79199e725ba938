/* SPDX-License-Identifier: BSD-2-Clause */
#include "config.h"

#include "cli/postfix.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/run.h"
#include "core/clock.h"
#include "core/mem.h"

/* Lists of domains, and of milters for many networks, grow long. */
#define VALUE_MAX ((size_t)64 * 1024)

/* Postfix's defaults (SES facts section 9). */
#define CONCURRENCY 20
#define RECIPIENTS 50
#define PROCESSES 100 /* default_process_limit */

/* A delivery takes four of SES's replies; more than 0.1 s each is far away. */
#define DELIVERY_SEC 0.5

bool
postfix_there(void)
{
	return run_there("postconf");
}

static void
cut_newlines(struct buf *b)
{
	while (b->len > 0 && b->data[b->len - 1] == '\n')
		buf_cut(b, b->len - 1);
}

static int
ask(const char *option, const char *name, struct buf *value, struct err *err)
{
	const char *const argv[] = { "postconf", option, "-h", name, NULL };

	buf_init(value, VALUE_MAX);
	if (run_program(argv, value, err) == -1) {
		buf_free(value);
		return -1;
	}
	if (value->overflow) {
		buf_free(value);
		return err_set(err, ERR_LOCAL,
		    "Postfix's %s is too long to be read here", name);
	}
	cut_newlines(value);
	if (value->len > 0)
		return 0;
	buf_free(value);
	return err_set(err, ERR_LOCAL, "Postfix does not know %s", name);
}

int
postfix_param(const char *name, struct buf *value, struct err *err)
{
	return ask("-x", name, value, err);
}

/* Cut SERVICE/NAME = VALUE. */
static void
call_override(char *line, const char *name, postfix_override_fn *fn, void *arg)
{
	char *equals = strstr(line, " ="), *service;
	const char *value;

	if (equals == NULL || equals <= line + strlen(name))
		return;
	*equals = '\0';
	value = equals + strlen(" =");
	service = mem_strndup(line, strlen(line) - strlen(name) - 1);
	fn(arg, line, service, value + strspn(value, " "));
	free(service);
}

static int
ask_master(const char *option, const char *name, postfix_override_fn *fn,
    void *arg, struct err *err)
{
	char field[160], *line, *end;
	const char *const argv[] = { "postconf", option, field, NULL };
	struct buf lines;
	bool overflow;

	buf_init(&lines, VALUE_MAX);
	(void)snprintf(field, sizeof(field), "*/*/%s", name);
	if (run_program(argv, &lines, err) == -1)
		buf_reset(&lines);
	overflow = lines.overflow;
	for (line = lines.data; !overflow && (end = strchr(line, '\n')) != NULL;
	     line = end + 1) {
		*end = '\0';
		call_override(line, name, fn, arg);
	}
	buf_free(&lines);
	if (!overflow)
		return 0;
	return err_set(err, ERR_LOCAL,
	    "what master.cf has for %s is too long to be read here", name);
}

int
postfix_overrides(
    const char *name, postfix_override_fn *fn, void *arg, struct err *err)
{
	return ask_master("-Px", name, fn, arg, err);
}

int
postfix_services(postfix_override_fn *fn, void *arg, struct err *err)
{
	return ask_master("-F", "command", fn, arg, err);
}

bool
postfix_chrooted(const char *service)
{
	struct buf value;
	char field[160];
	struct err err;
	bool chrooted;
	int64_t level;

	(void)snprintf(field, sizeof(field), "%s/chroot", service);
	if (ask("-F", field, &value, &err) == -1)
		return false;
	/* "-" is the default, which Postfix 3.0 turned from y to n
	 * (COMPATIBILITY_README). */
	if (value.data[0] == '-')
		chrooted =
		    postfix_number("compatibility_level", &level, &err) == 0 &&
		    level < 1;
	else
		chrooted = value.data[0] == 'y';
	buf_free(&value);
	return chrooted;
}

/* Services run in the queue directory, and when they are chrooted, that is all
 * they see. */
static char *
resolve(const char *service, const char *path, size_t len)
{
	struct buf queue;
	struct err err;
	char *real;

	if (path[0] == '/' && !postfix_chrooted(service))
		return mem_strndup(path, len);
	if (postfix_param("queue_directory", &queue, &err) == -1)
		return mem_strndup(path, len);
	real = mem_printf(
	    "%s%s%.*s", queue.data, path[0] == '/' ? "" : "/", (int)len, path);
	buf_free(&queue);
	return real;
}

char *
postfix_socket(const char *service, const char *address, size_t len)
{
	char *path, *text;

	if (strncmp(address, "unix:", 5) != 0)
		return mem_strndup(address, len);
	path = resolve(service, address + 5, len - 5);
	text = mem_printf("unix:%s", path);
	free(path);
	return text;
}

static int64_t
unit(const char *s)
{
	switch (*s) {
	case 's':
		return US_PER_SEC;
	case 'm':
		return 60 * US_PER_SEC;
	case 'h':
		return 3600 * US_PER_SEC;
	case 'd':
		return 86400 * US_PER_SEC;
	case 'w':
		return 7 * 86400 * US_PER_SEC;
	default:
		return 0;
	}
}

static int
number(const char *name, const char **rest_r, struct buf *value, int64_t *n_r,
    struct err *err)
{
	char *end;

	if (postfix_param(name, value, err) == -1)
		return -1;
	*n_r = strtoll(value->data, &end, 10);
	*rest_r = end;
	if (end != value->data && *n_r >= 0 && *n_r < 1000000000)
		return 0;
	(void)err_set(err, ERR_LOCAL, "Postfix's %s = %s is no number", name,
	    value->data);
	buf_free(value);
	return -1;
}

int
postfix_time(const char *name, int64_t *us_r, struct err *err)
{
	const char *rest;
	struct buf value;
	int64_t n, u;

	if (number(name, &rest, &value, &n, err) == -1)
		return -1;
	u = *rest == '\0' ? US_PER_SEC : unit(rest);
	buf_free(&value);
	if (u == 0)
		return err_set(err, ERR_LOCAL, "Postfix's %s is no time", name);
	*us_r = n * u;
	return 0;
}

int
postfix_number(const char *name, int64_t *n_r, struct err *err)
{
	const char *rest;
	struct buf value;

	if (number(name, &rest, &value, n_r, err) == -1)
		return -1;
	buf_free(&value);
	return 0;
}

unsigned
postfix_busy(double rate)
{
	double busy = rate * DELIVERY_SEC;

	return busy > PROCESSES ? PROCESSES : busy > 1 ? (unsigned)busy : 1;
}

void
postfix_limits(double rate, int64_t within_us, unsigned *concurrency_r,
    unsigned *recipients_r)
{
	double slots = rate * (double)within_us / (double)US_PER_SEC;
	unsigned busy = postfix_busy(rate);

	*concurrency_r = busy > CONCURRENCY ? busy : CONCURRENCY;
	*recipients_r = RECIPIENTS;
	if (rate < 0 || slots >= *concurrency_r * RECIPIENTS)
		return;
	*recipients_r = (unsigned)(slots / *concurrency_r);
	if (*recipients_r >= 2)
		return;
	/* A limit of 1 would make Postfix count concurrency by recipient. */
	*recipients_r = 2;
	*concurrency_r = slots >= 4 ? (unsigned)(slots / 2) : 1;
}
