/* SPDX-License-Identifier: BSD-2-Clause */
#include "config.h"

#include "core/log.h"

#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <syslog.h>
#include <unistd.h>

#include "core/utf8.h"

/*
 * Lines are built on the stack and leave in one write(2), so that lines of
 * several threads don't mix. What does not fit is cut and marked: a log line is no
 * place for a whole header.
 */
#define LINE_MAX_BYTES 4096
#define CUT_MARK "..."

static const char *log_program = "postern";
static enum log_to log_dest = LOG_TO_STDERR;

struct line {
	char text[LINE_MAX_BYTES];
	size_t len;
};

static void
line_add(struct line *l, const char *s, size_t len)
{
	size_t room = sizeof(l->text) - sizeof(CUT_MARK) - 1 - l->len;

	if (len > room)
		len = room;
	memcpy(l->text + l->len, s, len);
	l->len += len;
}

static bool
needs_quotes(const char *v)
{
	return *v == '\0' || strpbrk(v, " \"=") != NULL;
}

static void
line_add_value(struct line *l, const char *v)
{
	bool quoted = needs_quotes(v);
	char esc[8];
	size_t n;

	if (quoted)
		line_add(l, "\"", 1);
	while (*v != '\0') {
		n = utf8_printable(v);
		if (n > 0 && *v != '"' && *v != '\\') {
			line_add(l, v, n);
			v += n;
			continue;
		}
		(void)snprintf(esc, sizeof(esc), "\\x%02x", (unsigned char)*v);
		line_add(l, esc, 4);
		v++;
	}
	if (quoted)
		line_add(l, "\"", 1);
}

static void
line_write(struct line *l, enum log_level level)
{
	static const int priority[] = { LOG_ERR, LOG_WARNING, LOG_INFO };

	if (l->len == sizeof(l->text) - sizeof(CUT_MARK) - 1)
		l->len += (size_t)snprintf(
		    l->text + l->len, sizeof(CUT_MARK), CUT_MARK);
	if (log_dest == LOG_TO_SYSLOG) {
		syslog(priority[level], "%.*s", (int)l->len, l->text);
		return;
	}
	l->text[l->len++] = '\n';
	while (write(STDERR_FILENO, l->text, l->len) == -1)
		break;
}

void
log_open(const char *program, enum log_to to)
{
	log_program = program;
	log_dest = to;
	if (to == LOG_TO_SYSLOG)
		openlog(program, LOG_PID | LOG_NDELAY, LOG_MAIL);
}

void
log_event(enum log_level level, const char *id, const char *event, ...)
{
	struct line l = { .len = 0 };
	const char *key, *value;
	va_list ap;

	if (log_dest == LOG_TO_STDERR) {
		line_add(&l, log_program, strlen(log_program));
		line_add(&l, level == LOG_LEVEL_ERROR ? ": error: "
			: level == LOG_LEVEL_WARNING  ? ": warning: "
						      : ": ",
		    level == LOG_LEVEL_ERROR	     ? 9
			: level == LOG_LEVEL_WARNING ? 11
						     : 2);
	}
	if (id != NULL) {
		line_add(&l, "id=", 3);
		line_add_value(&l, id);
		line_add(&l, " ", 1);
	}
	line_add(&l, "event=", 6);
	line_add_value(&l, event);
	va_start(ap, event);
	while ((key = va_arg(ap, const char *)) != NULL) {
		if ((value = va_arg(ap, const char *)) == NULL)
			continue;
		line_add(&l, " ", 1);
		line_add(&l, key, strlen(key));
		line_add(&l, "=", 1);
		line_add_value(&l, value);
	}
	va_end(ap);
	line_write(&l, level);
}

const char *
log_number(long long n, char buf[24])
{
	(void)snprintf(buf, 24, "%lld", n);
	return buf;
}

void
log_fatal(const char *fmt, ...)
{
	char text[1024];
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	log_error(NULL, "fatal", "reason", text);
	/* Not exit: its handlers would clean up under threads that still run. */
	_exit(1);
}
