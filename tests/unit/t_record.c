/* SPDX-License-Identifier: BSD-2-Clause */
#include "config.h"

#include "tests/unit/storetest.h"

#include "store/chain.h"
#include "store/record_party.h"
#include "store/record_text.h"

static const char *const one[] = { "b@example.net", NULL };
static const char *const three[] = { "b@example.net", "c@example.net",
	"b@example.net", NULL };

static void
numbers(void **state)
{
	static const char *const more[] = { "d@example.net", "c@example.net",
		NULL };
	struct place *p = *state;
	struct journal *j = open_journal(p->path);
	struct made m, again;

	make(&m, 1, three);
	arrive(j, &m);
	assert_false(m.a.known);
	assert_int_equal(m.rcpts[0].n, 1);
	assert_int_equal(m.rcpts[1].n, 2);
	assert_int_equal(m.rcpts[2].n, 1);
	assert_int_equal(m.rcpts[0].state, RECORD_WAITING);

	make(&again, 1, more);
	arrive(j, &again);
	assert_true(again.a.known);
	assert_memory_equal(again.a.id.bytes, m.a.id.bytes, UUID_LEN);
	assert_int_equal(again.rcpts[0].n, 3);
	assert_int_equal(again.rcpts[1].n, 2);
	journal_close(j);
	assert_sql(p->path, "SELECT count(*) FROM message", "1");
	assert_sql(p->path, "SELECT count(*) FROM delivery", "3");
	assert_sql(p->path,
	    "SELECT json_extract(detail, '$.offered') FROM journal "
	    "WHERE event = 'offered'",
	    "[3,2]");
}

static void
repeats(void **state)
{
	struct place *p = *state;
	struct journal *j = open_journal(p->path);
	struct made m, again;

	make(&m, 1, three);
	arrive(j, &m);
	send_dot(j, &m.a.id, 1, 1);
	settle(j, &m.a.id, 1, 1, RECORD_SENT, "Ok 0100-ses-id");
	settle(j, &m.a.id, 2, 0, RECORD_DEFERRED, "no turn");

	make(&again, 1, three);
	arrive(j, &again);
	assert_int_equal(again.rcpts[0].state, RECORD_SENT);
	assert_string_equal(again.rcpts[0].ses_id, "0100-ses-id");
	assert_string_equal(again.rcpts[2].ses_id, "0100-ses-id");
	assert_true(again.rcpts[0].sent_at > 0);
	assert_int_equal(again.rcpts[0].attempts, 1);
	assert_int_equal(again.rcpts[1].state, RECORD_DEFERRED);
	assert_null(again.rcpts[1].ses_id);
	made_free(&again);
	journal_close(j);
	assert_sql(p->path,
	    "SELECT count(*) || ' ' || sum(n) FROM journal "
	    "WHERE event = 'repeat'",
	    "1 1");
	assert_sql(p->path, "SELECT reply FROM audit WHERE n = 1",
	    "250 2.0.0 Ok 0100-ses-id");
	assert_sql(p->path, "SELECT reply FROM delivery WHERE n = 1",
	    "Ok {ses-id}");
}

static void
digest_window(void **state)
{
	struct place *p = *state;
	struct journal *j = open_journal(p->path);
	struct made m, again;

	make(&m, 1, one);
	arrive(j, &m);
	clock_sleep_until(clock_mono_us() + 5 * US_PER_MS);
	make(&again, 1, one);
	again.a.repeat_window_us = 1000;
	arrive(j, &again);
	assert_false(again.a.known);
	assert_memory_not_equal(again.a.id.bytes, m.a.id.bytes, UUID_LEN);
	for (int i = 2; i < 20; i++) {
		clock_sleep_until(clock_mono_us() + 3 * US_PER_MS);
		make(&again, i, one);
		again.a.repeat_window_us = 1000;
		arrive(j, &again);
	}
	journal_close(j);
	/* The newest is always there; what is older is cleared in steps. */
	assert_sql(p->path, "SELECT count(*) <= 2 FROM digest", "1");
	assert_sql(p->path, "SELECT count(*) FROM message", "20");
}

static void
without_digest(void **state)
{
	struct place *p = *state;
	struct journal *j = open_journal(p->path);
	struct made m, again;

	make(&m, 0, one);
	arrive(j, &m);
	make(&again, 0, one);
	arrive(j, &again);
	assert_false(again.a.known);
	journal_close(j);
	assert_sql(p->path, "SELECT count(*) FROM message", "2");
	assert_sql(p->path, "SELECT count(*) FROM digest", "0");
}

static void
refused_at_rcpt(void **state)
{
	struct place *p = *state;
	struct journal *j = open_journal(p->path);
	struct made m;

	make(&m, 1, three);
	m.rcpts[0].refused = true;
	m.rcpts[0].code = 550;
	m.rcpts[0].dsn = "5.7.1";
	m.rcpts[0].reply = "<b@example.net> is suppressed";
	arrive(j, &m);
	journal_close(j);
	assert_sql(p->path, "SELECT state FROM delivery WHERE n = 1", "refused");
	assert_sql(p->path, "SELECT reply FROM delivery WHERE n = 1",
	    "<{recipient:1}> is suppressed");
	assert_sql(p->path, "SELECT state FROM delivery WHERE n = 2", "waiting");
	assert_sql(
	    p->path, "SELECT count(*) FROM journal WHERE event = 'refused'", "1");
}

/* What SES may have is not overwritten by what happens before a dot. */
static void
outcomes(void **state)
{
	struct place *p = *state;
	struct journal *j = open_journal(p->path);
	struct made m;

	make(&m, 1, three);
	arrive(j, &m);
	send_dot(j, &m.a.id, 1, 1);
	settle(j, &m.a.id, 1, 1, RECORD_DOUBTFUL, "connection lost");
	settle(j, &m.a.id, 1, 0, RECORD_DEFERRED, "held");
	assert_sql(p->path, "SELECT state FROM delivery WHERE n = 1", "doubtful");
	send_dot(j, &m.a.id, 1, 2);
	settle(j, &m.a.id, 1, 2, RECORD_SENT, "Ok 0100-ses-id");
	settle(j, &m.a.id, 1, 0, RECORD_REFUSED, "suppressed");
	settle(j, &m.a.id, 1, 1, RECORD_DEFERRED, "late");
	assert_sql(p->path, "SELECT state || attempts FROM delivery WHERE n = 1",
	    "sent2");
	journal_close(j);
}

static void
found_sending(void **state)
{
	struct place *p = *state;
	struct journal *j = open_journal(p->path);
	struct made m;

	make(&m, 1, three);
	arrive(j, &m);
	send_dot(j, &m.a.id, 1, 1);
	send_dot(j, &m.a.id, 2, 1);
	settle(j, &m.a.id, 2, 1, RECORD_SENT, "Ok 0100-ses-id");
	journal_close(j);
	j = open_journal(p->path);
	journal_close(j);
	assert_sql(p->path, "SELECT state FROM delivery WHERE n = 1", "doubtful");
	assert_sql(p->path, "SELECT state FROM delivery WHERE n = 2", "sent");
	assert_sql(p->path,
	    "SELECT json_extract(detail, '$.attempt') FROM journal "
	    "WHERE event = 'doubtful'",
	    "1");
	j = open_journal(p->path);
	journal_close(j);
	assert_sql(p->path,
	    "SELECT count(*) FROM journal WHERE event = 'doubtful'", "1");
}

/* Rows that somebody has changed are no reason to go on for ever. */
static void
found_tampered(void **state)
{
	struct place *p = *state;
	struct journal *j = open_journal(p->path);
	struct made m;
	struct err err;

	make(&m, 1, three);
	arrive(j, &m);
	send_dot(j, &m.a.id, 1, 1);
	send_dot(j, &m.a.id, 2, 1);
	journal_close(j);
	raw_ok(p->path, "UPDATE delivery SET attempts = 1 - n");
	(void)alarm(60);
	j = open_journal(p->path);
	journal_close(j);
	assert_sql(p->path, "SELECT group_concat(state) FROM delivery",
	    "doubtful,doubtful");
	assert_sql(p->path,
	    "SELECT count(*) FROM journal WHERE event = 'doubtful'", "2");
	raw_ok(p->path,
	    "UPDATE delivery SET state = 'sending', n = 1 << 40 WHERE n = 2");
	j = NULL;
	assert_int_equal(journal_open(p->path, true, "test", &j, &err), -1);
	(void)alarm(0);
	assert_non_null(strstr(err.text, "postern verify"));
}

/* No address in any row of the journal, whatever the texts say. */
static void
nothing_personal(void **state)
{
	struct place *p = *state;
	struct journal *j = open_journal(p->path);
	struct made m;

	make(&m, 1, three);
	m.a.rewritten = "postmaster@example.com";
	m.a.from = "Author@example.org";
	m.a.repairs = "From: <author@example.org> mended";
	arrive(j, &m);
	settle(j, &m.a.id, 2, 1, RECORD_REFUSED,
	    "554 Message rejected: Email address is not verified. The following "
	    "identities failed the check in region US-WEST-2: "
	    "Alice Author <author@example.org>, c@example.net, "
	    "\"odd one\"@example.org");
	journal_close(j);
	assert_sql(p->path,
	    "SELECT count(*) FROM journal WHERE detail LIKE '%@%'", "0");
	assert_sql(
	    p->path, "SELECT count(*) FROM journal WHERE detail LIKE '%Alice%'", "0");
	assert_sql(p->path,
	    "SELECT substr(reply, instr(reply, 'US-')) FROM delivery "
	    "WHERE n = 2",
	    "US-WEST-2: {from}, {recipient:2}, {address}");
	assert_sql(p->path, "SELECT repairs FROM message",
	    "From: {from} mended");
	assert_sql(p->path, "SELECT sender FROM audit WHERE n = 1",
	    "postmaster@example.com");
	assert_sql(p->path, "SELECT original_sender FROM audit WHERE n = 1",
	    "a@example.org");
}

/* What the milter knew is told as it was, and stays out of the chain. */
static void
origin(void **state)
{
	struct place *p = *state;
	struct journal *j = open_journal(p->path);
	struct made m;

	make(&m, 1, one);
	m.a.rewritten = "postmaster@example.com";
	m.a.original = "who@elsewhere.example";
	m.a.user = "alice@login.example";
	m.a.client = "pc.example[192.0.2.1]";
	arrive(j, &m);
	settle(j, &m.a.id, 1, 1, RECORD_REFUSED,
	    "554 who@elsewhere.example, alice@login.example");
	made_free(&m);
	make(&m, 2, one);
	m.a.original = m.a.sender;
	arrive(j, &m);
	made_free(&m);
	journal_close(j);
	assert_sql(p->path,
	    "SELECT sender || ' ' || original_sender || ' ' || user || ' ' || "
	    "client FROM audit WHERE user NOT NULL",
	    "postmaster@example.com who@elsewhere.example "
	    "alice@login.example pc.example[192.0.2.1]");
	assert_sql(p->path,
	    "SELECT group_concat(sender, ' ') FROM "
	    "(SELECT sender FROM audit_senders ORDER BY 1)",
	    "a@example.org who@elsewhere.example");
	assert_sql(p->path, "SELECT reply FROM delivery WHERE state = 'refused'",
	    "554 {original}, {user}");
	assert_sql(p->path,
	    "SELECT count(*) FROM journal WHERE detail LIKE '%@%'", "0");
	assert_sql(p->path,
	    "SELECT count(*) FROM party WHERE role = 'original'", "1");
}

static void
commitments(void **state)
{
	struct place *p = *state;
	struct journal *j = open_journal(p->path);
	char salt_hex[512], stored[512], *computed;
	unsigned char salt[COMMITMENT_SALT_LEN];
	unsigned byte;
	struct made m;

	make(&m, 1, one);
	arrive(j, &m);
	journal_close(j);
	(void)raw_get(p->path,
	    "SELECT hex(salt) FROM party WHERE role = 'recipient'", salt_hex);
	for (size_t i = 0; i < sizeof(salt); i++) {
		(void)sscanf(salt_hex + 2 * i, "%2x", &byte);
		salt[i] = (unsigned char)byte;
	}
	computed = chain_commitment(salt, sizeof(salt), "b@example.net", 13);
	assert_string_equal(raw_get(p->path,
				"SELECT json_extract(detail, "
				"'$.recipient.\"1\"') FROM journal "
				"WHERE event = 'received'",
				stored),
	    computed);
	free(computed);
}

static void
bytes_that_are_no_text(void **state)
{
	static const char *const odd[] = { "b\xff\x01@example.net", NULL };
	struct place *p = *state;
	struct journal *j = open_journal(p->path);
	struct made m, again;

	make(&m, 1, odd);
	arrive(j, &m);
	make(&again, 1, odd);
	arrive(j, &again);
	assert_int_equal(again.rcpts[0].n, 1);
	journal_close(j);
	assert_sql(p->path, "SELECT value FROM party WHERE role = 'recipient'",
	    "b\xef\xbf\xbd\xef\xbf\xbd@example.net");
}

static void
hiding(void **state)
{
	static const struct party_name names[] = {
		{ "a@example.org", "sender", 0, false },
		{ "b@example.net", "recipient", 7, false },
	};
	static const struct {
		const char *in, *out;
	} cases[] = {
		{ "plain words", "plain words" },
		{ "a@example.org", "{sender}" },
		{ "to <B@Example.Net>.", "to <{recipient:7}>." },
		{ "x@y.z, a@example.org.", "{address}, {sender}." },
		{ "@", "@" },
		{ "a @ b", "a @ b" },
		{ "@@x", "@@x" },
		{ "Who: John Doe <a@example.org>", "Who: {sender}" },
		{ "\"@", "\"@" },
	};
	static const struct party_name john[] = {
		{ "a@example.org", "sender", 0, false },
		{ "john@example.net", "recipient", 7, true },
	}, bo[] = { { "bo@example.net", "recipient", 7, true } };
	static const struct {
		const struct party_name *names;
		size_t n;
		const char *in, *out;
	} words[] = {
		{ john, 2, "550 user John, unknown",
		    "550 user {recipient:7}, unknown" },
		{ john, 2, "JOHN", "{recipient:7}" },
		{ john, 2, "johnson upjohn", "johnson upjohn" },
		{ john, 2, "x-john=example.NET; john=example.org",
		    "x-{recipient:7}; {recipient:7}=example.org" },
		{ john, 2, "http://x.test/?who=john%40example.net&n=1",
		    "http://x.test/?who={recipient:7}&n=1" },
		{ john, 2, "<john@example.net>: john from a@example.org: john",
		    "<{recipient:7}>: {recipient:7} from {sender}: "
		    "{recipient:7}" },
		{ bo, 1, "bo is bo=example.net", "bo is {recipient:7}" },
		{ john, 1, "john", "john" },
	};
	struct buf out;
	char *stored;

	(void)state;
	buf_init(&out, 1000);
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		buf_reset(&out);
		party_hide(cases[i].in, names, 2, &out);
		assert_string_equal(out.data, cases[i].out);
	}
	for (size_t i = 0; i < sizeof(words) / sizeof(*words); i++) {
		buf_reset(&out);
		party_hide(words[i].in, words[i].names, words[i].n, &out);
		assert_string_equal(out.data, words[i].out);
	}
	buf_reset(&out);
	party_hide("a@b@c", names, 2, &out);
	assert_null(strstr(out.data, "a@b"));
	stored = record_storable("identity a@example.org");
	assert_string_equal(stored, "identity {address}");
	free(stored);
	buf_free(&out);
}

/* What is cut off of an address leaves nothing of it, nor of its owner's name. */
static void
cut_texts(void **state)
{
	static const char *const texts[] = {
		"region US-WEST-2: Jane Doe <jane.doe@example.org>, x <y@z.example>",
		"554 \"jane doe\"@example.org, y@z.example",
		"no comma here jane.doe@example.org is not verified",
	};
	char text[RECORD_TEXT_MAX_BYTES + 200], *stored;
	size_t at;

	(void)state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++)
		for (at = RECORD_TEXT_MAX_BYTES - strlen(texts[i]);
		     at <= RECORD_TEXT_MAX_BYTES; at++) {
			memset(text, '-', at);
			text[at - 1] = ' ';
			memcpy(text + at, texts[i], strlen(texts[i]) + 1);
			stored = record_storable(text);
			assert_null(strcasestr(stored, "jane"));
			assert_null(strcasestr(stored, "doe"));
			assert_true(strlen(stored) > 600);
			free(stored);
		}
}

/* Of a list that is too long, whole addresses are kept: each can be found. */
static void
long_list(void **state)
{
	struct place *p = *state;
	struct journal *j = open_journal(p->path);
	struct made m;
	struct buf from;

	buf_init(&from, 8000);
	for (int i = 0; i < 400; i++)
		buf_addf(&from, "%suser%03d@example.org", i > 0 ? "," : "", i);
	make(&m, 1, one);
	m.a.from = from.data;
	arrive(j, &m);
	journal_close(j);
	buf_free(&from);
	assert_sql(p->path,
	    "SELECT length(value) > 3900 AND value LIKE '%@example.org' "
	    "FROM party WHERE role = 'from'",
	    "1");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		store_test(numbers),
		store_test(repeats),
		store_test(digest_window),
		store_test(without_digest),
		store_test(refused_at_rcpt),
		store_test(outcomes),
		store_test(found_sending),
		store_test(found_tampered),
		store_test(nothing_personal),
		store_test(origin),
		store_test(commitments),
		store_test(bytes_that_are_no_text),
		cmocka_unit_test(hiding),
		cmocka_unit_test(cut_texts),
		store_test(long_list),
	};

	return cmocka_run_group_tests_name("record", tests, NULL, NULL);
}
