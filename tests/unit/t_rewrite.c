/* SPDX-License-Identifier: BSD-2-Clause */
#include "config.h"

#include "tests/unit/unit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "identity/rewrite.h"
#include "identity/srs.h"

/*
 * The table and the rules. What becomes of many addresses and headers is in
 * senders.txt (see t_senders.c).
 */

#define N(a) (sizeof(a) / sizeof((a)[0]))
#define WALL_US INT64_C(1790000000000000)

#define A16 "aaaaaaaaaaaaaaaa"
#define A60 A16 A16 A16 "aaaaaaaaaaaa"

static char file[] = "/tmp/t_rewrite-XXXXXX";

static const char *
put(const char *text)
{
	FILE *fp = fopen(file, "w");

	assert_non_null(fp);
	assert_true(fputs(text, fp) >= 0);
	assert_int_equal(fclose(fp), 0);
	assert_int_equal(chmod(file, 0600), 0);
	return file;
}

/* The rules, made of texts. */
struct rig {
	struct conf conf;
	struct rewrite_rules rules;
	struct rewrite_decision d;
};

static void
rig_init(struct rig *r, const char *identities, const char *senders)
{
	static char empty[] = "", names[][16] = { "postern.conf", "identities",
		"senders", "reject" };
	struct err err;

	memset(r, 0, sizeof(*r));
	r->conf.file = names[0];
	r->conf.identities.file = names[1];
	r->conf.rewrite.senders = names[2];
	r->conf.rewrite.dflt_text = names[3];
	r->conf.rewrite.null_sender = r->conf.rewrite.srs_domain = empty;
	r->rules.conf = &r->conf;
	r->rules.verified = verified_load(put(identities), &err);
	assert_non_null(r->rules.verified);
	r->rules.table = rewrite_table_load(put(senders), &err);
	if (r->rules.table == NULL)
		fail_msg("%s", err.text);
	r->rules.secret = secret_load(put("0123456789abcdef\n"), &err);
	assert_non_null(r->rules.secret);
}

static void
rig_free(struct rig *r)
{
	verified_release(r->rules.verified);
	rewrite_table_release(r->rules.table);
	secret_release(r->rules.secret);
}

static void
ask(struct rig *r, const char *address)
{
	rewrite_sender(&r->rules, address, strlen(address), WALL_US, &r->d);
}

static void
becomes(struct rig *r, const char *address, const char *to, const char *why)
{
	ask(r, address);
	if (r->d.action != REWRITE_REPLACE)
		fail_msg("%s: %d, %s", address, r->d.action, r->d.why);
	assert_string_equal(r->d.to.text, to);
	assert_contains(r->d.why, why);
}

static void
passes(struct rig *r, const char *address, const char *why)
{
	ask(r, address);
	if (r->d.action != REWRITE_PASS)
		fail_msg("%s: %d, %s", address, r->d.action, r->d.why);
	assert_string_equal(r->d.to.text, r->d.original.text);
	assert_contains(r->d.why, why);
}

static void
refused(struct rig *r, const char *address, const char *dsn, const char *why)
{
	ask(r, address);
	assert_int_equal(r->d.action,
	    dsn[0] == '4' ? REWRITE_DEFER : REWRITE_REJECT);
	assert_string_equal(r->d.dsn, dsn);
	assert_contains(r->d.why, why);
}

static void
bad_tables(void **state)
{
	static const struct {
		const char *text, *line, *words;
	} cases[] = {
		{ "x@y.example", ":1: ", "stands alone" },
		{ "\n# c\n* srs\nfoo srs # c\n", ":4: ", "\"foo\" matches" },
		{ "user@a_b srs", ":1: ", "matches nothing" },
		{ "@a..b srs", ":1: ", "no domain" },
		{ "@. srs", ":1: ", "no domain" },
		{ "@ srs", ":1: ", "no domain" },
		{ "\"a b@ srs", ":1: ", "stands alone" },
		{ "** srs", ":1: ", "matches nothing" },
		{ "*@a.example srs", ":1: ", "write \"@a.example\"" },
		{ "a@b.example fixed:x@y.example", ":1: ",
		    "here stands the address alone" },
		{ "* SRS", ":1: ", "neither an address" },
		{ "* srs @b.example", ":1: ", "neither an address" },
		{ "* a b@c.example", ":1: ", "neither an address" },
		{ "* \"a\"@c.example", ":1: ", "neither an address" },
		{ "* @c.example", ":1: ", "neither an address" },
		{ "* a@", ":1: ", "no address" },
		{ "* a@b@c.example", ":1: ", "neither an address" },
		{ "* {user}@c.example", ":1: ", "{local} and {domain}" },
		{ "* x}@c.example", ":1: ", "{local} and {domain}" },
		{ "* {local}@{local", ":1: ", "{local} and {domain}" },
		{ "* x@10.0.0.1", ":1: ", "no address" },
	};
	struct rewrite_table *t;
	struct err err;

	(void)state;
	for (size_t i = 0; i < N(cases); i++) {
		t = rewrite_table_load(put(cases[i].text), &err);
		if (t != NULL)
			fail_msg("taken: %s", cases[i].text);
		assert_int_equal(err.class, ERR_CONFIG);
		assert_contains(err.text, file);
		assert_contains(err.text, cases[i].line);
		assert_contains(err.text, cases[i].words);
	}
	assert_null(rewrite_table_load("/nonexistent/senders", &err));
	assert_int_equal(err.class, ERR_LOCAL);
}

static void
first_match_wins(void **state)
{
	static const char senders[] =
	    "Boss@Evil.example one@ok.example # exactly\n"
	    "root@\ttwo+{domain}@ok.example\r\n"
	    "\"john doe\"@evil.example  four@ok.example\n"
	    "@.evil.example three+{local}@ok.example\n"
	    "@evil.example {local}=at={domain}@{local}.ok.example\n"
	    "@B\303\234CHER.example b@ok.example\n"
	    "spam@ reject\n"
	    "later@ defer\n"
	    "@srs.example srs\n"
	    "* five@ok.example\n";
	const struct rewrite_rule *rule;
	struct rig r;

	(void)state;
	rig_init(&r, "ok.example\n", senders);
	becomes(&r, "boss@EVIL.EXAMPLE", "one@ok.example",
	    "line 1 of senders (Boss@Evil.example one@ok.example)");
	becomes(&r, "ROOT@a.b.example", "two+a.b.example@ok.example", "line 2");
	becomes(&r, "root@evil.example", "two+evil.example@ok.example", "2");
	becomes(&r, "\"john doe\"@evil.example", "four@ok.example", "line 3");
	becomes(&r, "x@Sub.Evil.Example", "three+x@ok.example", "line 4");
	becomes(&r, "x@evil.example", "x=at=evil.example@x.ok.example", "5");
	becomes(&r, "x@notevil.example", "five@ok.example", "line 10");
	becomes(&r, "x@xn--bcher-kva.example", "b@ok.example", "line 6");
	becomes(&r, "x@b\303\274cher.example", "b@ok.example", "line 6");
	refused(&r, "spam@any.example", "5.7.1", "may not send: line 7");
	refused(&r, "later@any.example", "4.7.1", "for now: line 8");
	passes(&r, "spam@ok.example", "covered by ok.example");
	passes(&r, "<@relay.example,@b.example:me@sub.ok.example>", "covered");
	passes(&r, "<>", "null sender");
	passes(&r, "", "null sender");

	assert_true(rewrite_table_has_srs(r.rules.table));
	rule = rewrite_table_item(r.rules.table, 9);
	assert_string_equal(rule->left, "*");
	assert_null(rewrite_table_item(r.rules.table, 10));
	rig_free(&r);
}

/* What is no address to SES still has parts to go by. */
static void
no_addresses(void **state)
{
	static const char senders[] =
	    "@example.jp jp+{domain}@ok.example\n"
	    "www-data@ www+{domain}@ok.example\n"
	    "@local.example {local}@ok.example\n"
	    "@srs.example srs\n";
	char host[] = "mx.internal", good[] = "ok.example";
	struct rig r;

	(void)state;
	rig_init(&r, "ok.example\n", senders);
	becomes(&r, "用户@example.jp", "jp+example.jp@ok.example", "line 1");
	becomes(&r, "www-data@web_1", "www+web_1@ok.example", "line 2");
	becomes(&r, "www-data@[192.0.2.1]", "\"www+[192.0.2.1]\"@ok.example",
	    "line 2");
	refused(&r, "用户@local.example", "5.7.1", "nothing to put for {local}");
	refused(&r, "用户@srs.example", "5.6.0", "not ASCII");
	refused(&r, "用户@ok.example", "5.6.0", "not ASCII");
	refused(&r, "a@web_1", "5.6.0", "no domain name");
	refused(&r, "www-data", "5.7.1", "nothing to put for {domain}");
	refused(&r, "root", "5.6.0", "without @ and domain");
	refused(&r, "@ok.example", "5.6.0", "nothing before the @");
	assert_string_equal(r.d.original.text, "");

	r.rules.host = host;
	refused(&r, "root", "5.7.1", "identities root@mx.internal");
	becomes(&r, "www-data", "www+mx.internal@ok.example", "line 2");
	assert_false(r.d.completed);
	r.rules.host = good;
	becomes(&r, "root", "root@ok.example", "completed");
	assert_true(r.d.completed);
	becomes(&r, "\"a b\"@", "\"a b\"@ok.example", "completed");
	rig_free(&r);
}

static void
parts_that_do_not_fit(void **state)
{
	struct rig r;

	(void)state;
	rig_init(&r, "ok.example\n", "@a.example prefix-{local}@ok.example\n"
	    "@b.example {local}@ok.example\n" A60 "@c.example reject\n");
	refused(&r, A60 "@a.example", "5.7.1", "longer than 64");
	becomes(&r, "\"a b\\\"\"@a.example", "\"prefix-a b\\\"\"@ok.example",
	    "line 1");
	becomes(&r, "a..b@b.example", "\"a..b\"@ok.example", "line 2");
	becomes(&r, "u%h!x@b.example", "u%h!x@ok.example", "line 2");
	refused(&r, A60 "@c.example", "5.7.1", "line 3 of senders (... reject)");
	rig_free(&r);
}

static void
defaults(void **state)
{
	char fixed[] = "fixed:Web@ok.example", bad[] = "fixed:a@evil.example";
	char srs[] = "srs", null[] = "me@other.example";
	char unverified[] = "me@evil.example";
	struct address srs_address;
	struct rig r;
	struct err err;

	(void)state;
	rig_init(&r, "ok.example\nme@other.example\n", "");
	refused(&r, "x@evil.example", "5.7.1",
	    "verify it and add it to identities (see: postern identities "
	    "x@evil.example)");
	refused(&r, "`id`@evil.example", "5.7.1", "postern identities ADDRESS");
	r.conf.rewrite.dflt = CONF_DEFAULT_DEFER;
	refused(&r, "x@evil.example", "4.7.1", "not a verified identity");
	refused(&r, "x@", "5.6.0", "no domain");

	r.conf.rewrite.dflt = CONF_DEFAULT_FIXED;
	r.conf.rewrite.dflt_text = fixed;
	r.conf.rewrite.fixed = fixed + 6;
	becomes(&r, "x@evil.example", "Web@ok.example",
	    "rewrite default = fixed:Web@ok.example");
	becomes(&r, "用户@evil.example", "Web@ok.example", "default");
	becomes(&r, "not an address", "Web@ok.example", "default");
	passes(&r, "me+x@other.example", "covered by me@other.example");
	r.conf.rewrite.dflt_text = bad;
	r.conf.rewrite.fixed = bad + 6;
	refused(&r, "x@evil.example", "4.3.5",
	    "<a@evil.example> by rewrite default = fixed:a@evil.example, which "
	    "is not a verified identity");

	r.conf.rewrite.dflt = CONF_DEFAULT_SRS;
	r.conf.rewrite.dflt_text = srs;
	ask(&r, "x@evil.example");
	assert_int_equal(srs_forward(r.rules.secret, &r.d.original,
			     "ok.example", WALL_US, &srs_address, &err), 0);
	becomes(&r, "x@evil.example", srs_address.text, "default = srs");
	passes(&r, srs_address.text, "covered");
	becomes(&r, A60 "@evil.example", "mailer-daemon@ok.example",
	    "rewrite default = srs; too long for SRS, so rewrite null-sender "
	    "stands in, and bounces do not find the way back");
	r.conf.rewrite.null_sender = null;
	becomes(&r, A60 "@evil.example", "me@other.example", "too long");
	r.conf.rewrite.null_sender = unverified;
	refused(&r, A60 "@evil.example", "5.7.1", "can't become an SRS");
	refused(&r, "用户@evil.example", "5.6.0", "not ASCII");
	secret_release(r.rules.secret);
	r.rules.secret = NULL;
	refused(&r, "x@evil.example", "4.3.5", "needs a key");
	rig_free(&r);
}

static void
srs_domains(void **state)
{
	char srs[] = "srs", set[] = "evil.example";
	struct rig r;

	(void)state;
	rig_init(&r, "me@a.example\n", "* srs\n");
	assert_null(rewrite_srs_domain(&r.conf, r.rules.verified));
	refused(&r, "x@evil.example", "4.3.5", "set rewrite srs-domain");
	rig_free(&r);
	rig_init(&r, "me@a.example\nb.example\nc.example\n", "* srs\n");
	r.conf.rewrite.dflt_text = srs;
	assert_string_equal(rewrite_srs_domain(&r.conf, r.rules.verified),
	    "b.example");
	r.conf.rewrite.srs_domain = set;
	assert_string_equal(rewrite_srs_domain(&r.conf, r.rules.verified),
	    "evil.example");
	refused(&r, "x@y.example", "4.3.5", "is not a verified identity");
	rig_free(&r);
}

static void
comes_back_to(struct rig *r, const char *text, enum srs_result expected)
{
	struct address srs, back;
	struct err err;

	assert_int_equal(address_parse(text, strlen(text), &srs, &err),
	    ADDRESS_OK);
	assert_int_equal(rewrite_srs_reverse(&r->rules, &srs, WALL_US, &back,
			     &err), expected);
	if (expected == SRS_OK)
		assert_string_equal(back.text, "x@y.example");
}

/* Whatever the list's order was when it was made. */
static void
srs_comes_back_to_each_domain(void **state)
{
	char srs[] = "srs", set[] = "sub.b.example", text[ADDRESS_MAX];
	struct rig r;
	int local;

	(void)state;
	rig_init(&r, "a.example\nb.example\nme@c.example\n", "* srs\n");
	r.conf.rewrite.dflt_text = srs;
	r.conf.rewrite.srs_domain = set;
	ask(&r, "x@y.example");
	local = (int)r.d.to.local_len;
	for (size_t i = 0; i < 2; i++) {
		comes_back_to(&r, r.d.to.text, SRS_OK);
		(void)snprintf(text, sizeof(text), "%.*s@B.example", local,
		    r.d.to.text);
		comes_back_to(&r, text, SRS_OK);
		(void)snprintf(text, sizeof(text), "%.*s@a.example", local,
		    r.d.to.text);
		comes_back_to(&r, text, SRS_OK);
		(void)snprintf(text, sizeof(text), "%.*s@c.example", local,
		    r.d.to.text);
		comes_back_to(&r, text, SRS_NONE);
		(void)snprintf(text, sizeof(text), "%.*s@other.b.example",
		    local, r.d.to.text);
		comes_back_to(&r, text, SRS_NONE);
		(void)snprintf(text, sizeof(text), "%.*s@a.example", local,
		    r.d.to.text);
		text[6] = text[6] == 'A' ? 'B' : 'A';
		comes_back_to(&r, text, SRS_FORGED);
		set[0] = '\0';
		ask(&r, "x@y.example");
	}
	rig_free(&r);
}

static void
without_identities(void **state)
{
	struct rig r;

	(void)state;
	rig_init(&r, "", "* a@evil.example\n");
	passes(&r, "x@any.example", "no identities are known");
	refused(&r, "root", "5.6.0", "without @");
	rig_free(&r);
}

static int
make_file(void **state)
{
	int fd = mkstemp(file);

	(void)state;
	return fd == -1 ? -1 : close(fd);
}

static int
remove_file(void **state)
{
	(void)state;
	return unlink(file);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(bad_tables),
		cmocka_unit_test(first_match_wins),
		cmocka_unit_test(no_addresses),
		cmocka_unit_test(parts_that_do_not_fit),
		cmocka_unit_test(defaults),
		cmocka_unit_test(srs_domains),
		cmocka_unit_test(srs_comes_back_to_each_domain),
		cmocka_unit_test(without_identities),
	};

	return cmocka_run_group_tests(tests, make_file, remove_file);
}
