/* SPDX-License-Identifier: BSD-2-Clause */
#include "config.h"

#include "tests/unit/unit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/mem.h"
#include "core/utf8.h"
#include "identity/senders.h"

/*
 * What becomes of senders: a table of addresses and header fields with their
 * outcomes (senders.txt, which says how it is to be read), and what must hold
 * for every one of them and for whatever a cut makes of them.
 */

#define WALL_US INT64_C(1790000000000000)
#define TEXT_MAX 20000
#define HOST "mx.lan"

static char file[] = "/tmp/t_senders-XXXXXX";
static struct conf conf;
static struct rewrite_rules rules;

/* One line of the table. */
struct entry {
	size_t line;
	char kind[16];
	char *in; /* escapes undone */
	size_t in_len;
	char *out; /* the line below, escapes undone */
};

static void
fail_entry(const struct entry *e, const char *got)
{
	fail_msg("senders.txt:%zu: %s: expected \"%s\", got \"%s\"", e->line,
	    e->kind, e->out, got);
}

static char *
put(const char *text)
{
	FILE *fp = fopen(file, "w");

	assert_non_null(fp);
	assert_true(fputs(text, fp) >= 0);
	assert_int_equal(fclose(fp), 0);
	return file;
}

/* \xHH, \n for CRLF, \\ for itself. */
static char *
unescape(const char *s, size_t *len_r)
{
	char *out = mem_new(strlen(s) + 1), hex[3] = "";
	size_t n = 0;

	for (; *s != '\0'; s++) {
		if (*s != '\\') {
			out[n++] = *s;
		} else if (*++s == 'n') {
			out[n++] = '\r';
			out[n++] = '\n';
		} else if (*s == 'x') {
			memcpy(hex, s + 1, 2);
			out[n++] = (char)strtoul(hex, NULL, 16);
			s += 2;
		} else {
			assert_int_equal(*s, '\\');
			out[n++] = '\\';
		}
	}
	*len_r = n;
	return out;
}

/* The next entry; its "default" lines are obeyed on the way. */
static bool
next_entry(FILE *fp, struct entry *e, size_t *line)
{
	static char dflt[200], *text;
	static size_t cap;
	size_t len;

	while (getline(&text, &cap, fp) != -1) {
		++*line;
		text[strcspn(text, "\n")] = '\0';
		if (*text == '#' || *text == '\0')
			continue;
		if (strncmp(text, "default: ", 9) == 0) {
			(void)snprintf(dflt, sizeof(dflt), "%s", text + 9);
			conf.rewrite.dflt_text = dflt;
			conf.rewrite.dflt = dflt[0] == 's' ? CONF_DEFAULT_SRS
			    : dflt[0] == 'f'		   ? CONF_DEFAULT_FIXED
			    : dflt[0] == 'd'		   ? CONF_DEFAULT_DEFER
						 : CONF_DEFAULT_REJECT;
			conf.rewrite.fixed = strchr(dflt, ':') + 1;
			continue;
		}
		e->line = *line;
		len = strcspn(text, ":");
		assert_true(len < sizeof(e->kind) && text[len] == ':');
		memcpy(e->kind, text, len);
		e->kind[len] = '\0';
		e->in = unescape(text + len + 1 + (text[len + 1] == ' '),
		    &e->in_len);
		assert_true(getline(&text, &cap, fp) > 1 && *text == '\t');
		++*line;
		text[strcspn(text, "\n")] = '\0';
		e->out = unescape(text + 1, &len);
		return true;
	}
	return false;
}

static void
free_entry(struct entry *e)
{
	free(e->in);
	free(e->out);
}

/* "reject DSN WORDS" has been fulfilled by a refusal. */
static void
check_refusal(const struct entry *e, bool defer, const char *dsn,
    const char *text)
{
	char head[40], got[600];
	size_t len;

	len = (size_t)snprintf(head, sizeof(head), "%s %s",
	    defer ? "defer" : "reject", dsn);
	(void)snprintf(got, sizeof(got), "%s %s", head, text);
	if (strncmp(e->out, head, len) != 0 ||
	    (e->out[len] != '\0' && strstr(text, e->out + len + 1) == NULL))
		fail_entry(e, got);
}

static void
check_address(const struct entry *e)
{
	struct rewrite_decision d;
	struct rewrite_decision again;
	char got[400];

	rewrite_sender(&rules, e->in, e->in_len, WALL_US, &d);
	if (d.action == REWRITE_REJECT || d.action == REWRITE_DEFER) {
		check_refusal(e, d.action == REWRITE_DEFER, d.dsn, d.why);
		return;
	}
	if (d.action == REWRITE_PASS)
		(void)snprintf(got, sizeof(got), "pass");
	else
		(void)snprintf(got, sizeof(got), "becomes %s", d.to.text);
	if (strcmp(got, e->out) != 0)
		fail_entry(e, got);
	rewrite_sender(&rules, d.to.text, strlen(d.to.text), WALL_US, &again);
	assert_int_equal(again.action, REWRITE_PASS);
	assert_string_equal(again.to.text, d.to.text);
}

/* A field's judgement, which owns the field. */
struct judged {
	struct buf raw;
	struct senders_fields fields;
	struct senders_output out;
	int rc;
};

static void
judge(struct judged *j, const char *name, const char *value, size_t len,
    const struct address *instead)
{
	struct senders_input in = { &rules, &j->fields, instead, WALL_US };
	struct header_field f;
	size_t pos = 0;

	memset(j, 0, sizeof(*j));
	buf_init(&j->raw, TEXT_MAX);
	buf_addf(&j->raw, "%s: ", name);
	buf_add(&j->raw, value, len);
	buf_adds(&j->raw, "\r\n");
	if (header_next(j->raw.data, j->raw.len, &pos, &f) == 1)
		senders_see(&j->fields, &f);
	j->rc = senders_judge(&in, &j->out);
}

static void
judged_free(struct judged *j)
{
	senders_output_free(&j->out);
	buf_free(&j->raw);
}

static int
is_verified(void *arg, const struct header_mailbox *mb)
{
	struct address a;
	struct err err;

	(void)arg;
	assert_false(mb->name_has_at);
	assert_int_equal(address_parse(mb->spec, mb->spec_len, &a, &err),
	    ADDRESS_OK);
	assert_true(rewrite_covered(&rules, &a));
	return 0;
}

/*
 * What must hold of every field that passes: it is verified throughout in the
 * form in which SES gets it, and judging it again, before or after its 8-bit
 * text is encoded, changes nothing more.
 */
static void
check_properties(const struct judged *j, const char *name)
{
	const struct senders_output *out = &j->out;
	const struct buf *field = *name == 'F' ? &out->from : &out->sender;
	bool encoded, folded;
	struct header_field f, made;
	struct judged again;
	struct buf sent;
	size_t pos = 0;

	if (j->rc == -1) {
		assert_true(out->code == 550 || out->code == 451);
		assert_int_equal(out->dsn[0], out->code == 550 ? '5' : '4');
		assert_true(*out->text != '\0' &&
		    utf8_is_ascii(out->text, strlen(out->text)));
		return;
	}
	f = *name == 'F' ? j->fields.from : j->fields.sender;
	assert_int_equal(field->len > 0,
	    out->from_replaced || out->sender_replaced || out->from_quoted ||
		out->sender_quoted);
	if (field->len > 0) {
		assert_int_equal(header_next(field->data, field->len, &pos,
				     &f), 1);
		assert_int_equal(pos, field->len);
		assert_true(header_is(&f, name));
	}
	buf_init(&sent, 10 * TEXT_MAX);
	header_repair(&f, &sent, &encoded, &folded);
	pos = 0;
	assert_int_equal(header_next(sent.data, sent.len, &pos, &made), 1);
	assert_true(header_mailboxes(made.value, made.value_len, is_verified,
			NULL) > 0);
	judge(&again, name, f.value, f.value_len, NULL);
	assert_int_equal(again.rc, 0);
	assert_int_equal(again.out.from.len + again.out.sender.len +
	    again.out.extra.len, 0);
	judged_free(&again);
	judge(&again, name, made.value, made.value_len, NULL);
	assert_int_equal(again.rc, 0);
	assert_int_equal(again.out.from.len + again.out.sender.len +
	    again.out.extra.len, 0);
	judged_free(&again);
	buf_free(&sent);
}

/* X-Original-From has what From had, Reply-To the same if it can be answered. */
static void
check_extra(const struct entry *e, const struct judged *j, bool reply_to)
{
	struct header_field f;
	size_t pos = 0;

	if (header_next(j->out.extra.data, j->out.extra.len, &pos, &f) != 1) {
		assert_false(reply_to);
		return;
	}
	assert_true(header_is(&f, "X-Original-From"));
	assert_true(header_same_value(&f, &j->fields.from));
	if (header_next(j->out.extra.data, j->out.extra.len, &pos, &f) == 1) {
		if (!reply_to)
			fail_entry(e, "Reply-To");
		assert_true(header_is(&f, "Reply-To"));
		assert_true(header_same_value(&f, &j->fields.from));
	} else if (reply_to) {
		fail_entry(e, "no Reply-To");
	}
	assert_int_equal(pos, j->out.extra.len);
}

static void
check_field(const struct entry *e)
{
	static const char no_reply[] = "becomes, no Reply-To, ";
	const char *name = *e->kind == 'f' ? "From" : "Sender";
	bool no = strncmp(e->out, no_reply, sizeof(no_reply) - 1) == 0;
	const char *want = no ? e->out + sizeof(no_reply) - 1
	    : strncmp(e->out, "becomes ", 8) == 0 ? e->out + 8
						  : NULL;
	struct judged j;
	struct buf *field = *name == 'F' ? &j.out.from : &j.out.sender;
	struct buf text;

	judge(&j, name, e->in, e->in_len, NULL);
	buf_init(&text, TEXT_MAX);
	if (want != NULL)
		buf_addf(&text, "%s: %s\r\n", name, want);
	if (j.rc == -1)
		check_refusal(e, j.out.code < 500, j.out.dsn, j.out.text);
	else if (field->len == 0 ? strcmp(e->out, "same") != 0
				 : strcmp(field->data, text.data) != 0)
		fail_entry(e, field->data);
	else if (*name == 'F')
		check_extra(e, &j, want != NULL && !no && j.out.from_replaced &&
			j.out.extra.len > 0);
	check_properties(&j, name);
	buf_free(&text);
	judged_free(&j);
}

static void
for_each(void (*fn)(const struct entry *), size_t at_least)
{
	FILE *fp = fopen(SENDERS, "r");
	size_t line = 0, n = 0;
	struct entry e;

	assert_non_null(fp);
	for (; next_entry(fp, &e, &line); n++) {
		fn(&e);
		free_entry(&e);
	}
	(void)fclose(fp);
	assert_true(n >= at_least);
}

static void
check_entry(const struct entry *e)
{
	if (strcmp(e->kind, "address") == 0)
		check_address(e);
	else
		check_field(e);
}

static void
outcomes(void **state)
{
	(void)state;
	for_each(check_entry, 150);
}

/* Each input cut at each place, with and without a null sender. */
static void
check_cuts(const struct entry *e)
{
	const char *name = *e->kind == 's' ? "Sender" : "From";
	struct address null;
	struct judged j;
	struct err err;
	char *cut;

	assert_int_equal(rewrite_null_sender(&rules, &null, &err), 0);
	for (size_t len = 0; len <= e->in_len && len < 300; len++) {
		cut = mem_new(len > 0 ? len : 1); /* for bounds to be seen */
		memcpy(cut, e->in, len);
		judge(&j, name, cut, len, NULL);
		if (j.fields.from.name_len + j.fields.sender.name_len > 0)
			check_properties(&j, name);
		judged_free(&j);
		judge(&j, name, cut, len, &null);
		assert_int_equal(j.rc, 0);
		if (j.fields.from.name_len + j.fields.sender.name_len > 0)
			check_properties(&j, name);
		judged_free(&j);
		free(cut);
	}
}

static void
cuts(void **state)
{
	(void)state;
	for_each(check_cuts, 150);
}

static void
add_field(struct senders_fields *fields, const char *text)
{
	struct header_field f;
	size_t pos = 0;

	assert_int_equal(header_next(text, strlen(text), &pos, &f), 1);
	senders_see(fields, &f);
}

/* Fields of one name: the first counts, and others must say the same. */
static void
fields_that_come_twice(void **state)
{
	struct senders_fields fields = { .differ = NULL };
	struct senders_input in = { &rules, &fields, NULL, WALL_US };
	struct senders_output out;

	(void)state;
	assert_int_equal(senders_judge(&in, &out), 0);
	assert_int_equal(out.from.len + out.sender.len + out.extra.len, 0);
	senders_output_free(&out);

	add_field(&fields, "Subject: x\r\n");
	add_field(&fields, "FROM: A <a@fixed.example>\r\n");
	add_field(&fields, "From:  A\r\n <a@fixed.example>\r\n");
	add_field(&fields, "reply-to: x@y.example\r\n");
	add_field(&fields, "Sender: B <b@fixed.example>\r\n");
	assert_null(fields.differ);
	assert_true(fields.reply_to);
	assert_int_equal(senders_judge(&in, &out), 0);
	assert_string_equal(out.from.data, "FROM: A <sales@example.com>\r\n");
	assert_string_equal(out.sender.data,
	    "Sender: B <sales@example.com>\r\n");
	assert_string_equal(out.extra.data,
	    "X-Original-From: A <a@fixed.example>\r\n");
	senders_output_free(&out);

	add_field(&fields, "Sender: C <b@fixed.example>\r\n");
	assert_string_equal(fields.differ, "Sender");
	add_field(&fields, "From: a@example.com\r\n");
	assert_string_equal(fields.differ, "Sender");
	assert_int_equal(senders_judge(&in, &out), -1);
	assert_int_equal(out.code, 550);
	assert_string_equal(out.dsn, "5.6.0");
	assert_contains(out.text, "only one Sender header");
	senders_output_free(&out);
}

/* Only the mail server's name was missing: no original to keep. */
static void
completed(void **state)
{
	static const struct {
		const char *in, *from;
	} cases[] = {
		{ "root", "From: root@example.com\r\n" },
		{ "Cron <root>", "From: Cron <root@example.com>\r\n" },
		{ "root (Cron), me@example.com",
		    "From: root@example.com (Cron), me@example.com\r\n" },
	};
	struct judged j;

	(void)state;
	rules.host = "example.com";
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		judge(&j, "From", cases[i].in, strlen(cases[i].in), NULL);
		assert_int_equal(j.rc, 0);
		assert_string_equal(j.out.from.data, cases[i].from);
		assert_int_equal(j.out.extra.len, 0);
		judged_free(&j);
	}
	rules.host = HOST;
}

/* In mail with a null sender no rule counts and nothing is refused. */
static void
null_senders(void **state)
{
	static const struct {
		const char *in, *from;
	} cases[] = {
		{ "me@example.com", "" },
		{ "a@gone.example (x)", "null@example.com (x)" },
		{ "A <a@gone.example>, b@example.com",
		    "A <null@example.com>, b@example.com" },
		{ "root", "null@example.com" },
		{ "<>", "<null@example.com>" },
		{ "nonsense <", "<null@example.com>" },
	};
	char null_sender[] = "null@example.com", none[] = "";
	struct address null;
	struct judged j;
	struct err err;
	char want[100];

	(void)state;
	conf.rewrite.null_sender = null_sender;
	assert_int_equal(rewrite_null_sender(&rules, &null, &err), 0);
	conf.rewrite.null_sender = none;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		(void)snprintf(want, sizeof(want), "%s%s%s",
		    *cases[i].from != '\0' ? "From: " : "", cases[i].from,
		    *cases[i].from != '\0' ? "\r\n" : "");
		judge(&j, "From", cases[i].in, strlen(cases[i].in), &null);
		assert_int_equal(j.rc, 0);
		assert_string_equal(j.out.from.data, want);
		judged_free(&j);
	}
}

#define A60 "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define LONG A60 "@" A60 "." A60 ".example"

/* What was refused is named whole or not at all. */
static void
long_addresses(void **state)
{
	static const char *const t[][2] = {
		{ "<" LONG ">", "From <" LONG "> is not a verified identity" },
		{ "<" A60 A60 A60 A60 LONG ">", "From <...> is no address" },
	};
	struct judged j;

	(void)state;
	conf.rewrite.dflt = CONF_DEFAULT_REJECT;
	for (size_t i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		judge(&j, "From", t[i][0], strlen(t[i][0]), NULL);
		assert_int_equal(j.rc, -1);
		assert_contains(j.out.text, t[i][1]);
		judged_free(&j);
	}
}

static void
lists(void **state)
{
	static const char text[] = "From: A <a@x.example>, J\303\266rg <root>,"
				   " b(c)@B.example, 用@x\r\n";
	struct header_field f;
	struct buf out;
	size_t pos = 0;

	(void)state;
	assert_int_equal(header_next(text, strlen(text), &pos, &f), 1);
	buf_init(&out, 40);
	senders_list(&f, &out);
	assert_string_equal(out.data, "a@x.example,root,b@B.example,???@x");
	buf_free(&out);
	buf_init(&out, 14); /* what has no room is left out */
	senders_list(&f, &out);
	assert_string_equal(out.data, "a@x.example");
	buf_free(&out);
}

static int
setup(void **state)
{
	static char empty[] = "", names[][16] = { "postern.conf", "identities",
		"senders", "reject" };
	struct err err;
	int fd = mkstemp(file);

	(void)state;
	if (fd == -1 || close(fd) == -1)
		return -1;
	conf.file = names[0];
	conf.identities.file = names[1];
	conf.rewrite.senders = names[2];
	conf.rewrite.dflt_text = names[3];
	conf.rewrite.null_sender = conf.rewrite.srs_domain = empty;
	rules.conf = &conf;
	rules.host = HOST;
	rules.verified = verified_load(put("example.com\n"
					   "me@other.example\n"
					   "xn--wgv71a119e.jp\n"),
	    &err);
	rules.table = rewrite_table_load(
	    put("@srs.example srs\n"
		"@lan {local}=at={domain}@example.com\n"
		"@.lan {local}=at={domain}@example.com\n"
		"@fixed.example sales@example.com\n"
		"@gone.example reject\n"
		"@later.example defer\n"
		"@bad.example x@unverified.example\n"
		"postmaster@ pm@example.com\n"),
	    &err);
	rules.secret = secret_load(put("0123456789abcdef\n"), &err);
	return rules.verified == NULL || rules.table == NULL ||
		rules.secret == NULL
	    ? -1
	    : 0;
}

static int
teardown(void **state)
{
	(void)state;
	verified_release(rules.verified);
	rewrite_table_release(rules.table);
	secret_release(rules.secret);
	return unlink(file);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(outcomes),
		cmocka_unit_test(cuts),
		cmocka_unit_test(fields_that_come_twice),
		cmocka_unit_test(completed),
		cmocka_unit_test(null_senders),
		cmocka_unit_test(long_addresses),
		cmocka_unit_test(lists),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
