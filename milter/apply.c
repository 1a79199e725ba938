/* SPDX-License-Identifier: BSD-2-Clause */
#include "config.h"

#include "milter/apply.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/header.h"
#include "core/log.h"
#include "core/mem.h"

/*
 * A reply line has 512 bytes (RFC 5321 section 4.5.3.1.5), code and line end
 * included; what is longer goes over several.
 */
#define REPLY_LINE 450
#define REPLY_LINES 3

/* The value of a field as libmilter wants it, to be freed: without the blank
 * after the colon, which the MTA adds, and with LF for line ends. */
static char *
milter_value(const struct header_field *f)
{
	const char *p = f->value, *end = f->value + f->value_len;
	struct buf out;

	if (p < end && *p == ' ')
		p++;
	buf_init(&out, f->value_len);
	for (; p < end; p++)
		if (*p != '\r')
			buf_addc(&out, *p);
	return buf_take(&out);
}

static int
replace_field(SMFICTX *ctx, const struct buf *new, unsigned n)
{
	struct header_field f;
	char *name, *value;
	size_t pos = 0;
	int rc;

	if (new->len == 0)
		return 0;
	(void)header_next(new->data, new->len, &pos, &f);
	name = mem_strndup(f.name, f.name_len);
	value = milter_value(&f);
	rc = smfi_chgheader(ctx, name, 1, value);
	for (; n > 1 && rc == MI_SUCCESS; n--)
		rc = smfi_chgheader(ctx, name, (int)n, NULL);
	free(name);
	free(value);
	return rc == MI_SUCCESS ? 0 : -1;
}

static int
add_fields(SMFICTX *ctx, const struct buf *extra)
{
	struct header_field f;
	char *name, *value;
	size_t pos = 0;
	int rc = MI_SUCCESS;

	while (rc == MI_SUCCESS &&
	    header_next(extra->data, extra->len, &pos, &f) == 1) {
		name = mem_strndup(f.name, f.name_len);
		value = milter_value(&f);
		rc = smfi_addheader(ctx, name, value);
		free(name);
		free(value);
	}
	return rc == MI_SUCCESS ? 0 : -1;
}

static int
change_sender(SMFICTX *ctx, const struct submission_outcome *o)
{
	char path[sizeof(o->sender.text) + 2];

	if (!o->new_sender)
		return 0;
	(void)snprintf(path, sizeof(path), "<%s>", o->sender.text);
	return smfi_chgfrom(ctx, path, NULL) == MI_SUCCESS ? 0 : -1;
}

int
apply_outcome(SMFICTX *ctx, const struct submission_outcome *o)
{
	return change_sender(ctx, o) == 0 &&
		replace_field(ctx, &o->fields.from, o->nfrom) == 0 &&
		replace_field(ctx, &o->fields.sender, o->nsender) == 0 &&
		add_fields(ctx, &o->fields.extra) == 0
	    ? 0
	    : -1;
}

int
apply_origin(SMFICTX *ctx, const struct secret *secret, struct origin *origin,
    const char *id)
{
	static char name[] = ORIGIN_FIELD;
	struct buf value;
	int rc = MI_SUCCESS;

	(void)snprintf(origin->queue_id, sizeof(origin->queue_id), "%s",
	    id != NULL ? id : "");
	buf_init(&value, HEADER_LINE_MAX * 4);
	if (origin_seal(secret, origin, &value) == 0)
		rc = smfi_insheader(ctx, 0, name, value.data);
	else
		log_warning(id, "no-origin", "reason",
		    "the MTA gives no queue id that a message could be "
		    "known by (macro i)");
	buf_free(&value);
	return rc == MI_SUCCESS ? 0 : -1;
}

/* MTAs read "%" as the beginning of something, and "%%" as "%". */
static void
double_percent(const char *text, size_t len, char line[2 * REPLY_LINE + 1])
{
	for (; len > 0; len--, text++) {
		if (*text == '%')
			*line++ = '%';
		*line++ = *text;
	}
	*line = '\0';
}

/* Of what goes into one line: up to a blank, if there is one. */
static size_t
line_length(const char *text)
{
	size_t len = strlen(text);

	if (len <= REPLY_LINE)
		return len;
	for (len = REPLY_LINE; len > 0; len--)
		if (text[len] == ' ')
			return len;
	return REPLY_LINE;
}

sfsistat
apply_refusal(SMFICTX *ctx, const struct submission_outcome *o)
{
	char line[REPLY_LINES][2 * REPLY_LINE + 1], code[4];
	char dsn[sizeof(o->dsn)];
	char text[] = "sender refused, see the log of postern-milter";
	const char *p = o->text;
	size_t n, len;

	for (n = 0; n < REPLY_LINES && *p != '\0'; n++) {
		len = line_length(p);
		double_percent(p, len, line[n]);
		p += len;
		p += strspn(p, " ");
	}
	(void)snprintf(code, sizeof(code), "%u", o->code % 1000);
	(void)snprintf(dsn, sizeof(dsn), "%s", o->dsn);
	if (smfi_setmlreply(ctx, code, dsn, line[0], n > 1 ? line[1] : NULL,
		n > 2 ? line[2] : NULL, (char *)NULL) != MI_SUCCESS)
		(void)smfi_setreply(ctx, code, dsn, text);
	return o->code < 500 ? SMFIS_TEMPFAIL : SMFIS_REJECT;
}
