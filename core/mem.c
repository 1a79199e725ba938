/* SPDX-License-Identifier: BSD-2-Clause */
#include "config.h"

#include "core/mem.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/log.h"

static void *
checked(void *p)
{
	if (p == NULL)
		log_fatal("out of memory: raise the limit or the memory of "
			  "this host; the MTA keeps all mail meanwhile");
	return p;
}

void *
mem_new(size_t size)
{
	return checked(calloc(1, size));
}

void *
mem_array(size_t n, size_t size)
{
	return checked(calloc(n > 0 ? n : 1, size));
}

void *
mem_grow(void *p, size_t n, size_t size)
{
	if (size != 0 && n > SIZE_MAX / size)
		log_fatal("out of memory: %zu objects of %zu bytes asked for",
		    n, size);
	return checked(realloc(p, n * size));
}

char *
mem_strdup(const char *s)
{
	return s == NULL ? NULL : checked(strdup(s));
}

char *
mem_strndup(const char *s, size_t len)
{
	return checked(strndup(s, len));
}

char *
mem_printf(const char *fmt, ...)
{
	va_list ap;
	char *s;
	int n;

	va_start(ap, fmt);
	n = vasprintf(&s, fmt, ap);
	va_end(ap);
	return checked(n == -1 ? NULL : s);
}

void
mem_wipe(void *p, size_t len)
{
#ifdef HAVE_EXPLICIT_BZERO
	explicit_bzero(p, len);
#else
	volatile unsigned char *v = p;

	while (len-- > 0)
		*v++ = 0;
#endif
}
