/* SPDX-License-Identifier: BSD-2-Clause */
#include "config.h"

#include <assert.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/header.h"
#include "core/message.h"
#include "identity/senders.h"

/*
 * From and Sender fields of any bytes before the rules. Whatever passes parses
 * in the form in which SES gets it, every mailbox in it is verified, and judging
 * it again changes nothing. The first byte chooses the circumstances.
 */

int LLVMFuzzerTestOneInput(const uint8_t *, size_t);
int LLVMFuzzerInitialize(int *, char ***);

#define FIELD_MAX (64 << 20)
#define WALL_US INT64_C(1790000000000000)

enum { SENDER = 1, FIXED = 2, SRS = 4, NULL_SENDER = 8, HOST = 16 };

static struct conf conf;
static struct rewrite_rules rules;

static int
check_mailbox(void *arg, const struct header_mailbox *mb)
{
	struct address a;
	struct err err;

	(void)arg;
	assert(!mb->name_has_at);
	assert(address_parse(mb->spec, mb->spec_len, &a, &err) == ADDRESS_OK);
	assert(verified_by(rules.verified, &a) != NULL);
	return 0;
}

static int
judge(const struct header_field *f, const struct address *instead,
    struct senders_output *out)
{
	struct senders_fields fields = { .differ = NULL };
	struct senders_input in = { &rules, &fields, instead, WALL_US };

	senders_see(&fields, f);
	return senders_judge(&in, out);
}

static void
check_again(const struct header_field *f)
{
	struct senders_output out;

	assert(judge(f, NULL, &out) == 0);
	assert(out.from.len == 0 && out.sender.len == 0 && out.extra.len == 0);
	senders_output_free(&out);
}

/* As SES gets it. */
static void
check_sent(const struct header_field *f)
{
	struct header_field sent;
	struct buf buf;
	bool encoded, folded;
	size_t pos = 0;

	buf_init(&buf, FIELD_MAX);
	header_repair(f, &buf, &encoded, &folded);
	assert(header_next(buf.data, buf.len, &pos, &sent) == 1);
	assert(header_mailboxes(sent.value, sent.value_len, check_mailbox,
		   NULL) > 0);
	check_again(&sent);
	buf_free(&buf);
}

/* X-Original-From, then perhaps Reply-To, both with the old value. */
static void
check_extra(const struct buf *extra, const struct header_field *from)
{
	static const char *const names[] = { "X-Original-From", "Reply-To" };
	struct header_field f;
	size_t pos = 0;

	for (size_t i = 0; pos < extra->len; i++) {
		assert(i < 2);
		assert(header_next(extra->data, extra->len, &pos, &f) == 1);
		assert(header_is(&f, names[i]));
		assert(header_same_value(&f, from));
	}
}

static int
run(unsigned how, const char *value, size_t len)
{
	const char *name = how & SENDER ? "Sender" : "From";
	struct header_field f, made;
	struct senders_output out;
	const struct buf *instead;
	struct address null;
	struct buf raw;
	struct err err;
	size_t pos = 0;
	int rc;

	conf.rewrite.dflt = how & FIXED ? CONF_DEFAULT_FIXED
	    : how & SRS			? CONF_DEFAULT_SRS
					: CONF_DEFAULT_REJECT;
	rules.host = how & HOST ? "mx.example.com" : NULL;
	assert(rewrite_null_sender(&rules, &null, &err) == 0);
	buf_init(&raw, MESSAGE_HEADER_MAX);
	buf_addf(&raw, "%s:", name);
	for (size_t i = 0; i < len; i++) /* as messages are received */
		if (value[i] == '\n')
			buf_adds(&raw, "\r\n ");
		else if (value[i] != '\r' && value[i] != '\0')
			buf_addc(&raw, value[i]);
	buf_adds(&raw, "\r\n");
	assert(header_next(raw.data, raw.len, &pos, &f) == 1);
	rc = judge(&f, how & NULL_SENDER ? &null : NULL, &out);
	assert(rc == 0 || ((how & NULL_SENDER) == 0 && out.code >= 450 &&
			      strpbrk(out.text, "\r\n") == NULL));
	if (rc == 0) {
		instead = how & SENDER ? &out.sender : &out.from;
		made = f;
		pos = 0;
		if (instead->len > 0) {
			assert(header_next(instead->data, instead->len, &pos,
				   &made) == 1);
			assert(pos == instead->len && header_is(&made, name));
		}
		check_extra(&out.extra, &f);
		check_again(&made);
		check_sent(&made);
	}
	senders_output_free(&out);
	buf_free(&raw);
	return rc;
}

static char *
put(char *file, const char *text)
{
	FILE *fp = fopen(file, "w");

	assert(fp != NULL && fputs(text, fp) >= 0 && fclose(fp) == 0);
	return file;
}

int
LLVMFuzzerInitialize(int *argc, char ***argv)
{
	static char empty[] = "", name[] = "file", dflt[] = "default";
	static const char mixed[] = " Joe <joe@evil.example>, a@example.com";
	char file[] = "/tmp/f_senders-XXXXXX";
	int fd = mkstemp(file);
	struct err err;

	(void)argc;
	(void)argv;
	assert(fd != -1 && close(fd) == 0);
	conf.file = conf.identities.file = conf.rewrite.senders = name;
	conf.rewrite.null_sender = conf.rewrite.srs_domain = empty;
	conf.rewrite.dflt_text = dflt;
	conf.rewrite.fixed = "noreply@example.com";
	rules.conf = &conf;
	rules.verified = verified_load(put(file, "example.com\n"
						 "me@other.example\n"),
	    &err);
	rules.table = rewrite_table_load(put(file, "@lan {local}=at={domain}"
						   "@example.com\n"
						   "root@ root@example.com\n"
						   "@later.example defer\n"),
	    &err);
	rules.secret = secret_load(put(file, "0123456789abcdef\n"), &err);
	assert(rules.verified != NULL && rules.table != NULL &&
	    rules.secret != NULL);
	(void)unlink(file);
	assert(run(0, mixed, strlen(mixed)) == -1);
	assert(run(FIXED, mixed, strlen(mixed)) == 0);
	assert(run(SRS | SENDER, mixed, strlen(mixed)) == 0);
	assert(run(NULL_SENDER, "<", 1) == 0);
	return 0;
}

int
LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
	if (len > 0)
		(void)run(bytes[0], (const char *)bytes + 1, len - 1);
	return 0;
}
