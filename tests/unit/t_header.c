/* SPDX-License-Identifier: BSD-2-Clause */
#include "config.h"

#include "tests/unit/unit.h"

#include <stdlib.h>
#include <string.h>

#include "core/buf.h"
#include "core/header.h"

#define N(a) (sizeof(a) / sizeof((a)[0]))

static void
fields(void **state)
{
	static const char data[] = "A: one\r\n"
				   "B:two\r\n\t folded \r\n"
				   "From x@y Mon Jan  1 00:00:00 2026\r\n"
				   "C : \r\n"
				   "garbage\r\n more\r\n"
				   "D:x\r\n"
				   "\r\n"
				   "Body: y\r\n";
	static const struct {
		int rc;
		const char *name, *value, *raw, *unfolded;
	} want[] = {
		{ 1, "A", " one", "A: one\r\n", "one" },
		{ 1, "B", "two\r\n\t folded ", "B:two\r\n\t folded \r\n",
		    "two\t folded" },
		{ -1, "", "", "From x@y Mon Jan  1 00:00:00 2026\r\n", "" },
		{ 1, "C", " ", "C : \r\n", "" },
		{ -1, "", "", "garbage\r\n more\r\n", "" },
		{ 1, "D", "x", "D:x\r\n", "x" },
		{ 0, NULL, NULL, NULL, NULL },
	};
	struct header_field f;
	struct buf b;
	size_t pos = 0;

	(void)state;
	buf_init(&b, 1000);
	for (size_t i = 0; i < N(want); i++) {
		int rc = header_next(data, strlen(data), &pos, &f);

		assert_int_equal(rc, want[i].rc);
		if (rc == 0)
			break;
		assert_int_equal(f.raw_len, strlen(want[i].raw));
		assert_memory_equal(f.raw, want[i].raw, f.raw_len);
		assert_int_equal(f.name_len, strlen(want[i].name));
		assert_memory_equal(f.name, want[i].name, f.name_len);
		assert_int_equal(f.value_len, strlen(want[i].value));
		assert_memory_equal(f.value, want[i].value, f.value_len);
		buf_reset(&b);
		header_unfold(&f, &b);
		assert_string_equal(b.data, want[i].unfolded);
	}
	assert_string_equal(data + pos, "Body: y\r\n");
	buf_free(&b);
}

static void
names(void **state)
{
	static const struct {
		const char *in;
		int rc;
	} lines[] = {
		{ "X-A!#$: b\r\n", 1 },
		{ "A \t : b\r\n", 1 },
		{ " A: b\r\n", -1 },
		{ ": b\r\n", -1 },
		{ "A\001: b\r\n", -1 },
		{ "A\xe9: b\r\n", -1 },
		{ "A b: c\r\n", -1 },
		{ "\r\n", 0 },
		{ "", 0 },
	};
	struct header_field f;
	char name[HEADER_NAME_MAX + 8];
	size_t pos;

	(void)state;
	for (size_t i = 0; i < N(lines); i++) {
		pos = 0;
		assert_int_equal(header_next(lines[i].in, strlen(lines[i].in),
				     &pos, &f), lines[i].rc);
		assert_int_equal(pos, strlen(lines[i].in));
	}
	for (size_t extra = 0; extra < 2; extra++) {
		memset(name, 'a', sizeof(name));
		memcpy(name + HEADER_NAME_MAX + extra, ":x\r\n", 4);
		pos = 0;
		assert_int_equal(header_next(name, HEADER_NAME_MAX + extra + 4,
				     &pos, &f), extra == 0 ? 1 : -1);
	}
	pos = 0;
	(void)header_next("sUBJECT: x\r\n", 12, &pos, &f);
	assert_true(header_is(&f, "Subject"));
	assert_false(header_is(&f, "Subjec"));
	assert_false(header_is(&f, "Subjects"));
}

/* Mailboxes as `name|where|spec`, semicolon between; `!` when the name has @.
 * */
static int
list_mailbox(void *arg, const struct header_mailbox *mb)
{
	buf_addf(arg, "%.*s%s|%.*s|%.*s;", (int)mb->name_len, mb->name,
	    mb->name_has_at ? "!" : "", (int)mb->at_len, mb->at,
	    (int)mb->spec_len, mb->spec);
	return 0;
}

static const struct {
	const char *in;
	int n;
	const char *list; /* NULL where nothing is promised */
} lists[] = {
	{ "a@b.c", 1, "|a@b.c|a@b.c;" },
	{ " <a@b.c> ", 1, "|<a@b.c>|a@b.c;" },
	{ "Joe <a@b.c>, d@e", 2, "Joe|<a@b.c>|a@b.c;|d@e|d@e;" },
	{ "Joe Q. Public <a@b.c>", 1, "Joe Q. Public|<a@b.c>|a@b.c;" },
	{ "\"a, \\\"b\\\" <x@y>\" <a@b.c>", 1,
	    "\"a, \\\"b\\\" <x@y>\"|<a@b.c>|a@b.c;" },
	{ "a@b.c (Joe (the (nested)) \\) one)", 1, "|a@b.c|a@b.c;" },
	{ "(x) Joe (y) < (z) a (b) . c @ d (e) . f (g) > (h)", 1,
	    "Joe|< (z) a (b) . c @ d (e) . f (g) >|a.c@d.f;" },
	{ "Joe\r\n <a@\r\n b.c>", 1, "Joe|<a@\r\n b.c>|a@b.c;" },
	{ "\"a\r\n b\"@c.d", 1, "|\"a\r\n b\"@c.d|\"a b\"@c.d;" },
	{ "<@r.x,,@s.y:a@b.c>", 1, "|<@r.x,,@s.y:a@b.c>|a@b.c;" },
	{ "a@[192.0.2.1]", 1, "|a@[192.0.2.1]|a@[192.0.2.1];" },
	{ "Friends: a@b, Joe <c@d>;, e@f", 3,
	    "|a@b|a@b;Joe|<c@d>|c@d;|e@f|e@f;" },
	{ "undisclosed-recipients:;", 0, "" },
	{ "A:a@b;(c),B: , ,c@d,;", 2, "|a@b|a@b;|c@d|c@d;" },
	{ ",, a@b ,,c@d,", 2, "|a@b|a@b;|c@d|c@d;" },
	{ "", 0, "" },
	{ " (only) ", 0, "" },
	{ "<>", 1, "|<>|;" },
	{ "root", 1, "|root|root;" },
	{ "root@", 1, "|root@|root@;" },
	{ "Cron <root>", 1, "Cron|<root>|root;" },
	{ "foo..bar.@docomo.ne.jp", 1,
	    "|foo..bar.@docomo.ne.jp|foo..bar.@docomo.ne.jp;" },
	{ "MAILER-DAEMON@mx (Mail System)", 1,
	    "|MAILER-DAEMON@mx|MAILER-DAEMON@mx;" },
	{ "a@b.c <d@e.f>", 1, "a@b.c!|<d@e.f>|d@e.f;" },
	{ "\"a@b.c\" <d@e.f>", 1, "\"a@b.c\"|<d@e.f>|d@e.f;" },
	{ "[list] a@b <d@e.f>", 1, "[list] a@b!|<d@e.f>|d@e.f;" },
	/* from Japan: encoded, raw UTF-8, Shift_JIS, EUC-JP and ISO-2022-JP */
	{ "=?ISO-2022-JP?B?GyRCOzNFRBsoQg==?= <a@b.jp>", 1,
	    "=?ISO-2022-JP?B?GyRCOzNFRBsoQg==?=|<a@b.jp>|a@b.jp;" },
	{ "=?UTF-8?Q?Doe,_John_(x)?= <a@b.jp>", 1,
	    "=?UTF-8?Q?Doe,_John_(x)?=|<a@b.jp>|a@b.jp;" },
	{ "山田 太郎 <a@日本.jp>", 1, "山田 太郎|<a@日本.jp>|a@日本.jp;" },
	{ "\x83\x5c\x83@\x95[ <a@b.jp>", 1,
	    "\x83\x5c\x83@\x95[|<a@b.jp>|a@b.jp;" },
	{ "\"\x8e\x52 \x95\x5c\" <a@b.jp>", 1,
	    "\"\x8e\x52 \x95\x5c\"|<a@b.jp>|a@b.jp;" },
	{ "\xbb\xb3\xc5\xc4 <a@b.jp>", 1, "\xbb\xb3\xc5\xc4|<a@b.jp>|a@b.jp;" },
	{ "\033$B$(@<\"(\033(B <a@b.jp>", 1,
	    "\033$B$(@<\"(\033(B|<a@b.jp>|a@b.jp;" },
	/* what is none */
	{ "John Doe", -1, "" },
	{ "a@b c", -1, "" },
	{ "a b@c", -1, "" },
	{ "a@b <c@d> e", -1, NULL },
	{ "<a@b", -1, NULL },
	{ "<a b>", -1, NULL },
	{ "a@b>", -1, NULL },
	{ "\"a@b", -1, "" },
	{ "a@b (c", -1, NULL },
	{ "a@b)", -1, NULL },
	{ "a@[1.2", -1, "" },
	{ "a@b; c@d", -1, NULL },
	{ "g: a@b", -1, NULL },
	{ "g: h: a@b;;", -1, NULL },
	{ ": a@b;", -1, NULL },
	{ "g: a@b; c@d", -1, NULL },
	{ "a@b: c@d;", -1, NULL },
	{ "<@r.x a@b>", -1, NULL },
};

static void
mailboxes(void **state)
{
	struct buf b;
	int n;

	(void)state;
	buf_init(&b, 1000);
	for (size_t i = 0; i < N(lists); i++) {
		buf_reset(&b);
		n = header_mailboxes(lists[i].in, strlen(lists[i].in),
		    list_mailbox, &b);
		if (n != lists[i].n)
			fail_msg("%s: %d", lists[i].in, n);
		if (lists[i].list != NULL)
			assert_string_equal(b.data, lists[i].list);
	}
	buf_free(&b);
}

static void
mailboxes_truncated(void **state)
{
	struct buf b;

	(void)state;
	buf_init(&b, 100000);
	for (size_t i = 0; i < N(lists); i++)
		for (size_t len = 1; len <= strlen(lists[i].in); len++) {
			char *s = malloc(len);

			assert_non_null(s);
			memcpy(s, lists[i].in, len);
			(void)header_mailboxes(s, len, list_mailbox, &b);
			free(s);
		}
	buf_free(&b);
}

static int
stop_at_two(void *arg, const struct header_mailbox *mb)
{
	(void)mb;
	return ++*(int *)arg == 2;
}

static void
mailboxes_stop(void **state)
{
	int n = 0;

	(void)state;
	assert_int_equal(header_mailboxes("a@b,c@d,e@f,\"", 13, stop_at_two,
			     &n), 2);
	assert_int_equal(n, 2);
}

static const struct {
	const char *in, *out; /* out NULL: nothing to repair */
} repairs[] = {
	{ "Subject: nothing  \r\n\tto do here\r\n", NULL },
	{ "Subject: =?ISO-2022-JP?B?GyRCN29MPhsoQg==?=\r\n", NULL },
	{ "From: =?UTF-8?B?5bGx55Sw?= <a@b.jp>\r\n", NULL },
	{ "X-Raw-JIS: \033$B7oL>\033(B\r\n", NULL },
	/* ISO-2022-JP, whose bytes SES would take for syntax in addresses */
	{ "From: \033$B;3ED\033(B <a@b.jp>\r\n",
	    "From: =?ISO-2022-JP?B?GyRCOzNFRBsoQg==?= <a@b.jp>\r\n" },
	{ "To: \"x\033$B;3ED\033(By\"<a@b.jp> (\033$@;3ED\033(J)\r\n",
	    "To: =?ISO-2022-JP?B?eBskQjszRUQbKEJ5?= <a@b.jp>"
	    " (\r\n =?ISO-2022-JP?B?GyRAOzNFRBsoQg==?=)\r\n" },
	{ "To: \033$B\033(B <a@b>\r\n",
	    "To: =?ISO-2022-JP?B?GyhC?= <a@b>\r\n" },
	{ "To: \033$B;3ED\033(B <a@b\r\n",
	    "To: =?ISO-2022-JP?B?GyRCOzNFRBsoQg==?= <a@b\r\n" },
	{ "Subject: \033$B;3ED\033(B\r\n", NULL },
	/* free text */
	{ "Subject: 件名\r\n", "Subject: =?UTF-8?B?5Lu25ZCN?=\r\n" },
	{ "Subject:件名\r\n", "Subject:=?UTF-8?B?5Lu25ZCN?=\r\n" },
	{ "Subject: Re: [x 1] 件名 ok 件 名\r\n",
	    "Subject: Re: [x 1] =?UTF-8?B?5Lu25ZCN?= ok\r\n"
	    " =?UTF-8?B?5Lu2IOWQjQ==?=\r\n" },
	{ "Subject: 件\r\n 名\r\n", "Subject: =?UTF-8?B?5Lu2IOWQjQ==?=\r\n" },
	{ "Subject: =?UTF-8?B?5Lu2?= 件 =?UTF-8?B?5Lu2?=\r\n",
	    "Subject: =?UTF-8?B?5Lu2?= =?UTF-8?B?IOS7tiA=?= "
	    "=?UTF-8?B?5Lu2?=\r\n" },
	{ "Subject: the café-terrace again\r\n",
	    "Subject: the =?UTF-8?Q?caf=C3=A9-terrace?= again\r\n" },
	{ "Subject: 今日は良い天気ですね、散歩に行きましょう、それとも家で寝ますか\r\n",
	    "Subject: "
	    "=?UTF-8?B?5LuK5pel44Gv6Imv44GE5aSp5rCX44Gn44GZ44Gt44CB5pWj5q2p?="
	    "\r\n "
	    "=?UTF-8?B?44Gr6KGM44GN44G+44GX44KH44GG44CB44Gd44KM44Go44KC5a6244Gn5a+d?="
	    "\r\n =?UTF-8?B?44G+44GZ44GL?=\r\n" },
	{ "Subject: \x8c\x8f\x96\xbc (Shift_JIS)\r\n",
	    "Subject: =?unknown-8bit?Q?=8C=8F=96=BC?= (Shift_JIS)\r\n" },
	{ "Subject: caf\xe9\r\n", "Subject: =?unknown-8bit?Q?caf=E9?=\r\n" },
	{ "X-Anything-At-All-With-A-Very-Long-Name-Indeed: 件名\r\n",
	    "X-Anything-At-All-With-A-Very-Long-Name-Indeed:\r\n"
	    " =?UTF-8?B?5Lu25ZCN?=\r\n" },
	/* addresses */
	{ "From: 山田 太郎 <yamada@example.jp>\r\n",
	    "From: =?UTF-8?B?5bGx55SwIOWkqumDjg==?= <yamada@example.jp>\r\n" },
	{ "From:\"山田, 太郎\"<yamada@example.jp>\r\n",
	    "From: =?UTF-8?B?5bGx55SwLCDlpKrpg44=?= <yamada@example.jp>\r\n" },
	{ "To: a@b.jp (山田 (父)), Bob \"Q\" <c@d.jp>\r\n",
	    "To: a@b.jp (=?UTF-8?B?5bGx55Sw?= (=?UTF-8?B?54i2?=)), "
	    "Bob \"Q\" <c@d.jp>\r\n" },
	{ "Cc: Dr.山田 x <a@b.jp>\r\n",
	    "Cc: =?UTF-8?B?RHIu5bGx55Sw?= x <a@b.jp>\r\n" },
	{ "From: a@日本語.jp\r\n", "From: a@xn--wgv71a119e.jp\r\n" },
	{ "From: X <a@日本語.jp>\r\n", "From: X <a@xn--wgv71a119e.jp>\r\n" },
	{ "To: 用户@x.jp, ok@y.jp\r\n",
	    "To: =?UTF-8?B?55So5oi3QHguanA=?= :;, ok@y.jp\r\n" },
	{ "To:Bob<用户@x.jp>\r\n",
	    "To: =?UTF-8?B?Qm9iIOeUqOaIt0B4Lmpw?= :;\r\n" },
	{ "To: a@b.jp, \"父\" <用户@x.jp> (c), d@e.jp\r\n",
	    "To: a@b.jp, =?UTF-8?B?54i2IOeUqOaIt0B4Lmpw?= :; (c), d@e.jp\r\n" },
	{ "To: g: a@b.jp, 父 <用户@x.jp>, d@e.jp;\r\n",
	    "To: g: a@b.jp, (=?UTF-8?B?54i2IOeUqOaIt0B4Lmpw?=), d@e.jp;\r\n" },
	{ "To: 友達: a@b.jp, c@d.jp;\r\n",
	    "To: =?UTF-8?B?5Y+L6YGU?= : a@b.jp, c@d.jp;\r\n" },
	{ "To: \x8e\x52\x93\x63 <a@b.jp>\r\n",
	    "To: =?unknown-8bit?Q?=8ER=93c?= <a@b.jp>\r\n" },
	{ "To: no list 山 at all\r\n",
	    "To: no list =?UTF-8?B?5bGx?= at all\r\n" },
	{ "Keywords: 山, \"川 海\"\r\n",
	    "Keywords: =?UTF-8?B?5bGx?= , =?UTF-8?B?5bedIOa1tw==?=\r\n" },
	{ "List-Id: 山 <l.example.jp>\r\n",
	    "List-Id: =?UTF-8?B?5bGx?= <l.example.jp>\r\n" },
	/* parameters */
	{ "Content-Disposition: attachment; filename=\"山 %.pdf\"; a=b\r\n",
	    "Content-Disposition: attachment; "
	    "filename*=UTF-8''%E5%B1%B1%20%25.pdf; a=b\r\n" },
	{ "Content-Type: a/b; name=山 川.txt ;c=d\r\n",
	    "Content-Type: a/b; "
	    "name*=UTF-8''%E5%B1%B1%20%E5%B7%9D.txt ;c=d\r\n" },
	{ "Content-Type: a/b; name=\"\x8e\x52.txt\"\r\n",
	    "Content-Type: a/b; name*=unknown-8bit''%8ER.txt\r\n" },
	{ "Content-Type: a/b; name*=utf-8''山\r\n",
	    "Content-Type: a/b; name*=utf-8''%E5%B1%B1\r\n" },
	{ "Content-Type: a/b (山); c=\"d\"\r\n",
	    "Content-Type: a/b (=?UTF-8?B?5bGx?=); c=\"d\"\r\n" },
	/* machine-readable */
	{ "List-Unsubscribe: <https://x.jp/山?(川)>\r\n",
	    "List-Unsubscribe: "
	    "<https://x.jp/%E5%B1%B1?(%E5%B7%9D)>\r\n" },
	{ "References: <é@x> <b@x>\r\n", "References: <%C3%A9@x> <b@x>\r\n" },
	{ "Received: from x (山) by y\r\n",
	    "Received: from x (=?UTF-8?B?5bGx?=) by y\r\n" },
};

static int
repair(const char *in, size_t len, struct buf *out)
{
	struct header_field f;
	bool encoded, folded;
	size_t pos = 0;

	buf_reset(out);
	if (header_next(in, len, &pos, &f) != 1)
		return 0;
	header_repair(&f, out, &encoded, &folded);
	return encoded + 2 * folded;
}

static void
repaired(void **state)
{
	struct buf once, twice;

	(void)state;
	buf_init(&once, 10000);
	buf_init(&twice, 10000);
	for (size_t i = 0; i < N(repairs); i++) {
		const char *in = repairs[i].in, *want = repairs[i].out;
		int done = repair(in, strlen(in), &once);

		assert_string_equal(once.data, want == NULL ? in : want);
		assert_int_equal(done, want != NULL);
		assert_int_equal(repair(once.data, once.len, &twice), 0);
		assert_string_equal(once.data, twice.data);
	}
	buf_free(&once);
	buf_free(&twice);
}

static void
repaired_truncated(void **state)
{
	struct buf out;

	(void)state;
	buf_init(&out, 10000);
	for (size_t i = 0; i < N(repairs); i++)
		for (size_t len = 1; len <= strlen(repairs[i].in); len++) {
			char *s = malloc(len);

			assert_non_null(s);
			memcpy(s, repairs[i].in, len);
			(void)repair(s, len, &out);
			free(s);
		}
	buf_free(&out);
}

/* A field in a few parts that repeat: head, n times text, tail. */
static void
make(struct buf *b, const char *head, const char *text, size_t n,
    const char *tail)
{
	buf_reset(b);
	buf_adds(b, head);
	for (size_t i = 0; i < n; i++)
		buf_adds(b, text);
	buf_adds(b, tail);
}

static size_t
longest_line(const struct buf *b)
{
	size_t longest = 0, line = 0;

	for (size_t i = 0; i < b->len; i++) {
		line = b->data[i] == '\n' ? 0 : line + 1;
		longest = line > longest ? line : longest;
	}
	return longest - 1; /* its CR */
}

static void
unfold(const struct buf *b, struct buf *out)
{
	struct header_field f;
	size_t pos = 0;

	buf_reset(out);
	assert_int_equal(header_next(b->data, b->len, &pos, &f), 1);
	assert_int_equal(pos, b->len);
	header_unfold(&f, out);
}

static void
folded_at_blanks(void **state)
{
	static const struct {
		const char *head, *text;
		size_t n;
		const char *tail;
	} longs[] = {
		{ "References:", " <0123456789012345678901@example.com>", 300,
		    "\r\n" },
		{ "Subject: ", "words and ", 99, "more\r\n" },
		{ "Subject:\r\n\t", "words and ", 500, "more\r\n" },
		{ "Message-ID: ", "x", 990, "\r\n" },
		{ "X: ", "a b", 2000, "\r\n second line\r\n" },
	};
	struct buf in, out, a, b;

	(void)state;
	buf_init(&in, 100000);
	buf_init(&out, 100000);
	buf_init(&a, 100000);
	buf_init(&b, 100000);
	for (size_t i = 0; i < N(longs); i++) {
		make(&in, longs[i].head, longs[i].text, longs[i].n,
		    longs[i].tail);
		assert_int_equal(repair(in.data, in.len, &out), 2);
		assert_true(longest_line(&out) <= HEADER_LINE_MAX);
		unfold(&in, &a);
		unfold(&out, &b);
		assert_string_equal(a.data, b.data);
		assert_int_equal(repair(out.data, out.len, &in), 0);
		assert_string_equal(in.data, out.data);
	}
	buf_free(&in);
	buf_free(&out);
	buf_free(&a);
	buf_free(&b);
}

static void
folded_hard(void **state)
{
	struct buf in, out;
	char *line, *end;

	(void)state;
	buf_init(&in, 100000);
	buf_init(&out, 100000);
	make(&in, "X: y", "x", 998 - 4, "\r\n");
	assert_int_equal(repair(in.data, in.len, &out), 0);
	make(&in, "X:", "x", 4000, "\r\n");
	assert_int_equal(repair(in.data, in.len, &out), 2);
	assert_int_equal(longest_line(&out), HEADER_LINE_MAX);
	assert_int_equal(out.len, in.len + 4 * 3);
	/* A list of addresses without a blank is cut between them. */
	make(&in, "To:x@y", ",1234567890@example.com", 100, "\r\n");
	assert_int_equal(repair(in.data, in.len, &out), 2);
	assert_true(longest_line(&out) <= HEADER_LINE_MAX);
	for (line = out.data; (line = strstr(line, "\r\n ")) != NULL; line++)
		assert_int_equal(line[-1], ',');
	/* No line may be blank. */
	for (size_t i = 0; i < 4; i++) {
		make(&in, i / 2 ? "X:" : "X: a\r\n", " ", 3000,
		    i % 2 ? "b\r\n" : "\r\n");
		assert_int_equal(repair(in.data, in.len, &out), 2);
		assert_true(longest_line(&out) <= HEADER_LINE_MAX);
		for (line = out.data; *line != '\0'; line = end + 1) {
			end = strchr(line, '\n');
			assert_true(line + strspn(line, " \r\n") < end);
		}
	}
	buf_free(&in);
	buf_free(&out);
}

/* Encoded words bound their own lines, whatever their text. */
static void
folded_when_encoded(void **state)
{
	static const char *const texts[] = { "日本", "日本 ", "é", "\xe9",
		"x\xe9 y ", "\033$B$(" };
	struct buf in, out;

	(void)state;
	buf_init(&in, 100000);
	buf_init(&out, 1000000);
	for (size_t i = 0; i < N(texts); i++)
		for (int from = 0; from < 2; from++) {
			make(&in, from ? "From: é" : "Subject: é", texts[i],
			    3000, from ? " <a@b.jp>\r\n" : "\r\n");
			assert_int_equal(repair(in.data, in.len, &out) & 1,
			    1);
			if (strchr(texts[i], '\033') == NULL)
				assert_true(longest_line(&out) <= 78);
			assert_true(longest_line(&out) <= HEADER_LINE_MAX);
		}
	buf_free(&in);
	buf_free(&out);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(fields),
		cmocka_unit_test(names),
		cmocka_unit_test(mailboxes),
		cmocka_unit_test(mailboxes_truncated),
		cmocka_unit_test(mailboxes_stop),
		cmocka_unit_test(repaired),
		cmocka_unit_test(repaired_truncated),
		cmocka_unit_test(folded_at_blanks),
		cmocka_unit_test(folded_hard),
		cmocka_unit_test(folded_when_encoded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
