/* SPDX-License-Identifier: BSD-2-Clause */
#include "config.h"

#include <assert.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/header.h"
#include "core/mem.h"
#include "identity/secret.h"
#include "milter/submission.h"

/*
 * What an MTA may tell the milter of a message: MAIL's argument in the first
 * line, then header fields, whose lines begin with a blank where they go on.
 * Whatever comes of it can be handed back to the MTA, and needs no more changes
 * when it comes again.
 */

int LLVMFuzzerTestOneInput(const uint8_t *, size_t);
int LLVMFuzzerInitialize(int *, char ***);

#define NOW INT64_C(1795330631000000)

static struct rewrite_rules rules;

static void
write_file(char *file, const char *text)
{
	int fd = mkstemp(file);

	assert(fd != -1);
	assert(write(fd, text, strlen(text)) == (ssize_t)strlen(text));
	(void)close(fd);
}

int
LLVMFuzzerInitialize(int *argc, char ***argv)
{
	static char domain[] = "example.com", file[] = "identities", unset[] = "";
	static struct conf conf = {
		.rewrite.dflt = CONF_DEFAULT_SRS,
		.rewrite.srs_domain = domain,
		.rewrite.null_sender = unset,
		.identities.file = file,
	};
	char keys[] = "/tmp/f_submission.XXXXXX";
	char identities[] = "/tmp/f_submission.XXXXXX";
	struct err err;

	(void)argc;
	(void)argv;
	write_file(keys, "a key for this target only\n");
	write_file(identities, "example.com\n");
	rules = (struct rewrite_rules) {
		.conf = &conf,
		.verified = verified_load(identities, &err),
		.table = rewrite_table_load("", &err),
		.secret = secret_load(keys, &err),
		.host = "mx.example.com",
	};
	(void)unlink(keys);
	(void)unlink(identities);
	assert(rules.verified != NULL && rules.secret != NULL);
	return 0;
}

/* Hand over fields as libmilter does; text is taken apart. */
static void
tell_fields(struct submission *s, char *text)
{
	char *value, *end, *next;

	for (; *text != '\0'; text = next) {
		end = strchr(text, '\n');
		while (end != NULL && (end[1] == ' ' || end[1] == '\t'))
			end = strchr(end + 1, '\n');
		next = end != NULL ? end + 1 : text + strlen(text);
		if (end != NULL)
			*end = '\0';
		if ((value = strchr(text, ':')) == NULL)
			continue;
		*value++ = '\0';
		submission_field(s, text, value + strspn(value, " "));
	}
}

/* The value of a replaced field as it goes back, in one piece. */
static void
tell_again(struct submission *s, const char *name, const struct buf *new)
{
	struct header_field f;
	struct buf value;
	size_t pos = 0;

	assert(header_next(new->data, new->len, &pos, &f) == 1);
	assert(pos == new->len && header_is(&f, name));
	buf_init(&value, new->len);
	for (size_t i = 0; i < f.value_len; i++)
		if (f.value[i] != '\r')
			buf_addc(&value, f.value[i]);
	submission_field(s, name, value.len > 0 ? value.data : "");
	buf_free(&value);
}

static void
check_again(const struct submission_outcome *o)
{
	struct submission_outcome again;
	struct submission *s;

	s = submission_new(o->new_sender ? o->sender.text : "a@example.com",
	    NULL);
	if (o->fields.from.len > 0)
		tell_again(s, "From", &o->fields.from);
	if (o->fields.sender.len > 0)
		tell_again(s, "Sender", &o->fields.sender);
	submission_judge(s, &rules, NOW, &again);
	assert(again.code == 0 && !again.new_sender);
	assert(again.fields.from.len == 0 && again.fields.sender.len == 0);
	submission_outcome_free(&again);
	submission_free(s);
}

static void
check_refusal(const struct submission_outcome *o)
{
	assert(o->code == 550 || o->code == 552 || o->code == 451);
	for (const char *p = o->text; *p != '\0'; p++)
		assert(*p >= ' ' && *p <= '~');
}

int
LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
	char *text = mem_strndup((const char *)bytes, len);
	char *fields = strchr(text, '\n');
	struct submission_outcome o;
	struct origin origin;
	struct submission *s;

	if (fields != NULL)
		*fields++ = '\0';
	s = submission_new(text, NULL);
	if (fields != NULL)
		tell_fields(s, fields);
	submission_judge(s, &rules, NOW, &o);
	submission_origin(s, &o, &origin);
	if (o.code != 0)
		check_refusal(&o);
	else
		check_again(&o);
	submission_outcome_free(&o);
	submission_free(s);
	free(text);
	return 0;
}
