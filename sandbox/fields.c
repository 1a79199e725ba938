/* SPDX-License-Identifier: BSD-2-Clause */
#include "config.h"

#include "sandbox/fields.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "core/mem.h"

/* The header section comes from the network and is at most BODY_HEADER_MAX
 * long. */
enum { FIELDS_MAX = 20000 };

static bool
is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

static void
trim(const char **p, size_t *len)
{
	while (*len > 0 && is_blank(**p)) {
		(*p)++;
		(*len)--;
	}
	while (*len > 0 && is_blank((*p)[*len - 1]))
		(*len)--;
}

static void
add_field(struct fields *fs, const char *line, size_t len)
{
	const char *colon = memchr(line, ':', len);
	struct field f = { .name = line };

	if (colon == NULL || colon == line) {
		fs->garbage++;
		return;
	}
	f.name_len = (size_t)(colon - line);
	while (f.name_len > 0 && is_blank(line[f.name_len - 1]))
		f.name_len--;
	f.value = colon + 1;
	f.value_len = len - (size_t)(f.value - line);
	trim(&f.value, &f.value_len);
	if (fs->n % 32 == 0)
		fs->items = mem_grow(fs->items, fs->n + 32, sizeof(f));
	fs->items[fs->n++] = f;
}

/* Length of the logical line at p: continuation lines included. */
static size_t
logical_line(const char *p, size_t len)
{
	size_t i = 0;
	const char *lf;

	do {
		lf = memchr(p + i, '\n', len - i);
		i = lf != NULL ? (size_t)(lf + 1 - p) : len;
	} while (i < len && (p[i] == ' ' || p[i] == '\t'));
	return i;
}

void
fields_parse(struct fields *fs, const struct buf *header)
{
	size_t pos = 0, len;

	*fs = (struct fields){ .items = NULL };
	while (pos < header->len && fs->n < FIELDS_MAX) {
		const char *p = header->data + pos;

		len = logical_line(p, header->len - pos);
		pos += len;
		if (*p == '\r' || *p == '\n')
			break;
		add_field(fs, p, len);
	}
}

void
fields_free(struct fields *fs)
{
	free(fs->items);
	*fs = (struct fields){ .items = NULL };
}

bool
field_is(const struct field *f, const char *name)
{
	return f->name_len == strlen(name) &&
	       strncasecmp(f->name, name, f->name_len) == 0;
}

const struct field *
fields_find(const struct fields *fs, const char *name)
{
	for (size_t i = 0; i < fs->n; i++)
		if (field_is(&fs->items[i], name))
			return &fs->items[i];
	return NULL;
}

void
field_unfold(const struct field *f, struct buf *out)
{
	for (size_t i = 0; i < f->value_len; i++)
		if (f->value[i] != '\r' && f->value[i] != '\n')
			buf_addc(out, f->value[i]);
}

static bool
once_only(const struct field *f)
{
	static const char *const names[] = { "Accept-Language",
		"acceptLanguage", "Archived-At", "Auto-Submitted", "Bounces-to",
		"Comments", "Content-Alternative", "Content-Base",
		"Content-Class", "Content-Description", "Content-Disposition",
		"Content-Duration", "Content-ID", "Content-Language",
		"Content-Length", "Content-Location", "Content-MD5",
		"Content-Transfer-Encoding", "Content-Type", "Date",
		"Delivered-To", "Disposition-Notification-Options",
		"Disposition-Notification-To", "DKIM-Signature",
		"DomainKey-Signature", "Errors-To", "From", "Importance",
		"In-Reply-To", "Keywords", "List-Archive", "List-Help",
		"List-Id", "List-Owner", "List-Post", "List-Subscribe",
		"List-Unsubscribe", "Message-Context", "Message-ID",
		"MIME-Version", "Organization", "Original-From",
		"Original-Message-ID", "Original-Recipient", "Original-Subject",
		"Precedence", "Priority", "References", "Reply-To",
		"Return-Path", "Return-Receipt-To", "Sender", "Solicitation",
		"Sensitivity", "Subject", "Thread-Index", "Thread-Topic",
		"User-Agent", "VBR-Info" };

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (field_is(f, names[i]))
			return true;
	return false;
}

static bool
same_name(const struct field *a, const struct field *b)
{
	return a->name_len == b->name_len &&
	       strncasecmp(a->name, b->name, a->name_len) == 0;
}

/* Twins are rare, so they are found before the table is asked. */
const struct field *
fields_duplicate(const struct fields *fs)
{
	for (size_t i = 1; i < fs->n; i++)
		for (size_t j = 0; j < i; j++)
			if (same_name(&fs->items[i], &fs->items[j])) {
				if (once_only(&fs->items[i]))
					return &fs->items[i];
				break;
			}
	return NULL;
}
