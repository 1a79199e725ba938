/* SPDX-License-Identifier: BSD-2-Clause */
#include "config.h"

#include <assert.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "core/header.h"
#include "lmtp/gate.h"
#include "tests/unit/secrettest.h"

/*
 * Messages of any bytes before the gate. Whatever it lets pass has a header
 * section that SES takes, and no sender that is not verified. The first byte
 * chooses the circumstances.
 */

int LLVMFuzzerTestOneInput(const uint8_t *, size_t);
int LLVMFuzzerInitialize(int *, char ***);

static struct verified *verified;
static struct rewrite_table *table; /* empty */
static struct secret *secret;

static int
check_mailbox(void *arg, const struct header_mailbox *mb)
{
	struct address a;
	struct err err;

	(void)arg;
	assert(!mb->name_has_at);
	assert(address_parse(mb->spec, mb->spec_len, &a, &err) == ADDRESS_OK);
	assert(verified_by(verified, &a) != NULL);
	return 0;
}

static void
check_field(const struct header_field *f)
{
	static const char *const gone[] = { "Bcc", "Resent-Bcc", "Return-Path",
		"Delivered-To", "X-SES-MESSAGE-TAGS", "X-SES-SOURCE-ARN",
		"X-Postern-Origin" };

	for (size_t i = 0; i < sizeof(gone) / sizeof(gone[0]); i++)
		assert(!header_is(f, gone[i]));
	if (header_is(f, "From") || header_is(f, "Sender"))
		assert(header_mailboxes(f->value, f->value_len, check_mailbox,
			   NULL) > 0);
}

/* The header section is parsed as the next hop does, stuffing taken away. */
static void
check_head(const struct buf *head)
{
	struct header_field f;
	struct buf plain;
	size_t pos = 0, line = 0, froms = 0, subjects = 0;
	int found;

	buf_init(&plain, head->len);
	for (size_t i = 0; i < head->len; i++) {
		assert((unsigned char)head->data[i] < 0x80);
		if (head->data[i] == '\n')
			line = 0;
		else if (head->data[i] != '\r')
			assert(++line <= HEADER_LINE_MAX + 1);
		if (head->data[i] == '.' && line == 1) {
			assert(head->data[i + 1] == '.');
			continue;
		}
		buf_addc(&plain, head->data[i]);
	}
	while ((found = header_next(plain.data, plain.len, &pos, &f)) != 0) {
		assert(found == 1);
		check_field(&f);
		froms += header_is(&f, "From");
		subjects += header_is(&f, "Subject");
	}
	assert(pos == plain.len);
	assert(memcmp(plain.data + plain.len - 2, "\r\n", 2) == 0);
	assert(froms == 1 && subjects <= 1);
	buf_free(&plain);
}

static enum gate_result
run(unsigned how, const char *data, size_t len)
{
	static char empty[] = "", name[] = "file";
	static char tags[] = "X-SES-MESSAGE-TAGS";
	char *allowed[] = { tags };
	struct conf conf = { .file = name };
	struct address sender = { .local_len = 0 };
	struct message *m = message_new("/tmp", "");
	struct rewrite_rules rules = { &conf, verified, table, secret, NULL };
	struct gate_input in = { &rules, m, &sender, 0, NULL };
	struct gate_output out;
	struct gate_reply reply;
	struct err err;
	enum gate_result result;
	size_t used;

	conf.ses.configuration_set = conf.rewrite.null_sender = empty;
	conf.rewrite.senders = conf.rewrite.dflt_text = empty;
	conf.identities.file = name;
	conf.rewrite.srs_domain = empty;
	conf.rewrite.dflt = how & 16 ? CONF_DEFAULT_SRS :
	    how & 1		     ? CONF_DEFAULT_DEFER :
				       CONF_DEFAULT_REJECT;
	conf.ses.dkim_signature = how & 2 ? CONF_DKIM_KEEP : CONF_DKIM_DROP;
	conf.ses.allow_headers = (struct conf_list) { allowed, how >> 2 & 1 };
	if (how & 8)
		(void)address_parse("me@example.com", 14, &sender, &err);
	assert(message_feed(m, data, len, &used, &err) != -1);
	(void)message_feed(m, "\r\n.\r\n", 5, &used, &err);
	assert(message_end(m, &err) == 0);
	result = gate_check(&in, &out, &reply);
	if (result == GATE_PASS)
		check_head(&out.head);
	else
		assert(reply.code >= 400 &&
		    strpbrk(reply.text, "\r\n") == NULL);
	gate_output_free(&out);
	message_release(m);
	return result;
}

int
LLVMFuzzerInitialize(int *argc, char ***argv)
{
	char file[] = "/tmp/f_gate-XXXXXX";
	static const char text[] = "example.com\nme@other.example\n";
	static const char good[] = "From: a@b <a@example.com>\r\n\r\n";
	static const char bad[] = "From: a@evil.example\r\n\r\n";
	int fd = mkstemp(file);
	struct err err;

	(void)argc;
	(void)argv;
	assert(fd != -1 && write(fd, text, strlen(text)) > 0);
	verified = verified_load(file, &err);
	table = rewrite_table_load("", &err);
	secret = secret_of("a key for the fuzzer");
	assert(verified != NULL && table != NULL && secret != NULL);
	(void)unlink(file);
	(void)close(fd);
	assert(run(8, good, strlen(good)) == GATE_PASS);
	assert(run(8, bad, strlen(bad)) == GATE_REFUSE);
	assert(run(9, bad, strlen(bad)) == GATE_DEFER);
	assert(run(0, bad, strlen(bad)) == GATE_PASS);
	assert(run(24, bad, strlen(bad)) == GATE_PASS);
	return 0;
}

int
LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
	if (len > 0)
		(void)run(bytes[0], (const char *)bytes + 1, len - 1);
	return 0;
}
