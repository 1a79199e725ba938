/* SPDX-License-Identifier: BSD-2-Clause */
#include "config.h"

#include "identity/senders.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "core/cut.h"
#include "core/message.h"
#include "identity/sender_field.h"

/*
 * What Amazon SES would refuse is rewritten or refused here, before quota is
 * spent and in words that say what to do. In mail with a null sender nothing is
 * refused: bounces and notices come from inside the MTA, under names that
 * nobody thought of verifying.
 */

/* Rewriting adds at most an address and a display name to each mailbox, and
 * encoding makes text up to five times as long. */
#define FIELD_MAX (8 * MESSAGE_HEADER_MAX)

/* One message's fields on their way. */
struct judging {
	const struct senders_input *in;
	struct senders_output *out;
};

static int refuse(struct senders_output *out, unsigned code, const char *dsn,
    const char *fmt, ...) __attribute__((format(printf, 4, 5)));

static int
refuse(struct senders_output *out, unsigned code, const char *dsn,
    const char *fmt, ...)
{
	struct buf text;
	va_list ap;
	char words[sizeof(out->text)];

	va_start(ap, fmt);
	cut_vprintf(words, sizeof(words), fmt, ap);
	va_end(ap);
	out->code = code;
	(void)snprintf(out->dsn, sizeof(out->dsn), "%s", dsn);
	buf_init(&text, sizeof(words));
	buf_add_printable(&text, words, strlen(words));
	memcpy(out->text, text.data, text.len + 1);
	buf_free(&text);
	return -1;
}

static void
see(struct senders_fields *fields, struct header_field *first,
    const char *name, const struct header_field *f)
{
	if (first->name_len == 0)
		*first = *f;
	else if (fields->differ == NULL && !header_same_value(first, f))
		fields->differ = name;
}

void
senders_see(struct senders_fields *fields, const struct header_field *f)
{
	if (header_is(f, "From"))
		see(fields, &fields->from, "From", f);
	else if (header_is(f, "Sender"))
		see(fields, &fields->sender, "Sender", f);
	else if (header_is(f, "Reply-To"))
		fields->reply_to = true;
}

/* What stands in for a mailbox in mail with a null sender. */
static void
judge_instead(const struct judging *j, struct sender_mailbox *box)
{
	box->replace = box->fault != ADDRESS_OK ||
	    !rewrite_covered(j->in->rules, &box->addr);
	box->to = *j->in->instead;
}

static int
judge_mailbox(const struct judging *j, const struct sender_field *sf,
    struct sender_mailbox *box)
{
	char shown[ADDRESS_MAX + 1];
	struct rewrite_decision d;

	if (j->in->instead != NULL) {
		judge_instead(j, box);
		return 0;
	}
	if (box->mb.spec_len == 0)
		return refuse(j->out, 550, "5.6.0",
		    "the %s header has an empty address", sf->name);
	rewrite_sender(j->in->rules, box->mb.spec, box->mb.spec_len,
	    j->in->wall_us, &d);
	switch (d.action) {
	case REWRITE_PASS:
		return 0;
	case REWRITE_REPLACE:
		box->replace = true;
		box->show = !d.completed;
		box->to = d.to;
		return 0;
	case REWRITE_REJECT:
	case REWRITE_DEFER:
		break;
	}
	return refuse(j->out, d.action == REWRITE_DEFER ? 451 : 550, d.dsn,
	    "%s <%s> %s", sf->name,
	    cut_mark(shown, sizeof(shown), d.original.text[0] != '\0'
		    ? d.original.text
		    : box->mb.spec),
	    d.why);
}

static int
judge_mailboxes(const struct judging *j, struct sender_field *sf)
{
	if (sf->wrong != NULL)
		return refuse(j->out, 550, "5.6.0", "the %s header %s",
		    sf->name, sf->wrong);
	for (size_t i = 0; i < sf->n; i++)
		if (judge_mailbox(j, sf, &sf->box[i]) == -1)
			return -1;
	return 0;
}

static bool
is_replaced(const struct sender_field *sf)
{
	for (size_t i = 0; i < sf->n; i++)
		if (sf->box[i].replace)
			return true;
	return false;
}

/* Whether SES would take each address in a field of that name. */
static bool
is_good(const struct judging *j, const char *name,
    const struct header_field *f)
{
	struct sender_field sf;
	bool good;

	sender_field_init(&sf, name, f);
	good = sf.wrong == NULL && !sender_field_has_at(&sf);
	for (size_t i = 0; good && i < sf.n; i++)
		good = sf.box[i].fault == ADDRESS_OK &&
		    rewrite_covered(j->in->rules, &sf.box[i].addr);
	sender_field_free(&sf);
	return good;
}

/*
 * Whether what the next hop will read is what was judged, as it is now and in
 * ASCII: rewriting and encoding can change how odd input reads, above all where
 * its charset had to be guessed.
 */
static bool
reads_the_same(const struct judging *j, const struct sender_field *sf,
    const struct buf *instead)
{
	struct header_field f = sf->f;
	struct buf out;
	bool encoded, folded, good;
	size_t pos = 0;

	if (instead->overflow)
		return false;
	if (instead->len > 0) {
		(void)header_next(instead->data, instead->len, &pos, &f);
		if (!is_good(j, sf->name, &f))
			return false;
	}
	if (header_is_plain(&f))
		return true;
	buf_init(&out, FIELD_MAX);
	header_repair(&f, &out, &encoded, &folded);
	pos = 0;
	(void)header_next(out.data, out.len, &pos, &f);
	good = is_good(j, sf->name, &f);
	buf_free(&out);
	return good;
}

/* Judge one field; instead is what goes in its place. */
static int
judge_field(const struct judging *j, struct sender_field *sf,
    struct buf *instead, bool *replaced_r, bool *quoted_r)
{
	const struct address *null = j->in->instead;
	bool whole = null != NULL && sf->wrong != NULL;

	if (!whole && judge_mailboxes(j, sf) == -1)
		return -1;
	*replaced_r = whole || is_replaced(sf);
	*quoted_r = !whole && sender_field_has_at(sf);
	if (!whole && (*replaced_r || *quoted_r))
		sender_field_write(sf, instead);
	if (!whole && reads_the_same(j, sf, instead))
		return 0;
	if (null == NULL)
		return refuse(j->out, 550, "5.6.0",
		    "the %s header can't be written in ASCII so that it reads "
		    "the same", sf->name);
	buf_reset(instead);
	buf_addf(instead, "%s: <%s>\r\n", sf->name, null->text);
	*replaced_r = true;
	*quoted_r = false;
	return 0;
}

/* The value as it was folded, but for blanks around it. */
static void
add_field(struct buf *out, const char *name, const struct header_field *f)
{
	const char *p = f->value, *end = p + f->value_len;

	while (p < end && (*p == ' ' || *p == '\t' || *p == '\r' || *p == '\n'))
		p++;
	while (end > p && (end[-1] == ' ' || end[-1] == '\t' ||
			      end[-1] == '\r' || end[-1] == '\n'))
		end--;
	buf_addf(out, "%s: ", name);
	buf_add(out, p, (size_t)(end - p));
	buf_adds(out, "\r\n");
}

/* So that the reader sees who wrote, and an answer goes where it would have. */
static void
keep_original(const struct judging *j, const struct sender_field *from)
{
	bool usable = from->wrong == NULL;

	for (size_t i = 0; i < from->n; i++)
		usable = usable && from->box[i].fault == ADDRESS_OK;
	add_field(&j->out->extra, "X-Original-From", &from->f);
	if (usable && !j->in->fields->reply_to)
		add_field(&j->out->extra, "Reply-To", &from->f);
}

static bool
only_completed(const struct sender_field *sf)
{
	for (size_t i = 0; i < sf->n; i++)
		if (sf->box[i].replace && sf->box[i].show)
			return false;
	return true;
}

static int
judge_from(const struct judging *j)
{
	struct senders_output *out = j->out;
	struct sender_field sf;
	int rc;

	sender_field_init(&sf, "From", &j->in->fields->from);
	rc = judge_field(j, &sf, &out->from, &out->from_replaced,
	    &out->from_quoted);
	if (rc == 0 && out->from_replaced &&
	    (j->in->instead != NULL || !only_completed(&sf)))
		keep_original(j, &sf);
	sender_field_free(&sf);
	return rc;
}

static int
judge_sender(const struct judging *j)
{
	struct senders_output *out = j->out;
	struct sender_field sf;
	int rc;

	sender_field_init(&sf, "Sender", &j->in->fields->sender);
	rc = judge_field(j, &sf, &out->sender, &out->sender_replaced,
	    &out->sender_quoted);
	sender_field_free(&sf);
	return rc;
}

int
senders_judge(const struct senders_input *in, struct senders_output *out)
{
	const struct senders_fields *fields = in->fields;
	const struct judging j = { in, out };

	memset(out, 0, sizeof(*out));
	buf_init(&out->from, FIELD_MAX);
	buf_init(&out->sender, FIELD_MAX);
	buf_init(&out->extra, FIELD_MAX);
	if (fields->differ != NULL)
		return refuse(out, 550, "5.6.0",
		    "Amazon SES takes only one %s header, and this message has "
		    "two that differ", fields->differ);
	if (fields->from.name_len > 0 && judge_from(&j) == -1)
		return -1;
	if (fields->sender.name_len > 0 && judge_sender(&j) == -1)
		return -1;
	return 0;
}

void
senders_output_free(struct senders_output *out)
{
	buf_free(&out->from);
	buf_free(&out->sender);
	buf_free(&out->extra);
}

void
senders_list(const struct header_field *from, struct buf *out)
{
	struct sender_field sf;

	sender_field_init(&sf, "From", from);
	for (size_t i = 0; i < sf.n; i++) {
		const struct sender_mailbox *box = &sf.box[i];
		const char *text = box->fault == ADDRESS_OK ? box->addr.text :
							      box->mb.spec;

		if (out->len + strlen(text) + 1 > out->max)
			break;
		if (out->len > 0)
			buf_addc(out, ',');
		buf_add_printable(out, text, strlen(text));
	}
	sender_field_free(&sf);
}
