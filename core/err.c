/* SPDX-License-Identifier: BSD-2-Clause */
#include "config.h"

#include "core/err.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

int
err_set(struct err *err, enum err_class class, const char *fmt, ...)
{
	va_list ap;

	err->class = class;
	va_start(ap, fmt);
	(void)vsnprintf(err->text, sizeof(err->text), fmt, ap);
	va_end(ap);
	return -1;
}

/*
 * strerror_r comes as POSIX's int and as GNU's char *; strerror_l would do but
 * wants a locale. Overloading by _Generic is smaller than a configure test.
 */
static const char *
words_int(int rc, const char *buf)
{
	return rc == 0 ? buf : "unknown error";
}

static const char *
words_ptr(const char *rc, const char *buf)
{
	(void)buf;
	return rc;
}

#define STRERROR_R(num, buf, len)                                              \
	_Generic(strerror_r(num, buf, len), int: words_int, char *: words_ptr)( \
	    strerror_r(num, buf, len), buf)

int
err_sys(struct err *err, enum err_class class, int errnum, const char *fmt, ...)
{
	char words[128] = "";
	size_t len;
	va_list ap;

	err->class = class;
	va_start(ap, fmt);
	(void)vsnprintf(err->text, sizeof(err->text), fmt, ap);
	va_end(ap);
	len = strlen(err->text);
	(void)snprintf(err->text + len, sizeof(err->text) - len, ": %s",
	    STRERROR_R(errnum, words, sizeof(words)));
	return -1;
}

int
err_context(struct err *err, const char *fmt, ...)
{
	char old[sizeof(err->text)];
	va_list ap;
	size_t len;

	memcpy(old, err->text, sizeof(old));
	va_start(ap, fmt);
	(void)vsnprintf(err->text, sizeof(err->text), fmt, ap);
	va_end(ap);
	len = strlen(err->text);
	(void)snprintf(
	    err->text + len, sizeof(err->text) - len, ": %s", old);
	return -1;
}
