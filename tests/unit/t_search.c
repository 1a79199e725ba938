/* SPDX-License-Identifier: BSD-2-Clause */
#include "config.h"

#include "tests/unit/storetest.h"

#include "store/search.h"
#include "store/search/words.h"
#include "store/snapshot.h"
#include "store/suppression.h"
#include "store/verify.h"

struct heard {
	char text[4096];
	uint64_t n;
};

static void
hear(void *arg, int64_t seq, const char *words)
{
	struct heard *h = arg;
	size_t len = strlen(h->text);

	(void)snprintf(h->text + len, sizeof(h->text) - len, "%lld %s\n",
	    (long long)seq, words);
	h->n++;
}

static struct heard
verify(const char *path, const char *head, bool projections)
{
	struct verify_ask ask = { .projections = projections };
	struct heard h = { .n = 0 };
	struct verify_result result;
	struct err err;

	if (head != NULL)
		assert_int_equal(verify_parse_head(head, &ask, &err), 0);
	if (verify_journal(&path, 1, &ask, hear, &h, &result, &err) == -1)
		fail_msg("%s", err.text);
	assert_int_equal(result.faults, h.n);
	return h;
}

static void
assert_clean(const char *path)
{
	struct heard h = verify(path, NULL, true);

	if (h.n != 0)
		fail_msg("%s", h.text);
}

/* Three messages, one refused, one offered again with a new recipient. */
static void
fill(const char *path, char head[100])
{
	static const char *const first[] = { "b@example.net", "c@example.com",
		NULL };
	static const char *const more[] = { "c@example.com", "d@example.net",
		NULL };
	static const char *const other[] = { "B@example.net", NULL };
	struct journal *j = open_journal(path);
	struct address address;
	struct made m, again;
	char chain[65];
	struct err err;
	int64_t seq;

	make(&m, 1, first);
	m.a.rewritten = "bounce@example.com";
	m.a.from = "author@example.org";
	arrive(j, &m);
	send_dot(j, &m.a.id, 1, 1);
	settle(j, &m.a.id, 1, 1, RECORD_SENT, "Ok 0100-ses-id");
	send_dot(j, &m.a.id, 2, 1);
	settle(j, &m.a.id, 2, 1, RECORD_DEFERRED, "Throttling");
	make(&again, 1, more);
	arrive(j, &again);
	send_dot(j, &m.a.id, 2, 2);
	settle(j, &m.a.id, 2, 2, RECORD_SENT, "Ok 0100-ses-id");
	settle(j, &m.a.id, 3, 0, RECORD_REFUSED, "<d@example.net> no");
	make(&m, 2, other);
	m.a.sender = "";
	m.a.queue_ids = "4ZZ 88ABCDEF";
	m.a.message_id = "<2@example.org>";
	arrive(j, &m);
	make(&m, 0, other);
	m.a.message_id = NULL;
	arrive(j, &m);
	(void)address_parse("x@example.net", 13, &address, &err);
	assert_int_equal(suppression_add(j, NULL, &address, "bounced", 0,
			     "uid 0", SOON, &err),
	    0);
	journal_head(j, &seq, chain);
	(void)snprintf(head, 100, "%lld:%s", (long long)seq, chain);
	journal_close(j);
}

static void
clean(void **state)
{
	struct place *p = *state;
	char head[100];

	fill(p->path, head);
	assert_clean(p->path);
	assert_int_equal(verify(p->path, head, false).n, 0);
}

/* Tamperers drop the triggers first, as anyone can who may write. */
static void
tampered(void **state)
{
	static const struct {
		const char *sql, *words;
	} cases[] = {
		{ "UPDATE journal SET at = at - 1 WHERE seq = 4", "4 row 4" },
		{ "UPDATE journal SET boot = boot + 1 WHERE seq = 4",
		    "4 row 4" },
		{ "UPDATE journal SET mono = mono + 1 WHERE seq = 4",
		    "4 row 4" },
		{ "UPDATE journal SET event = 'deferred' WHERE seq = 4",
		    "4 row 4" },
		{ "UPDATE journal SET message = zeroblob(16) WHERE seq = 4",
		    "4 row 4" },
		{ "UPDATE journal SET n = 2 WHERE seq = 4", "4 row 4" },
		{ "UPDATE journal SET detail = detail || ' ' WHERE seq = 4",
		    "4 row 4" },
		{ "UPDATE journal SET chain = zeroblob(32) WHERE seq = 4",
		    "4 row 4" },
		{ "DELETE FROM journal WHERE seq = 4", "row 4 is missing" },
		{ "DELETE FROM journal WHERE seq < 4", "rows 1 to 3" },
		{ "DELETE FROM journal WHERE seq = 4; UPDATE journal "
		  "SET seq = seq - 1 WHERE seq > 4",
		    "4 row 4" },
		{ "UPDATE journal SET seq = 1000 WHERE seq = 4; "
		  "UPDATE journal SET seq = 4 WHERE seq = 5; "
		  "UPDATE journal SET seq = 5 WHERE seq = 1000",
		    "4 row 4" },
	};
	struct place *p = *state;
	char head[100], copy[128];
	struct heard h;

	fill(p->path, head);
	(void)snprintf(copy, sizeof(copy), "%s.copy", p->path);
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		unsigned char chain[CHAIN_LEN];
		struct err err;
		int64_t seq;

		if (snapshot_take(p->path, copy, &seq, chain, &err) == -1)
			fail_msg("%s", err.text);
		raw_ok(copy, "DROP TRIGGER journal_no_update; "
			     "DROP TRIGGER journal_no_delete");
		raw_ok(copy, cases[i].sql);
		h = verify(copy, NULL, false);
		if (strstr(h.text, cases[i].words) == NULL)
			fail_msg("%s: %s", cases[i].sql, h.text);
		assert_int_equal(unlink(copy), 0);
	}
	raw_ok(p->path, "DROP TRIGGER journal_no_delete; DELETE FROM journal "
			"WHERE seq > 10");
	assert_int_equal(verify(p->path, NULL, false).n, 0);
	h = verify(p->path, head, false);
	assert_contains(h.text, "its tail was cut off");
}

static void
tampered_tables(void **state)
{
	static const struct {
		const char *sql, *words;
	} cases[] = {
		{ "UPDATE delivery SET state = 'sent' WHERE n = 3", "delivery" },
		{ "UPDATE delivery SET ses_id = 'x' WHERE n = 1", "delivery" },
		{ "DELETE FROM delivery WHERE n = 1", "is missing" },
		{ "UPDATE message SET size = 1", "message" },
		{ "UPDATE message SET header_message_id = 'x'", "message" },
		{ "UPDATE party SET value = 'x@example.org'",
		    "not who the journal committed to" },
		{ "UPDATE party SET value = NULL, salt = NULL WHERE n = 2",
		    "not who the journal committed to" },
		{ "DELETE FROM party WHERE n = 2",
		    "not who the journal committed to" },
		{ "INSERT INTO party SELECT message, 9, role, value, salt "
		  "FROM party WHERE n = 2",
		    "never introduced" },
		{ "UPDATE suppression SET address = 'y@example.net'",
		    "suppression of row" },
		{ "INSERT INTO suppression SELECT seq + 100, address, salt, "
		  "reason, since, until FROM suppression",
		    "never journalled" },
	};
	struct place *p = *state;
	char head[100], copy[128];
	struct heard h;

	fill(p->path, head);
	(void)snprintf(copy, sizeof(copy), "%s.copy", p->path);
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		unsigned char chain[CHAIN_LEN];
		struct err err;
		int64_t seq;

		if (snapshot_take(p->path, copy, &seq, chain, &err) == -1)
			fail_msg("%s", err.text);
		raw_ok(copy, "DROP TRIGGER party_only_erased");
		raw_ok(copy, cases[i].sql);
		h = verify(copy, NULL, true);
		if (strstr(h.text, cases[i].words) == NULL)
			fail_msg("%s: %s", cases[i].sql, h.text);
		assert_int_equal(unlink(copy), 0);
	}
}

static void
snapshot(void **state)
{
	struct place *p = *state;
	unsigned char chain[CHAIN_LEN];
	char head[100], copy[128], text[128], hex[CHAIN_TEXT_LEN];
	struct journal *j;
	struct stat st;
	struct err err;
	int64_t seq;

	fill(p->path, head);
	(void)snprintf(copy, sizeof(copy), "%s.copy", p->path);
	j = open_journal(p->path);
	assert_int_equal(snapshot_take(p->path, copy, &seq, chain, &err), 0);
	journal_close(j);
	assert_int_equal(snapshot_take(p->path, copy, &seq, chain, &err), -1);
	assert_int_equal(err.class, ERR_STATE);
	assert_int_equal(stat(copy, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0640);
	(void)snprintf(text, sizeof(text), "%lld:%s", (long long)seq,
	    chain_text(chain, hex));
	assert_int_equal(verify(copy, text, true).n, 0);
	assert_int_equal(verify(p->path, text, true).n, 0);
}

struct hits {
	char text[2048];
	struct uuid last;
};

static int
add_hit(void *arg, const struct search_hit *h)
{
	struct hits *hits = arg;
	size_t len = strlen(hits->text);

	(void)snprintf(hits->text + len, sizeof(hits->text) - len, "%s:%s ",
	    h->recipient, h->state);
	hits->last = h->message;
	return 0;
}

static void
assert_found(
    struct search *s, const struct search_filter *f, const char *expected)
{
	struct hits hits = { .text = "" };
	int64_t cursor = 0;
	struct err err;

	if (search_run(s, f, &cursor, 100, add_hit, &hits, &err) == -1)
		fail_msg("%s", err.text);
	assert_string_equal(hits.text, expected);
}

#define FIND(s, expected, ...) \
	assert_found(s, &(const struct search_filter) { __VA_ARGS__ }, expected)

#define B1 "b@example.net:sent "
#define C1 "c@example.com:sent "
#define D1 "d@example.net:refused "
#define B2 "B@example.net:waiting "

/* As if half a million deliveries lay between any two of them. */
static void
spread_out(const char *path)
{
	char search[128];

	(void)snprintf(search, sizeof(search), "%s-search.db", path);
	raw_ok(search, "UPDATE found SET id = -id; "
		       "UPDATE found SET id = -id * 524288; "
		       "UPDATE posting SET id = id * 524288, part = id * 2; "
		       "UPDATE odd SET id = -id; "
		       "UPDATE odd SET id = -id * 524288; "
		       "WITH RECURSIVE bit(id) AS "
		       "(SELECT 1 UNION ALL SELECT id + 1 FROM bit "
		       "WHERE id < 63) INSERT INTO plain "
		       "SELECT what, id * 524288 / 64, 1 FROM plain, bit "
		       "WHERE bits >> id & 1; "
		       "DELETE FROM plain WHERE block = 0");
}

static void
filters_with(const char *path, bool spread)
{
	struct search *s;
	char head[100];
	uint64_t rows;
	struct err err;
	int64_t lag, at;

	fill(path, head);
	assert_null(search_open(path, &err));
	assert_int_equal(err.class, ERR_STATE);
	assert_int_equal(search_catch_up(path, &rows, &err), 0);
	assert_true(rows > 10);
	if (spread)
		spread_out(path);
	s = search_open(path, &err);
	assert_non_null(s);
	assert_int_equal(search_lag(s, &lag, &at, &err), 0);
	assert_int_equal(lag, 0);
	FIND(s, B2 B2 D1 C1 B1, .state = NULL);
	FIND(s, D1 C1 B1, .sender = "bounce@example.com");
	FIND(s, B2 D1 C1 B1, .sender = "A@EXAMPLE.ORG");
	FIND(s, D1 C1 B1, .sender = "author@example.org");
	FIND(s, B2, .sender = "");
	FIND(s, B2 B2 B1, .recipient = "b@example.net");
	FIND(s, C1, .domain = "Example.COM");
	FIND(s, B2 B2 D1 C1 B1, .client = "192.0.2.1");
	FIND(s, "", .client = "192.0.2.2");
	FIND(s, B2, .queue_id = "88abcdef");
	FIND(s, C1 B1, .ses_id = "0100-ses-id");
	FIND(s, B2, .message_id = "<2@example.org>");
	FIND(s, D1, .state = "refused");
	FIND(s, C1 B1, .state = "sent");
	FIND(s, "", .state = "deferred");
	FIND(s, B1, .recipient = "b@example.net", .state = "sent");
	FIND(s, C1 B1, .sender = "a@example.org", .state = "sent");
	FIND(s, "", .since_us = clock_wall_us());
	FIND(s, B2 B2 D1 C1 B1, .until_us = clock_wall_us());
	FIND(s, "", .until_us = 1);
	search_close(s);
}

static void
filters(void **state)
{
	filters_with(((struct place *)*state)->path, false);
}

static void
filters_over_parts(void **state)
{
	filters_with(((struct place *)*state)->path, true);
}

/* Who logged in, what SES reported, and what replies said, even those that
 * something better followed. */
static void
more_filters(void **state)
{
	static const char *const rcpts[] = { "u@example.net", NULL };
	struct place *p = *state;
	struct journal *j;
	struct search *s;
	struct made m;
	char head[100], search[128];
	uint64_t rows;
	struct err err;

	fill(p->path, head);
	j = open_journal(p->path);
	make(&m, 7, rcpts);
	m.a.user = "Paul Smith";
	arrive(j, &m);
	send_dot(j, &m.a.id, 1, 1);
	settle(j, &m.a.id, 1, 1, RECORD_SENT, "Ok 0100-ses-id");
	journal_close(j);
	raw_ok(p->path, "UPDATE delivery SET feedback = CASE n WHEN 1 "
			"THEN 'delivered' ELSE 'bounced' END "
			"WHERE state = 'sent'");
	assert_int_equal(search_catch_up(p->path, &rows, &err), 0);
	s = search_open(p->path, &err);
	FIND(s, "u@example.net:sent ", .user = "paul smith");
	FIND(s, "u@example.net:sent ", .sender = "Paul Smith");
	FIND(s, "", .user = "Paul");
	FIND(s, "", .user = "a@example.org");
	FIND(s, C1, .feedback = "bounced");
	FIND(s, C1, .feedback = "bounced", .domain = "example.com");
	FIND(s, "", .feedback = "bounced", .state = "refused");
	FIND(s, "u@example.net:sent " B1, .feedback = "delivered");
	FIND(s, B1, .feedback = "delivered", .recipient = "b@example.net");
	FIND(s, "u@example.net:sent " B1, .feedback = "delivered",
	    .state = "sent");
	FIND(s, C1, .feedback = "bounced", .state = "sent");
	FIND(s, "", .feedback = "delivered", .state = "refused");
	FIND(s, C1, .reply = "throttling");
	FIND(s, C1, .reply = "451 THROTTLING");
	FIND(s, C1, .reply = "throttling", .feedback = "bounced");
	FIND(s, "", .reply = "throttling", .state = "refused");
	FIND(s, "", .reply = "throttling 554");
	FIND(s, "", .reply = "thrott");
	FIND(s, D1 C1, .reply = "4.0.0");
	FIND(s, "", .reply = "ok");
	search_close(s);
	(void)snprintf(search, sizeof(search), "%s-search.db", p->path);
	assert_sql(search, "SELECT sum(count) FROM tally WHERE kind = 'sent'",
	    "3");
	assert_sql(search, "SELECT count(DISTINCT day) FROM tally", "1");
	raw_ok(p->path, "UPDATE delivery SET feedback = 'complained' "
			"WHERE n = 2 AND state = 'sent'");
	/* The list is old, the journal decides. */
	s = search_open(p->path, &err);
	FIND(s, "", .feedback = "bounced");
	search_close(s);
}

static void
words(void **state)
{
	static const char text[] = "554 5.1.1 <{recipient:1}> No such User- "
				   "here_now... (#5.1.1)";
	static const char *const expected[] = { "554", "5.1.1", "recipient",
		"1", "No", "such", "User", "here_now", "5.1.1" };
	const char *at = text, *word;
	size_t len;

	(void)state;
	for (size_t i = 0; i < sizeof(expected) / sizeof(expected[0]); i++) {
		assert_int_equal(search_word(&at, &word, &len), 1);
		assert_int_equal(len, strlen(expected[i]));
		assert_memory_equal(word, expected[i], len);
	}
	assert_int_equal(search_word(&at, &word, &len), 0);
	assert_true(search_has_words(text, "user 5.1.1, SUCH"));
	assert_true(search_has_words(text, ""));
	assert_false(search_has_words(text, "users"));
	assert_false(search_has_words(text, "5.1"));
}

static void
pages(void **state)
{
	struct place *p = *state;
	const struct search_filter all = { .state = NULL };
	struct hits hits = { .text = "" };
	struct journal *j;
	struct search *s;
	struct made m;
	static const char *const late[] = { "late@example.net", NULL };
	char head[100];
	int64_t cursor = 0;
	uint64_t rows;
	struct err err;

	fill(p->path, head);
	assert_int_equal(search_catch_up(p->path, &rows, &err), 0);
	s = search_open(p->path, &err);
	assert_int_equal(
	    search_run(s, &all, &cursor, 2, add_hit, &hits, &err), 2);
	j = open_journal(p->path);
	make(&m, 9, late);
	arrive(j, &m);
	journal_close(j);
	assert_int_equal(search_catch_up(p->path, &rows, &err), 0);
	assert_int_equal(
	    search_run(s, &all, &cursor, 2, add_hit, &hits, &err), 2);
	assert_int_equal(
	    search_run(s, &all, &cursor, 2, add_hit, &hits, &err), 1);
	assert_int_equal(
	    search_run(s, &all, &cursor, 2, add_hit, &hits, &err), 0);
	assert_string_equal(hits.text, B2 B2 D1 C1 B1);
	search_close(s);
}

/* More than one block of bits, read in pages. */
static void
plain_blocks(void **state)
{
	struct place *p = *state;
	const struct search_filter sent = { .state = "sent" };
	struct hits hits;
	struct search *s;
	struct made m;
	static const char *const one[] = { "n@example.net", NULL };
	struct journal *j = open_journal(p->path);
	int64_t cursor = 0, n, found = 0;
	uint64_t rows;
	struct err err;

	for (int i = 0; i < 150; i++) {
		make(&m, 100 + i, one);
		arrive(j, &m);
		send_dot(j, &m.a.id, 1, 1);
		settle(j, &m.a.id, 1, 1, i % 3 == 0 ? RECORD_REFUSED
			: RECORD_SENT, "Ok 0100-ses-id");
	}
	journal_close(j);
	assert_int_equal(search_catch_up(p->path, &rows, &err), 0);
	s = search_open(p->path, &err);
	do {
		hits.text[0] = '\0';
		n = search_run(s, &sent, &cursor, 7, add_hit, &hits, &err);
		found += n;
	} while (n == 7);
	assert_int_equal(found, 100);
	search_close(s);
}

static int
count_seq(void *arg, int64_t seq)
{
	assert_true(seq > 0);
	(*(int *)arg)++;
	return 0;
}

static void
trails(void **state)
{
	struct place *p = *state;
	struct uuid ids[4];
	struct search *s;
	char head[100];
	uint64_t rows;
	struct err err;
	int64_t up_to;
	int n = 0;

	fill(p->path, head);
	assert_int_equal(search_catch_up(p->path, &rows, &err), 0);
	s = search_open(p->path, &err);
	assert_int_equal(search_messages(s, "0100-ses-id", ids, 4, &err), 1);
	assert_int_equal(
	    search_trail(s, &ids[0], count_seq, &n, &up_to, &err), 0);
	assert_int_equal(n, 9);
	assert_int_equal(search_messages(s, "4AbCdEf", ids, 4, &err), 2);
	assert_int_equal(search_messages(s, "none", ids, 4, &err), 0);
	search_close(s);
}

/* Another journal, or a damaged file: made anew. */
static void
anew(void **state)
{
	struct place *p = *state;
	char head[100], name[128];
	struct search *s;
	uint64_t rows;
	struct err err;
	FILE *f;

	fill(p->path, head);
	assert_int_equal(search_catch_up(p->path, &rows, &err), 0);
	(void)unlink(p->path);
	(void)snprintf(name, sizeof(name), "%s-wal", p->path);
	(void)unlink(name);
	(void)snprintf(name, sizeof(name), "%s-shm", p->path);
	(void)unlink(name);
	fill(p->path, head);
	assert_int_equal(search_catch_up(p->path, &rows, &err), 0);
	assert_true(rows > 10);
	(void)snprintf(name, sizeof(name), "%s-search.db", p->path);
	f = fopen(name, "w");
	(void)fprintf(f, "%4096s", "no database");
	(void)fclose(f);
	assert_int_equal(search_catch_up(p->path, &rows, &err), 0);
	s = search_open(p->path, &err);
	FIND(s, B2 B2 D1 C1 B1, .state = NULL);
	search_close(s);
}

/* Who is to be forgotten must not stay there without a word. */
static void
discarded(void **state)
{
	struct place *p = *state;
	char name[128];
	struct err err;

	(void)snprintf(name, sizeof(name), "%s-search.db", p->path);
	assert_int_equal(mkdir(name, 0700), 0);
	assert_int_equal(search_discard(p->path, &err), -1);
	assert_contains(err.text, name);
	assert_int_equal(rmdir(name), 0);
	assert_int_equal(search_discard(p->path, &err), 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		store_test(clean),
		store_test(tampered),
		store_test(tampered_tables),
		store_test(snapshot),
		store_test(filters),
		store_test(filters_over_parts),
		store_test(more_filters),
		cmocka_unit_test(words),
		store_test(pages),
		store_test(plain_blocks),
		store_test(trails),
		store_test(anew),
		store_test(discarded),
	};

	return cmocka_run_group_tests_name("search", tests, NULL, NULL);
}
