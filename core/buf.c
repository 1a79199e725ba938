/* SPDX-License-Identifier: BSD-2-Clause */
#include "config.h"

#include "core/buf.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/mem.h"

static char empty[1];

void
buf_init(struct buf *b, size_t max)
{
	*b = (struct buf) { .data = empty, .max = max };
}

void
buf_free(struct buf *b)
{
	size_t max = b->max;

	if (b->cap > 0)
		free(b->data);
	buf_init(b, max);
}

void
buf_reset(struct buf *b)
{
	b->len = 0;
	b->overflow = false;
	if (b->cap > 0)
		b->data[0] = '\0';
}

char *
buf_room(struct buf *b, size_t len)
{
	size_t cap;

	if (b->overflow || len > b->max || b->len > b->max - len) {
		b->overflow = true;
		return NULL;
	}
	if (b->len + len + 1 > b->cap) {
		for (cap = b->cap > 0 ? b->cap : 64; cap < b->len + len + 1;)
			cap *= 2;
		b->data = mem_grow(b->cap > 0 ? b->data : NULL, cap, 1);
		b->cap = cap;
		b->data[b->len] = '\0';
	}
	return b->data + b->len;
}

void
buf_filled(struct buf *b, size_t len)
{
	if (len == 0)
		return;
	b->len += len;
	b->data[b->len] = '\0';
}

void
buf_add(struct buf *b, const void *data, size_t len)
{
	char *to;

	if (len == 0 || (to = buf_room(b, len)) == NULL)
		return;
	memcpy(to, data, len);
	buf_filled(b, len);
}

void
buf_addc(struct buf *b, char c)
{
	buf_add(b, &c, 1);
}

void
buf_adds(struct buf *b, const char *s)
{
	buf_add(b, s, strlen(s));
}

void
buf_add_printable(struct buf *b, const char *s, size_t len)
{
	for (size_t i = 0; i < len; i++)
		buf_addc(b, s[i] >= ' ' && s[i] < 0x7f ? s[i] : '?');
}

void
buf_addf(struct buf *b, const char *fmt, ...)
{
	va_list ap;
	char *to;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(NULL, 0, fmt, ap);
	va_end(ap);
	if (n <= 0 || (to = buf_room(b, (size_t)n)) == NULL)
		return;
	va_start(ap, fmt);
	(void)vsnprintf(to, (size_t)n + 1, fmt, ap);
	va_end(ap);
	buf_filled(b, (size_t)n);
}

void
buf_drop(struct buf *b, size_t len)
{
	if (len == 0)
		return;
	if (len > b->len)
		len = b->len;
	memmove(b->data, b->data + len, b->len - len + 1);
	b->len -= len;
}

void
buf_cut(struct buf *b, size_t len)
{
	if (len >= b->len)
		return;
	b->len = len;
	b->data[len] = '\0';
}

char *
buf_take(struct buf *b)
{
	char *s = b->cap > 0 ? b->data : mem_strdup("");

	buf_init(b, b->max);
	return s;
}
