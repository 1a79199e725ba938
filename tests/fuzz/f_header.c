/* SPDX-License-Identifier: BSD-2-Clause */
#include "config.h"

#include <assert.h>
#include <stdint.h>
#include <string.h>

#include "core/buf.h"
#include "core/header.h"
#include "core/message.h"

/*
 * The header section of a message of any bytes, received as a message is, so
 * that its lines are as the header code may expect them.
 */

int LLVMFuzzerTestOneInput(const uint8_t *, size_t);
int LLVMFuzzerInitialize(int *, char ***);

#define MAX (64 << 20)

/* ASCII, in lines that SES takes, none of them blank unless one came blank. */
static void
check_lines(const struct buf *out, bool repaired)
{
	size_t line = 0;
	bool visible = false;

	for (size_t i = 0; i < out->len; i++) {
		char c = out->data[i];

		assert((unsigned char)c < 0x80);
		if (c == '\n') {
			assert(visible || !repaired);
			line = 0;
			visible = false;
		} else if (c != '\r') {
			assert(++line <= HEADER_LINE_MAX);
			visible = visible || (c != ' ' && c != '\t');
		}
	}
}

/* What has a value on one line, without its blanks, since a hard fold adds some
 * and those at a line's end may go. */
static void
value_of(const struct header_field *f, struct buf *out)
{
	struct buf unfolded;

	buf_init(&unfolded, MAX);
	header_unfold(f, &unfolded);
	for (size_t i = 0; i < unfolded.len; i++)
		if (unfolded.data[i] != ' ' && unfolded.data[i] != '\t')
			buf_addc(out, unfolded.data[i]);
	buf_free(&unfolded);
}

static void
check_same_value(const struct header_field *a, const struct header_field *b)
{
	struct buf x, y;

	buf_init(&x, MAX);
	buf_init(&y, MAX);
	value_of(a, &x);
	value_of(b, &y);
	assert(x.len == y.len && memcmp(x.data, y.data, x.len) == 0);
	buf_free(&x);
	buf_free(&y);
}

static int
mailbox(void *arg, const struct header_mailbox *m)
{
	const struct header_field *f = arg;
	const char *end = f->value + f->value_len;

	assert(m->name >= f->value && m->name + m->name_len <= m->at);
	assert(m->at + m->at_len <= end);
	assert(m->name_len == 0 || *m->at == '<');
	assert(m->spec_len <= m->at_len);
	return 0;
}

static int
mailboxes(struct header_field *f)
{
	return header_mailboxes(f->value, f->value_len, mailbox, f);
}

/* Blank lines that came stay where nothing is to be repaired around them. */
static bool
has_blank_line(const struct header_field *f)
{
	bool visible = false;

	for (size_t i = 0; i < f->raw_len; i++) {
		if (f->raw[i] == '\n' && !visible)
			return true;
		if (f->raw[i] == '\n')
			visible = false;
		else if (strchr(" \t\r", f->raw[i]) == NULL ||
		    f->raw[i] == '\0')
			visible = true;
	}
	return false;
}

static void
check_field(struct header_field *f)
{
	struct buf once, twice;
	struct header_field g;
	bool encoded, folded, encoded_again, folded_again;
	size_t pos = 0;
	int n = mailboxes(f);

	buf_init(&once, MAX);
	buf_init(&twice, MAX);
	header_repair(f, &once, &encoded, &folded);
	check_lines(&once, !has_blank_line(f));
	if (!encoded && !folded)
		assert(once.len == f->raw_len &&
		    memcmp(once.data, f->raw, once.len) == 0);
	assert(header_next(once.data, once.len, &pos, &g) == 1);
	assert(pos == once.len); /* one field, and all of it */
	assert(g.name_len == f->name_len &&
	    memcmp(g.name, f->name, g.name_len) == 0);
	if (!encoded)
		check_same_value(f, &g);
	if (n != -1 && !folded && header_is(f, "To"))
		assert(mailboxes(&g) != -1 && mailboxes(&g) <= n);
	header_repair(&g, &twice, &encoded_again, &folded_again);
	assert(!encoded_again && !folded_again);
	assert(once.len == twice.len &&
	    memcmp(once.data, twice.data, once.len) == 0);
	buf_free(&once);
	buf_free(&twice);
}

static size_t
check_message(const char *data, size_t len)
{
	struct message *m = message_new("/tmp", "");
	struct header_field field;
	struct err err;
	const char *head;
	size_t used, head_len, pos = 0, fields = 0;
	int found;

	if (message_feed(m, data, len, &used, &err) == 0 &&
	    message_feed(m, "\r\n.\r\n", 5, &used, &err) == 1 &&
	    message_end(m, &err) == 0 &&
	    (head = message_header(m, &head_len)) != NULL) {
		while ((found = header_next(head, head_len, &pos, &field)) != 0)
			if (found == 1) {
				check_field(&field);
				fields++;
			}
		assert(pos == head_len);
	}
	message_release(m);
	return fields;
}

/* That fields are reached at all. */
int
LLVMFuzzerInitialize(int *argc, char ***argv)
{
	static const char seed[] = "From: \xe6\x97\xa5 <a@b>\r\nB: c\r\n\r\n";

	(void)argc;
	(void)argv;
	assert(check_message(seed, strlen(seed)) == 2);
	return 0;
}

int
LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
	(void)check_message((const char *)bytes, len);
	return 0;
}
