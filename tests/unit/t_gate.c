/* SPDX-License-Identifier: BSD-2-Clause */
#include "config.h"

#include "tests/unit/secrettest.h"
#include "tests/unit/unit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/buf.h"
#include "identity/origin.h"
#include "lmtp/gate.h"

#define N(a) (sizeof(a) / sizeof((a)[0]))

static char file[] = "/tmp/t_gate-XXXXXX";
static struct verified *verified; /* example.com, me@other.example */
static struct verified *unknown;  /* no identities */
static struct rewrite_table *table; /* empty */
static char empty[] = "", conf_file[] = "/etc/postern/postern.conf";

/* What one run of the gate needs and gives. */
struct run {
	struct conf conf;
	struct rewrite_rules rules;
	struct address sender;
	struct gate_output out;
	struct gate_reply reply;
	enum gate_result result;
};

static void
start(struct run *r, const char *sender)
{
	struct err err;

	memset(r, 0, sizeof(*r));
	r->conf.file = conf_file;
	r->conf.identities.file = file;
	r->conf.identities.sandbox = true;
	r->conf.rewrite.null_sender = r->conf.rewrite.srs_domain = empty;
	r->conf.rewrite.senders = empty;
	r->conf.rewrite.dflt_text = empty;
	r->conf.ses.configuration_set = empty;
	r->rules.conf = &r->conf;
	r->rules.verified = verified;
	r->rules.table = table;
	if (*sender != '\0')
		assert_int_equal(address_parse(sender, strlen(sender),
				     &r->sender, &err), ADDRESS_OK);
}

static struct message *
receive(const char *text, size_t len)
{
	struct message *m = message_new("/tmp", "");
	struct err err;
	size_t used;

	assert_int_equal(message_feed(m, text, len, &used, &err), 0);
	assert_int_equal(message_feed(m, ".\r\n", 3, &used, &err), 1);
	assert_int_equal(message_end(m, &err), 0);
	return m;
}

static void
gate(struct run *r, const char *text)
{
	struct message *m = receive(text, strlen(text));
	struct gate_input in = { &r->rules, m, &r->sender, 0, NULL };

	r->result = gate_check(&in, &r->out, &r->reply);
	message_release(m);
}

static void
finish(struct run *r)
{
	gate_output_free(&r->out);
}

/* A message that must pass with this header section and these repairs. */
static void
passes(struct run *r, const char *text, const char *head, const char *repairs)
{
	gate(r, text);
	if (r->result != GATE_PASS)
		fail_msg("refused: %s", r->reply.text);
	assert_string_equal(r->out.head.data, head);
	assert_string_equal(r->out.repairs.data, repairs);
	finish(r);
}

/* One that must not, for a reason with these words. */
static void
refused(struct run *r, const char *text, unsigned code, const char *dsn,
    const char *words)
{
	gate(r, text);
	assert_int_equal(r->result, code < 500 ? GATE_DEFER : GATE_REFUSE);
	assert_int_equal(r->reply.code, code);
	assert_string_equal(r->reply.dsn, dsn);
	assert_contains(r->reply.text, words);
	finish(r);
}

static void
untouched(void **state)
{
	static const char head[] =
	    "Received: from a (b [192.0.2.1])\r\n"
	    "\tby mx.example.com (Postfix) with ESMTPS id 4Xyz12AbC\r\n"
	    "\tfor <x@y.example>; Sun, 22 Nov 2026 03:22:12 +0000\r\n"
	    "from:   Joe\t\"Q\" <joe@EXAMPLE.com> (c)\r\n"
	    "X-Odd :  kept \r\n"
	    "..dot: stuffed\r\n"
	    "To: a@b.example\r\n"
	    "To: c@d.example\r\n"
	    "Subject: =?ISO-2022-JP?B?GyRCN29MPhsoQg==?=\r\n"
	    "\r\n";
	char text[1000];
	struct run r;

	(void)state;
	(void)snprintf(text, sizeof(text), "%s%s", head, "body\r\n..\r\n");
	start(&r, "joe@example.com");
	gate(&r, text);
	assert_int_equal(r.result, GATE_PASS);
	assert_string_equal(r.out.head.data, head);
	assert_int_equal(r.out.body_off, strlen(head));
	assert_string_equal(r.out.repairs.data, "");
	assert_string_equal(r.out.sender.text, "joe@example.com");
	assert_string_equal(r.out.from.data, "joe@EXAMPLE.com");
	assert_string_equal(r.out.queue_ids.data, "4Xyz12AbC");
	assert_null(r.out.message_id);
	assert_true(r.out.has_received);
	finish(&r);
	/* A message without a body has an empty one. */
	start(&r, "joe@example.com");
	passes(&r, "From: me@example.com\r\n", "From: me@example.com\r\n\r\n",
	    "");
}

static void
drops(void **state)
{
	struct run r;
	char *allowed[] = { (char[]) { "x-ses-message-tags" },
		(char[]) { "X-SES-Configuration-Set" } };
	char set[] = "mine", tag[] = "a=b";
	char *tags[] = { tag };
	static const char text[] = "Return-Path: <x@y.example>\r\n"
				   "Delivered-To: a@b.example\r\n"
				   "Delivered-To: c@d.example\r\n"
				   "DKIM-Signature: v=1; a=x\r\n"
				   "DKIM-Signature: v=1; a=y\r\n"
				   "From: a@example.com\r\n"
				   "bcc: secret@example.com\r\n"
				   "Resent-Bcc: secret@example.com\r\n"
				   "X-SES-CONFIGURATION-SET: theirs\r\n"
				   "x-ses-message-tags : k=v,\r\n"
				   " POSTERN=x-1-1, bad tag, l_1=w-2\r\n"
				   ".X-SES-Source-ARN: arn\r\n"
				   "\r\n";

	(void)state;
	start(&r, "a@example.com");
	passes(&r, text, "From: a@example.com\r\n\r\n",
	    "dropped=Return-Path,Delivered-To,DKIM-Signature,bcc,Resent-Bcc,"
	    "X-SES-CONFIGURATION-SET,x-ses-message-tags,X-SES-Source-ARN");

	start(&r, "a@example.com");
	r.conf.ses.allow_headers = (struct conf_list) { allowed, 2 };
	gate(&r, text);
	assert_int_equal(r.result, GATE_PASS);
	assert_string_equal(r.out.head.data, "From: a@example.com\r\n"
	    "X-SES-CONFIGURATION-SET: theirs\r\n\r\n");
	assert_string_equal(r.out.tags.data, "k=v, l_1=w-2");
	finish(&r);

	start(&r, "a@example.com");
	r.conf.ses.allow_headers = (struct conf_list) { allowed, 2 };
	r.conf.ses.configuration_set = set;
	r.conf.ses.message_tags = (struct conf_list) { tags, 1 };
	gate(&r, text);
	assert_string_equal(r.out.head.data, "From: a@example.com\r\n\r\n");
	assert_string_equal(r.out.tags.data, "");
	finish(&r);
}

static void
dkim_kept(void **state)
{
	struct run r;

	(void)state;
	start(&r, "a@example.com");
	r.conf.ses.dkim_signature = CONF_DKIM_KEEP;
	passes(&r, "DKIM-Signature: v=1\r\nFrom: a@example.com\r\n\r\n",
	    "DKIM-Signature: v=1\r\nFrom: a@example.com\r\n\r\n", "");
	refused(&r, "DKIM-Signature: v=1\r\nDKIM-Signature: v=2\r\n"
	    "From: a@example.com\r\n\r\n", 550, "5.6.0", "DKIM-Signature");
}

/* Every header that SES takes once (SES facts 3.4). */
static void
once_only(void **state)
{
	static const char *const names[] = { "Accept-Language",
		"acceptLanguage", "Archived-At", "Auto-Submitted",
		"Bounces-to", "Comments", "Content-Alternative",
		"Content-Base", "Content-Class", "Content-Description",
		"Content-Disposition", "Content-Duration", "Content-ID",
		"Content-Language", "Content-Length", "Content-Location",
		"Content-MD5", "Content-Transfer-Encoding", "Content-Type",
		"Date", "Disposition-Notification-Options",
		"Disposition-Notification-To", "DomainKey-Signature",
		"Errors-To", "Importance", "In-Reply-To", "Keywords",
		"List-Archive", "List-Help", "List-Id", "List-Owner",
		"List-Post", "List-Subscribe", "List-Unsubscribe",
		"Message-Context", "Message-ID", "MIME-Version",
		"Organization", "Original-From", "Original-Message-ID",
		"Original-Recipient", "Original-Subject", "Precedence",
		"Priority", "References", "Reply-To", "Return-Receipt-To",
		"Sensitivity", "Solicitation", "Subject", "Thread-Index",
		"Thread-Topic", "User-Agent", "VBR-Info" };
	char text[500], head[500], repairs[100];
	struct run r;

	(void)state;
	start(&r, "a@example.com");
	for (size_t i = 0; i < N(names); i++) {
		(void)snprintf(text, sizeof(text),
		    "%s: a b\r\nFrom: a@example.com\r\n%s:a\r\n b \r\n\r\n",
		    names[i], names[i]);
		(void)snprintf(head, sizeof(head),
		    "%s: a b\r\nFrom: a@example.com\r\n\r\n", names[i]);
		(void)snprintf(repairs, sizeof(repairs), "collapsed=%s",
		    names[i]);
		passes(&r, text, head, repairs);
		(void)snprintf(text, sizeof(text),
		    "%s: a\r\nFrom: a@example.com\r\n%s: b\r\n\r\n", names[i],
		    names[i]);
		refused(&r, text, 550, "5.6.0", names[i]);
	}
	passes(&r, "From: a@example.com\r\nFROM: a@example.com\r\n"
	    "Sender: a@example.com\r\nSender: a@example.com\r\n\r\n",
	    "From: a@example.com\r\nSender: a@example.com\r\n\r\n",
	    "collapsed=FROM,Sender");
	refused(&r, "From: a@example.com\r\nFrom: b@example.com\r\n\r\n", 550,
	    "5.6.0", "only one From header");
}

static void
senders(void **state)
{
	static const struct {
		const char *sender, *text, *words, *dsn;
	} cases[] = {
		{ "a@evil.example", "From: a@example.com\r\n\r\n",
		    "envelope sender <a@evil.example>", "5.7.1" },
		{ "a@example.com", "From: a@evil.example\r\n\r\n",
		    "From <a@evil.example> is not a verified identity",
		    "5.7.1" },
		{ "a@example.com", "From: Me@other.example\r\n\r\n",
		    "postern identities Me@other.example", "5.7.1" },
		{ "a@example.com",
		    "From: a@example.com, Bob <b@evil.example>\r\n\r\n",
		    "From <b@evil.example>", "5.7.1" },
		{ "a@example.com", "From: g: b@evil.example;\r\n\r\n",
		    "From <b@evil.example>", "5.7.1" },
		{ "a@example.com", "From: `id`@evil.example\r\n\r\n",
		    "postern identities ADDRESS", "5.7.1" },
		{ "a@example.com", "From: a@example.com\r\n"
				   "Sender: s@evil.example\r\n\r\n",
		    "Sender <s@evil.example>", "5.7.1" },
		{ "a@example.com", "Subject: x\r\n\r\n", "no From header",
		    "5.6.0" },
		{ "a@example.com", "\r\n", "no From header", "5.6.0" },
		{ "a@example.com", "From: Joe\r\n\r\n", "without @ and domain",
		    "5.6.0" },
		{ "a@example.com", "From: Cron <root>\r\n\r\n", "<root>",
		    "5.6.0" },
		{ "a@example.com", "From: 用户@example.com\r\n\r\n",
		    "not ASCII", "5.6.0" },
		{ "a@example.com", "From: Joe Doe\r\n\r\n", "the From header",
		    "5.6.0" },
		{ "a@example.com", "From: a@example.com (\r\n\r\n",
		    "RFC 5322", "5.6.0" },
		{ "a@example.com", "From: \r\n\r\n", "has no address",
		    "5.6.0" },
		{ "a@example.com", "From: g:;\r\n\r\n", "has no address",
		    "5.6.0" },
		{ "a@example.com", "From: a@example.com\r\n"
				   "Sender: root\r\n\r\n",
		    "Sender <root> is no address", "5.6.0" },
	};
	struct run r;

	(void)state;
	for (size_t i = 0; i < N(cases); i++) {
		start(&r, cases[i].sender);
		refused(&r, cases[i].text, 550, cases[i].dsn, cases[i].words);
		if (strcmp(cases[i].dsn, "5.7.1") != 0)
			continue;
		r.conf.rewrite.dflt = CONF_DEFAULT_DEFER;
		refused(&r, cases[i].text, 451, "4.7.1", cases[i].words);
		refused(&r, cases[i].text, 451, "4.7.1", file);
		r.rules.verified = unknown;
		gate(&r, cases[i].text);
		assert_int_equal(r.result, GATE_PASS);
		finish(&r);
	}
	start(&r, "me+x@other.example");
	gate(&r, "From: a@x.example.com, B <me@other.example>\r\n"
		 "Sender: x@Example.COM\r\n\r\n");
	assert_int_equal(r.result, GATE_PASS);
	assert_string_equal(r.out.from.data,
	    "a@x.example.com,me@other.example");
	finish(&r);
}

static void
too_many_in_from(void **state)
{
	struct run r;
	struct buf b;

	(void)state;
	buf_init(&b, 100000);
	buf_adds(&b, "From: a@example.com");
	for (int i = 0; i < 100; i++)
		buf_addf(&b, ",\r\n a%d@example.com", i);
	buf_adds(&b, "\r\n\r\n");
	start(&r, "a@example.com");
	refused(&r, b.data, 550, "5.6.0", "too many");
	buf_free(&b);
}

static void
null_senders(void **state)
{
	static char set[] = "Bounces@EXAMPLE.com", bad[] = "x@evil.example";
	struct run r;

	(void)state;
	start(&r, "");
	gate(&r, "From: a@example.com\r\n\r\n");
	assert_int_equal(r.result, GATE_PASS);
	assert_string_equal(r.out.sender.text, "mailer-daemon@example.com");
	assert_string_equal(r.out.repairs.data, "null-sender");
	finish(&r);

	passes(&r, "From: MAILER-DAEMON@mx.local (Mail System)\r\n"
		   "To: a@b.example\r\n\r\n",
	    "From: mailer-daemon@example.com (Mail System)\r\n"
	    "To: a@b.example\r\n"
	    "X-Original-From: MAILER-DAEMON@mx.local (Mail System)\r\n"
	    "Reply-To: MAILER-DAEMON@mx.local (Mail System)\r\n\r\n",
	    "null-sender from=replaced");

	r.conf.rewrite.null_sender = set;
	passes(&r, "From: 山田 <y@evil.example>, b@example.com\r\n"
		   "Reply-To: x@y.example\r\n"
		   "Sender: S <s@evil.example>\r\n\r\n",
	    "From: =?UTF-8?B?5bGx55Sw?= <Bounces@EXAMPLE.com>, b@example.com\r\n"
	    "Reply-To: x@y.example\r\n"
	    "Sender: S <Bounces@EXAMPLE.com>\r\n"
	    "X-Original-From: =?UTF-8?B?5bGx55Sw?= <y@evil.example>,"
	    " b@example.com\r\n\r\n",
	    "null-sender from=replaced sender=replaced "
	    "encoded=From,X-Original-From");

	/* What can't be answered is no Reply-To. */
	passes(&r, "From: Cron <root>\r\n\r\n",
	    "From: Cron <Bounces@EXAMPLE.com>\r\n"
	    "X-Original-From: Cron <root>\r\n\r\n",
	    "null-sender from=replaced");
	passes(&r, "From: Mail System\r\n\r\n",
	    "From: <Bounces@EXAMPLE.com>\r\n"
	    "X-Original-From: Mail System\r\n\r\n",
	    "null-sender from=replaced");

	r.conf.rewrite.null_sender = bad;
	refused(&r, "From: a@example.com\r\n\r\n", 451, "4.3.5", bad);
	r.rules.verified = unknown;
	passes(&r, "From: a@any.example\r\n\r\n",
	    "From: a@any.example\r\n\r\n", "null-sender");
	r.conf.rewrite.null_sender = empty;
	refused(&r, "From: a@example.com\r\n\r\n", 451, "4.3.5",
	    "null-sender");
	refused(&r, "From: a@example.com\r\n\r\n", 451, "4.3.5", conf_file);
}

/*
 * Rewritten by the rules: what SES checks changes, and nothing else by a byte.
 */
static void
rewritten(void **state)
{
	static const char head[] =
	    "Received: from a (b [192.0.2.1])\r\n"
	    "\tby mx.example.com (Postfix) id 4Xyz12AbC;\r\n"
	    "\tSun, 22 Nov 2026 03:22:12 +0000\r\n"
	    "X-Odd :  kept \r\n"
	    "x-empty:\r\n"
	    "from:   Joe\t\"Q\"\r\n <%s> (c)\r\n"
	    "To: joe@evil.example, <joe@evil.example>\r\n"
	    "SENDER :S <%s>\r\n"
	    "X-From: joe@evil.example\r\n"
	    "Subject: =?ISO-2022-JP?B?GyRCN29MPhsoQg==?=\r\n"
	    "%s\r\n";
	static const char extra[] =
	    "X-Original-From: Joe\t\"Q\"\r\n <joe@evil.example> (c)\r\n"
	    "Reply-To: Joe\t\"Q\"\r\n <joe@evil.example> (c)\r\n";
	char fixed[] = "fixed:new@example.com", text[1500], want[1500];
	struct run r;

	(void)state;
	(void)snprintf(text, sizeof(text), head, "joe@evil.example",
	    "s@evil.example", "");
	(void)snprintf(want, sizeof(want), head, "new@example.com",
	    "new@example.com", extra);
	start(&r, "joe@evil.example");
	r.conf.rewrite.dflt = CONF_DEFAULT_FIXED;
	r.conf.rewrite.dflt_text = fixed;
	r.conf.rewrite.fixed = fixed + 6;
	gate(&r, text);
	assert_int_equal(r.result, GATE_PASS);
	assert_string_equal(r.out.head.data, want);
	assert_string_equal(r.out.sender.text, "new@example.com");
	assert_string_equal(r.out.from.data, "joe@evil.example");
	assert_string_equal(r.out.repairs.data,
	    "envelope=replaced from=replaced sender=replaced");
	finish(&r);

	/* Once more, and nothing changes. */
	start(&r, "new@example.com");
	passes(&r, want, want, "");

	/* A null sender has its own. */
	start(&r, "");
	r.conf.rewrite.dflt = CONF_DEFAULT_FIXED;
	r.conf.rewrite.fixed = fixed + 6;
	passes(&r, "From: a@evil.example\r\n\r\n",
	    "From: mailer-daemon@example.com\r\n"
	    "X-Original-From: a@evil.example\r\n"
	    "Reply-To: a@evil.example\r\n\r\n",
	    "null-sender from=replaced");
}

/* Names in 8-bit text are encoded after their address was rewritten. */
static void
rewritten_and_encoded(void **state)
{
	char fixed[] = "fixed:new@example.com", bad[] = "fixed:x@evil.example";
	char host[] = "mx.example.com";
	struct run r;

	(void)state;
	start(&r, "a@example.com");
	r.conf.rewrite.dflt = CONF_DEFAULT_FIXED;
	r.conf.rewrite.dflt_text = fixed;
	r.conf.rewrite.fixed = fixed + 6;
	passes(&r, "From: 山田 <y@evil.example>\r\nReply-To: r@x.example\r\n"
		   "\r\n",
	    "From: =?UTF-8?B?5bGx55Sw?= <new@example.com>\r\n"
	    "Reply-To: r@x.example\r\n"
	    "X-Original-From: =?UTF-8?B?5bGx55Sw?= <y@evil.example>\r\n\r\n",
	    "from=replaced encoded=From,X-Original-From");
	passes(&r, "From: boss@b.example <y@evil.example>\r\n"
		   "Reply-To: r@x.example\r\n\r\n",
	    "From: \"boss@b.example\" <new@example.com>\r\n"
	    "Reply-To: r@x.example\r\n"
	    "X-Original-From: boss@b.example <y@evil.example>\r\n\r\n",
	    "from=replaced quoted=From");
	refused(&r, "From: \x83\x5c <y@evil.example\r\n\r\n", 550, "5.6.0",
	    "RFC 5322");

	r.rules.host = host;
	passes(&r, "From: Cron <root>\r\n\r\n",
	    "From: Cron <root@mx.example.com>\r\n\r\n", "from=replaced");

	r.conf.rewrite.dflt_text = bad;
	r.conf.rewrite.fixed = bad + 6;
	refused(&r, "From: a@evil.example\r\n\r\n", 451, "4.3.5",
	    "would become <x@evil.example>");
}

/* A NUL in a header cuts nothing: it has gone before anybody looks. */
static void
nul_in_from(void **state)
{
	static const char text[] = "From: \"a\0b\" <x@evil.example>\r\n"
				   "To: y@z.example\r\n\r\n";
	static const char head[] = "From: \"ab\" <mailer-daemon@example.com>"
				   "\r\nTo: y@z.example\r\n";
	struct message *m = receive(text, sizeof(text) - 1);
	struct run r;
	struct gate_input in;

	(void)state;
	start(&r, "");
	in = (struct gate_input) { &r.rules, m, &r.sender, 0, NULL };
	assert_int_equal(gate_check(&in, &r.out, &r.reply), GATE_PASS);
	assert_memory_equal(r.out.head.data, head, sizeof(head) - 1);
	assert_non_null(strstr(r.out.repairs.data, " nul=1"));
	finish(&r);
	message_release(m);
}

static void
names_with_at(void **state)
{
	struct run r;

	(void)state;
	start(&r, "a@example.com");
	passes(&r, "From: boss@evil.example <a@example.com>\r\n\r\n",
	    "From: \"boss@evil.example\" <a@example.com>\r\n\r\n",
	    "quoted=From");
	passes(&r, "From: =?UTF-8?B?5bGx?= (x@y) b@c.d\r\n"
		   " \"q\\\" r\"@s Z <a@example.com>\r\n\r\n",
	    "From: =?UTF-8?B?5bGx?= (x@y) \"b@c.d\"\r\n"
	    " \"q\\\" r@s\" Z <a@example.com>\r\n\r\n",
	    "quoted=From");
}

static void
japanese(void **state)
{
	struct run r;

	(void)state;
	start(&r, "yamada@example.com");
	passes(&r, "From: 山田 太郎 <yamada@example.com>\r\n"
		   "To: 鈴木 <suzuki@例え.jp>\r\n"
		   "Subject: 会議のお知らせ\r\n\r\n",
	    "From: =?UTF-8?B?5bGx55SwIOWkqumDjg==?= <yamada@example.com>\r\n"
	    "To: =?UTF-8?B?6Yi05pyo?= <suzuki@xn--r8jz45g.jp>\r\n"
	    "Subject: =?UTF-8?B?5Lya6K2w44Gu44GK55+l44KJ44Gb?=\r\n\r\n",
	    "encoded=From,To,Subject");
	/* Shift_JIS: the second byte of the name is a backslash. */
	passes(&r, "From: \"\x95\x5c\" <yamada@example.com>\r\n"
		   "Subject: \x89\xef\x8b\x63\r\n\r\n",
	    "From: =?unknown-8bit?Q?=95=5C?= <yamada@example.com>\r\n"
	    "Subject: =?unknown-8bit?Q?=89=EF=8Bc?=\r\n\r\n",
	    "encoded=From,Subject");
	passes(&r, "From: =?ISO-2022-JP?B?GyRCOzNFRBsoQg==?=\r\n"
		   " <yamada@example.com>\r\n"
		   "Subject: \033$B2q5D\033(B\r\n\r\n",
	    "From: =?ISO-2022-JP?B?GyRCOzNFRBsoQg==?=\r\n"
	    " <yamada@example.com>\r\n"
	    "Subject: \033$B2q5D\033(B\r\n\r\n", "");
}

static void
shape(void **state)
{
	struct run r;
	struct buf b;

	(void)state;
	start(&r, "a@example.com");
	passes(&r, "From x@y Sun Nov 22 03:22:12 2026\r\n"
		   "From: a@example.com\r\n\r\n",
	    "From: a@example.com\r\n\r\n", "from-line");
	passes(&r, ">From x@y Sun Nov 22 03:22:12 2026\r\n"
		   "From: a@example.com\r\n\r\n",
	    "From: a@example.com\r\n\r\n", "from-line");
	refused(&r, "From: a@example.com\r\nFrom x@y\r\n\r\n", 550, "5.6.0",
	    "no header field: From x@y");
	refused(&r, "From: a@example.com\r\ngarb\x01ge \xff\r\n\r\n", 550,
	    "5.6.0", "no header field: garb?ge ?");
	buf_init(&b, 1024 * 1024);
	for (int i = 0; i < 50; i++)
		buf_adds(&b, "Received: by x; date\r\n");
	buf_adds(&b, "From: a@example.com\r\n");
	gate(&r, b.data);
	assert_int_equal(r.result, GATE_PASS);
	finish(&r);
	buf_adds(&b, "Received: by x; date\r\n");
	refused(&r, b.data, 554, "5.4.6", "51 Received");
	while (b.len <= MESSAGE_HEADER_MAX)
		buf_adds(&b, "X-Filler: 0123456789\r\n");
	refused(&r, b.data, 552, "5.3.4", "256 KB");
	buf_free(&b);
}

static void
bare_and_long(void **state)
{
	struct run r;
	struct buf b;

	(void)state;
	start(&r, "a@example.com");
	passes(&r, "From: a@example.com\nSubj\rect: x\r\n\r\nbody\n\r\n",
	    "From: a@example.com\r\nSubject: x\r\n\r\n", "bare=3");
	buf_init(&b, 10000);
	buf_adds(&b, "From: a@example.com\r\nReferences:");
	for (int i = 0; i < 80; i++)
		buf_addf(&b, " <%d@example.com>", i);
	buf_adds(&b, "\r\n\r\n");
	gate(&r, b.data);
	assert_string_equal(r.out.repairs.data, "folded=References");
	finish(&r);
	buf_free(&b);
}

static void
traces(void **state)
{
	static const struct {
		const char *received, *ids;
	} cases[] = {
		{ "by mx.example.com (Postfix) with ESMTPS id 4Xyz12 for <a@b>;"
		  " Sun", "4Xyz12" },
		{ "from x (x [192.0.2.1])\r\n\tby mx (Postfix, from userid 0)\r\n"
		  "\tid 3ABC9; Sun", "3ABC9" },
		{ "(from root@localhost)\r\n\tby mx (8.17.1/8.17.1/Submit)"
		  " id 5AH1x2y3; Sun", "5AH1x2y3" },
		{ "from x by mx (8.17.1/8.17) with ESMTP id 5AHxxx"
		  " (version=TLSv1.3); Sun", "5AHxxx" },
		{ "from x by mx with esmtps (Exim 4.96) (envelope-from <a@b>)"
		  " id 1rAbcD-000123-2z for c@d; Sun", "1rAbcD-000123-2z" },
		{ "by 2002:a05 with SMTP id d2e1a72fcca58-6b.12.2026; Sun",
		  "d2e1a72fcca58-6b.12.2026" },
		{ "from id by mx (id not) ID X_1", "X_1" },
		{ "from id by id (Postfix) with LMTP id Q1; id Q2", "Q1" },
		{ "by mx id <evil>; Sun", "" },
		{ "by mx id 'a;b'; Sun", "" },
		{ "by mx id \xe6\x97\xa5; Sun", "" },
		{ "by mx id " "0123456789012345678901234567890123456789"
		  "0123456789012345678901234; Sun", "" },
		{ "by mx; id X", "" },
		{ "by mx id", "" },
		{ "by mx (id X", "" },
		{ "", "" },
	};
	struct run r;
	struct buf b;
	size_t ids = 0;

	(void)state;
	start(&r, "a@example.com");
	buf_init(&b, 100000);
	for (size_t i = 0; i < N(cases); i++) {
		buf_reset(&b);
		buf_addf(&b, "Received: %s\r\nFrom: a@example.com\r\n\r\n",
		    cases[i].received);
		gate(&r, b.data);
		assert_string_equal(r.out.queue_ids.data, cases[i].ids);
		assert_true(r.out.has_received);
		finish(&r);
	}
	/* Newest first, bounded, also when the message is refused. */
	buf_reset(&b);
	for (int i = 0; i < GATE_QUEUE_IDS + 10; i++)
		buf_addf(&b, "Received: by mx id A%d; Sun\r\n", i);
	buf_adds(&b, "From: b@evil.example\r\nMessage-ID:\r\n <1\t@\xe9>\r\n");
	gate(&r, b.data);
	assert_int_equal(r.result, GATE_REFUSE);
	assert_memory_equal(r.out.queue_ids.data, "A0 A1 A2 ", 9);
	for (size_t i = 0; i < r.out.queue_ids.len; i++)
		ids += r.out.queue_ids.data[i] == 'A';
	assert_int_equal(ids, GATE_QUEUE_IDS);
	assert_string_equal(r.out.message_id, "<1?@?>");
	assert_string_equal(r.out.from.data, "b@evil.example");
	finish(&r);
	buf_free(&b);
}

static enum gate_result
recipient(struct run *r, const char *text)
{
	struct address a;
	struct err err;

	assert_int_equal(address_parse(text, strlen(text), &a, &err),
	    ADDRESS_OK);
	return gate_recipient(&r->rules, &a, &r->reply);
}

/* What the milter would put on top of a message that it saw. */
static char *
sealed(const struct secret *secret, const char *queue_id)
{
	struct origin o = { .wall_us = 0 };
	struct buf value, field;

	(void)snprintf(o.queue_id, sizeof(o.queue_id), "%s", queue_id);
	origin_text(o.original, "who@elsewhere.example");
	origin_text(o.user, "alice");
	origin_mark(o.sender, "a@example.com");
	origin_mark(o.from, "a@example.com");
	origin_mark(o.message_id, "<1@x>");
	buf_init(&value, 8192);
	buf_init(&field, 8192);
	assert_int_equal(origin_seal(secret, &o, &value), 0);
	buf_adds(&field, ORIGIN_FIELD ": ");
	for (const char *p = value.data; *p != '\0'; p++) {
		if (*p == '\n') /* as the MTA hands it on */
			buf_addc(&field, '\r');
		buf_addc(&field, *p);
	}
	buf_adds(&field, "\r\n");
	buf_free(&value);
	return buf_take(&field);
}

#define ORIGIN_HEAD                                                      \
	"Received: from a by b with SMTP id Q1; Mon, 2 Mar 2026\r\n" \
	"From: <a@example.com>\r\nMessage-ID: <1@x>\r\n"

static void
origins(void **state)
{
	struct secret *secret = secret_of("a key for the gate's test");
	struct secret *other = secret_of("a key of somebody else");
	char *good = sealed(secret, "Q1"), *again = sealed(secret, "Q1");
	char *replayed = sealed(secret, "Q2"), *forged = sealed(other, "Q1");
	const struct {
		struct secret *secret;
		int64_t wall_us;
		const char *fields[3];
		const char *repairs;
		bool counts;
	} t[] = {
		{ secret, 1, { "" }, "", false },
		{ secret, 1, { good }, "origin=sealed", true },
		{ secret, 1, { good, again }, "origin=sealed,duplicated",
		    true },
		{ secret, 1, { forged, good, replayed },
		    "origin=forged,sealed,replayed", true },
		{ secret, 1, { replayed, replayed }, "origin=replayed", false },
		{ secret, 1, { "x-postern-origin : v=1\r\n" },
		    "origin=malformed", false },
		{ secret, 2000, { good }, "origin=stale", false },
		{ NULL, 1, { good }, "origin=unread", false },
	};
	struct run r;
	char text[16384];

	(void)state;
	for (size_t i = 0; i < N(t); i++) {
		struct message *m;
		struct gate_input in = { &r.rules, NULL, &r.sender,
			t[i].wall_us, NULL };

		start(&r, "a@example.com");
		r.conf.store.repeat_window = 1000;
		r.rules.secret = t[i].secret;
		text[0] = '\0';
		for (size_t j = 0; j < 3 && t[i].fields[j] != NULL; j++)
			(void)strcat(text, t[i].fields[j]);
		(void)strcat(text, ORIGIN_HEAD "\r\nbody\r\n");
		in.message = m = receive(text, strlen(text));
		assert_int_equal(
		    gate_check(&in, &r.out, &r.reply), GATE_PASS);
		message_release(m);
		assert_string_equal(r.out.head.data, ORIGIN_HEAD "\r\n");
		assert_string_equal(r.out.repairs.data, t[i].repairs);
		assert_int_equal(r.out.origin != NULL, t[i].counts);
		if (t[i].counts)
			assert_string_equal(r.out.origin->user, "alice");
		finish(&r);
	}
	free(good);
	free(again);
	free(replayed);
	free(forged);
	secret_release(secret);
	secret_release(other);
}

/* Rewritten since, and refused: noted in each case. */
static void
origin_differs(void **state)
{
	struct secret *secret = secret_of("a key for the gate's test");
	char *field = sealed(secret, "Q1"), text[4096];
	struct run r;

	(void)state;
	(void)snprintf(text, sizeof(text),
	    "%sReceived: by b id Q1; Mon, 2 Mar 2026\r\n"
	    "From: b@example.com\r\n\r\n", field);
	start(&r, "c@example.com");
	r.conf.store.repeat_window = 1000;
	r.rules.secret = secret;
	gate(&r, text);
	assert_int_equal(r.result, GATE_PASS);
	assert_string_equal(r.out.repairs.data,
	    "origin=sealed differ=sender,from,message-id");
	finish(&r);
	(void)snprintf(text, sizeof(text),
	    "%sReceived: by b id Q1; Mon, 2 Mar 2026\r\n\r\n", field);
	gate(&r, text);
	assert_int_equal(r.result, GATE_REFUSE);
	assert_non_null(r.out.origin);
	assert_string_equal(r.out.repairs.data,
	    "origin=sealed differ=sender,from,message-id");
	finish(&r);
	free(field);
	secret_release(secret);
}

static void
recipients(void **state)
{
	struct run r;

	(void)state;
	start(&r, "a@example.com");
	assert_int_equal(recipient(&r, "x@example.com"), GATE_PASS);
	assert_int_equal(recipient(&r, "bounce@simulator.amazonses.com"),
	    GATE_PASS);
	assert_int_equal(recipient(&r, "x@evil.example"), GATE_REFUSE);
	assert_int_equal(r.reply.code, 550);
	assert_string_equal(r.reply.dsn, "5.7.1");
	assert_contains(r.reply.text, "<x@evil.example>");
	assert_contains(r.reply.text, "postern identities x@evil.example");
	assert_contains(r.reply.text, "sandbox = no");
	r.conf.identities.sandbox = false;
	assert_int_equal(recipient(&r, "x@evil.example"), GATE_PASS);
	r.conf.identities.sandbox = true;
	r.rules.verified = unknown;
	assert_int_equal(recipient(&r, "x@evil.example"), GATE_PASS);
}

static int
load(void **state)
{
	static const char text[] = "example.com\nme@other.example\n";
	int fd = mkstemp(file);
	struct err err;

	(void)state;
	if (fd == -1 || write(fd, text, strlen(text)) == -1 || close(fd) == -1)
		return -1;
	verified = verified_load(file, &err);
	unknown = verified_load("", &err);
	table = rewrite_table_load("", &err);
	return verified == NULL || unknown == NULL || table == NULL ? -1 : 0;
}

static int
unload(void **state)
{
	(void)state;
	verified_release(verified);
	verified_release(unknown);
	rewrite_table_release(table);
	return unlink(file);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(untouched),
		cmocka_unit_test(drops),
		cmocka_unit_test(dkim_kept),
		cmocka_unit_test(once_only),
		cmocka_unit_test(senders),
		cmocka_unit_test(too_many_in_from),
		cmocka_unit_test(null_senders),
		cmocka_unit_test(rewritten),
		cmocka_unit_test(rewritten_and_encoded),
		cmocka_unit_test(nul_in_from),
		cmocka_unit_test(names_with_at),
		cmocka_unit_test(japanese),
		cmocka_unit_test(shape),
		cmocka_unit_test(bare_and_long),
		cmocka_unit_test(traces),
		cmocka_unit_test(origins),
		cmocka_unit_test(origin_differs),
		cmocka_unit_test(recipients),
	};

	return cmocka_run_group_tests(tests, load, unload);
}
