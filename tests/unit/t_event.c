/* SPDX-License-Identifier: BSD-2-Clause */
#include "config.h"

#include "tests/unit/storetest.h"

#include "store/event_take.h"
#include "store/verify.h"

#define T0 INT64_C(1785578400000000) /* 2026-08-01T10:00:00Z */

static char bounce_word[] = "bounce", complaint_word[] = "complaint";
static char *both_words[] = { bounce_word, complaint_word };
static const struct conf_list both = { both_words, 2 };
static const struct conf_list none = { NULL, 0 };

static void
hear(void *arg, int64_t seq, const char *words)
{
	(void)arg;
	fail_msg("row %lld: %s", (long long)seq, words);
}

/* The journal verifies, and all tables are what it says. */
static void
assert_clean(const char *path)
{
	struct verify_ask ask = { .projections = true };
	struct verify_result result;
	struct err err;

	if (verify_journal(&path, 1, &ask, hear, NULL, &result, &err) == -1)
		fail_msg("%s", err.text);
}

static struct event_counts
take_with(struct journal *j, struct suppressions *list,
    const struct conf_list *suppress, const struct event *e, size_t n)
{
	struct event_counts counts = { 0 };
	struct err err;

	if (event_take(j, list, suppress, e, n, 30 * US_PER_SEC, &counts, &err) == -1)
		fail_msg("%s", err.text);
	return counts;
}

static struct event_counts
take(struct journal *j, const struct event *e, size_t n)
{
	return take_with(j, NULL, &none, e, n);
}

/* Texts are literals that nobody frees. */
static char *
text(const char *s)
{
	return (char *)(uintptr_t)s;
}

static struct event
event(const char *type, const char *ses_id, int64_t after_ms)
{
	return (struct event) { .type = text(type), .ses_id = text(ses_id),
		.time = T0 + after_ms * 1000, .accepted = T0 };
}

static struct event
tagged(const char *type, const struct made *m, unsigned n, unsigned attempt)
{
	struct event e = event(type, "0100-ses-id", 1000);

	e.tagged = true;
	e.message = m->a.id;
	e.n = n;
	e.attempt = attempt;
	return e;
}

static const char *const one[] = { "Bob@example.net", NULL };

/* One message whose dot is out. */
static struct journal *
with_dot(const char *path, struct made *m)
{
	struct journal *j = open_journal(path);

	make(m, 1, one);
	arrive(j, m);
	send_dot(j, &m->a.id, 1, 1);
	return j;
}

static void
finish(const char *path, struct journal *j, struct made *m)
{
	made_free(m);
	journal_close(j);
	assert_clean(path);
}

/* One message that SES has accepted, under the id that storetest gives. */
static struct journal *
with_sent(const char *path, struct made *m)
{
	struct journal *j = with_dot(path, m);

	settle(j, &m->a.id, 1, 1, RECORD_SENT, "Ok 0100-ses-id");
	return j;
}

static void
test_found_by_ses_id(void **state)
{
	const struct place *p = *state;
	struct event e = event("Delivery", "0100-ses-id", 1480);
	struct event_counts c;
	struct journal *j;
	struct made m;

	j = with_sent(p->path, &m);
	e.text = text("250 Ok bob@EXAMPLE.net and eve@example.org");
	c = take(j, &e, 1);
	assert_int_equal(c.taken, 1);
	assert_sql(p->path,
	    "SELECT json_remove(detail, '$.time', '$.accepted') FROM journal "
	    "WHERE event = 'event' AND n = 1",
	    "{\"type\":\"Delivery\",\"feedback\":\"delivered\",\"ses_id\":"
	    "\"0100-ses-id\",\"text\":\"250 Ok {recipient:1} and {address}\"}");
	assert_sql(p->path, "SELECT feedback FROM delivery", "delivered");
	/* The same again changes nothing. */
	c = take(j, &e, 1);
	assert_int_equal(c.taken, 0);
	assert_int_equal(c.repeated, 1);
	assert_sql(p->path,
	    "SELECT count(*) FROM journal WHERE event = 'event'", "1");
	finish(p->path, j, &m);
}

static void
test_found_by_tag(void **state)
{
	const struct place *p = *state;
	struct event e[3];
	struct event_counts c;
	struct journal *j;
	struct made m;

	j = with_sent(p->path, &m);
	e[0] = tagged("Open", &m, 1, 1);
	/* Neither such an attempt nor such a recipient was ever made. */
	e[1] = tagged("Send", &m, 1, 2);
	e[2] = tagged("Delivery", &m, 2, 1);
	e[1].ses_id = e[2].ses_id = text("0100-other");
	c = take(j, e, 3);
	assert_int_equal(c.taken, 1);
	assert_int_equal(c.unmatched, 2);
	assert_sql(p->path, "SELECT coalesce(feedback, '-') FROM delivery", "-");
	assert_sql(p->path,
	    "SELECT json_extract(detail, '$.attempt') FROM journal "
	    "WHERE event = 'event' AND message IS NOT NULL",
	    "1");
	finish(p->path, j, &m);
}

/* What the remote server calls its user. */
static void
test_recipient_without_domain(void **state)
{
	static const char *const john[] = { "john@example.net", NULL };
	const struct place *p = *state;
	struct journal *j;
	struct event e;
	struct made m;

	j = open_journal(p->path);
	make(&m, 1, john);
	arrive(j, &m);
	send_dot(j, &m.a.id, 1, 1);
	e = tagged("Bounce", &m, 1, 1);
	e.text = text("smtp; 550 5.1.1 no such user: John");
	assert_int_equal(take(j, &e, 1).taken, 1);
	assert_sql(p->path,
	    "SELECT json_extract(detail, '$.text') FROM journal "
	    "WHERE event = 'event'",
	    "smtp; 550 5.1.1 no such user: {recipient:1}");
	finish(p->path, j, &m);
}

/* A tag can be made up; the SES id of an attempt that was accepted is known. */
static void
test_tag_held_against_ses_id(void **state)
{
	const struct place *p = *state;
	struct event e[2];
	struct event_counts c;
	struct journal *j;
	struct made m;

	j = with_sent(p->path, &m);
	e[0] = tagged("Complaint", &m, 1, 1);
	e[0].ses_id = text("0100-other");
	c = take_with(j, NULL, &both, e, 1);
	assert_int_equal(c.unmatched, 1);
	assert_int_equal(c.suppressed, 0);
	assert_sql(p->path, "SELECT coalesce(feedback, '-') FROM delivery", "-");
	made_free(&m);

	/* An earlier attempt turned out to be accepted, too. */
	make(&m, 2, one);
	arrive(j, &m);
	send_dot(j, &m.a.id, 1, 1);
	settle(j, &m.a.id, 1, 1, RECORD_DOUBTFUL, "timed out");
	send_dot(j, &m.a.id, 1, 2);
	settle(j, &m.a.id, 1, 2, RECORD_DOUBTFUL, "timed out");
	e[0] = tagged("Send", &m, 1, 1);
	e[1] = tagged("Delivery", &m, 1, 2);
	e[1].ses_id = text("0100-second");
	assert_int_equal(take(j, e, 1).settled, 1);
	assert_int_equal(take(j, e + 1, 1).taken, 1);
	finish(p->path, j, &m);
}

/* Whatever the order, the gravest stands. */
static void
test_precedence(void **state)
{
	static const char *const types[] = { "Send", "DeliveryDelay",
		"Delivery", "Reject", "Bounce", "Complaint" };
	static const char *const stands[] = { NULL, "delayed", "delivered",
		"rejected", "bounced", "complained" };
	enum { N = 6 };
	const struct place *p = *state;
	struct event e[2];
	struct journal *j;
	struct made m;
	int seed = 0;

	j = open_journal(p->path);
	for (unsigned a = 0; a < N; a++)
		for (unsigned b = 0; b < N; b++) {
			make(&m, ++seed, one);
			arrive(j, &m);
			send_dot(j, &m.a.id, 1, 1);
			settle(j, &m.a.id, 1, 1, RECORD_SENT, "Ok");
			e[0] = tagged(types[a], &m, 1, 1);
			e[1] = tagged(types[b], &m, 1, 1);
			(void)take(j, e, 2);
			assert_sql(p->path,
			    "SELECT feedback FROM delivery "
			    "ORDER BY message DESC LIMIT 1",
			    a + b == 0	? "(null)"
				: a > b ? stands[a]
					: stands[b]);
			made_free(&m);
		}
	journal_close(j);
	assert_clean(p->path);
}

static void
test_unmatched_then_matched(void **state)
{
	const struct place *p = *state;
	struct event e[2] = { event("Delivery", "0100-ses-id", 1480),
		event("Bounce", "0100-of-others", 5) };
	struct event_counts c;
	struct journal *j;
	struct made m;

	j = open_journal(p->path);
	e[1].text = text("smtp; 550 <Eve Doe> eve@example.org unknown");
	c = take(j, e, 2);
	assert_int_equal(c.unmatched, 2);
	assert_sql(p->path,
	    "SELECT json_extract(detail, '$.text') FROM journal "
	    "WHERE event = 'event' AND message IS NULL AND "
	    "json_extract(detail, '$.type') = 'Bounce'",
	    "smtp; 550 <Eve Doe> {address} unknown");
	c = take(j, e, 2);
	assert_int_equal(c.unmatched, 0);
	assert_int_equal(c.repeated, 2);
	journal_close(j);
	assert_clean(p->path);

	j = with_sent(p->path, &m);
	c = take(j, e, 2);
	assert_int_equal(c.taken, 1);
	assert_int_equal(c.repeated, 1);
	assert_sql(p->path, "SELECT feedback FROM delivery", "delivered");
	assert_sql(p->path, "SELECT count(*) FROM unmatched", "1");
	assert_sql(p->path,
	    "SELECT u.event || ' ' || json_extract(u.detail, '$.type') "
	    "FROM journal e JOIN journal u "
	    "ON u.seq = json_extract(e.detail, '$.unmatched')",
	    "event Delivery");
	c = take(j, e, 2);
	assert_int_equal(c.repeated, 2);
	finish(p->path, j, &m);
}

/* No reply has told its SES id, but its tag has. */
static void
test_without_its_tag(void **state)
{
	const struct place *p = *state;
	struct event with, without;
	struct journal *j;
	struct made m;

	j = with_dot(p->path, &m);
	with = tagged("Delivery", &m, 1, 1);
	without = with;
	without.tagged = false;
	assert_int_equal(take(j, &with, 1).taken, 1);
	assert_int_equal(take(j, &without, 1).repeated, 1);
	assert_sql(p->path, "SELECT count(*) FROM unmatched", "0");
	assert_sql(p->path,
	    "SELECT count(*) FROM journal WHERE event = 'event'", "1");
	finish(p->path, j, &m);
}

/* Found, and pruned before it is the event's turn: a trigger is as quick. */
static void
test_gone_after_it_was_found(void **state)
{
	const struct place *p = *state;
	struct event e[2] = { event("Send", "0100-of-others", 1),
		event("Delivery", "0100-ses-id", 1480) };
	struct event_counts c;
	struct journal *j;
	struct made m;

	j = with_sent(p->path, &m);
	journal_close(j);
	raw_ok(p->path,
	    "CREATE TRIGGER prune AFTER INSERT ON journal "
	    "WHEN NEW.event = 'event' BEGIN DELETE FROM delivery; END");
	j = open_journal(p->path);
	c = take(j, e, 2);
	assert_int_equal(c.taken, 0);
	assert_int_equal(c.unmatched, 2);
	assert_sql(p->path, "SELECT count(*) FROM event", "0");
	assert_sql(p->path, "SELECT count(*) FROM unmatched", "2");
	made_free(&m);
	journal_close(j);
}

static bool
is_listed(struct suppressions *list, const char *address, char reason[200])
{
	struct address a;
	struct err err;

	assert_int_equal(
	    address_parse(address, strlen(address), &a, &err), ADDRESS_OK);
	return suppressions_find(list, &a, reason);
}

static struct event
bounce(const struct made *m, unsigned n, const char *subtype)
{
	struct event e = tagged("Bounce", m, n, 1);

	e.kind = text("Permanent");
	e.subtype = text(subtype);
	e.text = text("smtp; 550 5.1.1 <bob@example.net>: unknown");
	return e;
}

static void
send_to_all(struct journal *j, struct made *m)
{
	arrive(j, m);
	for (unsigned n = 1; n <= m->a.nrcpts; n++) {
		send_dot(j, &m->a.id, n, 1);
		settle(j, &m->a.id, n, 1, RECORD_SENT, "Ok");
	}
}

static void
test_suppression(void **state)
{
	static const char *const several[] = { "bob@example.net",
		"list@example.net", "bounce@simulator.amazonses.com",
		"eve@example.net", "soft@example.net", NULL };
	const struct place *p = *state;
	struct suppressions *list;
	struct event_counts c;
	struct event e[6];
	struct journal *j;
	char reason[200];
	struct made m;
	struct err err;

	j = open_journal(p->path);
	make(&m, 1, several);
	send_to_all(j, &m);
	assert_int_equal(suppressions_open(p->path, &list, &err), 0);
	e[0] = bounce(&m, 1, "NoEmail");
	e[1] = bounce(&m, 2, "OnAccountSuppressionList");
	e[2] = bounce(&m, 3, "General");
	e[3] = tagged("Complaint", &m, 4, 1);
	e[4] = bounce(&m, 5, "General");
	e[4].kind = text("Transient");
	/* Listed already. */
	e[5] = tagged("Complaint", &m, 1, 1);

	c = take_with(j, list, &both, e, 6);
	assert_int_equal(c.taken, 6);
	assert_int_equal(c.suppressed, 2);
	assert_true(is_listed(list, "BOB@example.net", reason));
	assert_string_equal(reason,
	    "mail to it bounced for good (NoEmail): "
	    "smtp; 550 5.1.1 this address: unknown");
	assert_true(is_listed(list, "eve@example.net", reason));
	assert_false(is_listed(list, "list@example.net", reason));
	assert_false(is_listed(list, "soft@example.net", reason));
	assert_false(
	    is_listed(list, "bounce@simulator.amazonses.com", reason));
	assert_sql(p->path,
	    "SELECT group_concat(n || json_extract(detail, '$.who')) "
	    "FROM journal WHERE event = 'suppressed'",
	    "1event,4event");
	/* Lifted by somebody, it stays lifted when old events come again. */
	assert_int_equal(suppression_remove(j, list,
			     &(struct address) { .text = "bob@example.net" },
			     "", "somebody", SOON, &err),
	    0);
	c = take_with(j, list, &both, e, 6);
	assert_int_equal(c.repeated, 6);
	assert_int_equal(c.suppressed, 0);
	assert_false(is_listed(list, "bob@example.net", reason));
	made_free(&m);
	journal_close(j);
	suppressions_close(list);
	assert_clean(p->path);
}

/* A report may come days after what it tells of. */
static void
test_lifted_stays_lifted(void **state)
{
	const struct address bob = { .text = "bob@example.net" };
	const struct place *p = *state;
	struct suppressions *list;
	char reason[200];
	struct journal *j;
	struct event e;
	struct made m;
	struct err err;

	j = open_journal(p->path);
	make(&m, 1, one);
	send_to_all(j, &m);
	assert_int_equal(suppressions_open(p->path, &list, &err), 0);
	assert_int_equal(
	    suppression_add(j, list, &bob, "", 0, "somebody", SOON, &err), 0);
	assert_int_equal(
	    suppression_remove(j, list, &bob, "", "somebody", SOON, &err), 0);
	e = bounce(&m, 1, "General");
	e.time = clock_wall_us() - 60 * US_PER_SEC;
	assert_int_equal(take_with(j, list, &both, &e, 1).suppressed, 0);
	assert_false(is_listed(list, "bob@example.net", reason));
	e.time = clock_wall_us() + 60 * US_PER_SEC;
	assert_int_equal(take_with(j, list, &both, &e, 1).suppressed, 1);
	assert_true(is_listed(list, "bob@example.net", reason));
	made_free(&m);
	journal_close(j);
	suppressions_close(list);
	assert_clean(p->path);
}

/* Lifted after the commit that listed it, but before that was noted. */
static void
test_later_change_stands(void **state)
{
	const struct address bob = { .text = "bob@example.net" };
	const struct place *p = *state;
	struct suppressions *list;
	char reason[200];
	struct journal *j;
	struct err err;

	j = open_journal(p->path);
	assert_int_equal(suppressions_open(p->path, &list, &err), 0);
	assert_int_equal(
	    suppression_add(j, NULL, &bob, "", 0, "event", SOON, &err), 0);
	assert_int_equal(
	    suppression_remove(j, list, &bob, "", "somebody", SOON, &err), 0);
	suppression_note(list, bob.text, "bounced", 1);
	assert_false(is_listed(list, bob.text, reason));
	suppression_note(list, bob.text, "bounced again", 1000);
	assert_true(is_listed(list, bob.text, reason));
	journal_close(j);
	suppressions_close(list);
}

static void
test_suppression_as_configured(void **state)
{
	static const char *const several[] = { "bob@example.net",
		"eve@example.net", NULL };
	const struct conf_list complaints = { both_words + 1, 1 };
	const struct place *p = *state;
	struct event e[2];
	struct journal *j;
	struct made m;

	j = open_journal(p->path);
	make(&m, 1, several);
	send_to_all(j, &m);
	e[0] = bounce(&m, 1, "General");
	e[1] = tagged("Complaint", &m, 2, 1);
	assert_int_equal(take_with(j, NULL, &complaints, e, 2).suppressed, 1);
	assert_sql(p->path, "SELECT address FROM suppression", "eve@example.net");
	finish(p->path, j, &m);
}

#define SETTLED                                                              \
	"SELECT d.state || ' ' || d.ses_id || ' ' || d.sent_at || ' ' || "   \
	"(SELECT json_remove(detail, '$.event') FROM journal "               \
	"WHERE event = 'settled') FROM delivery d"
#define SETTLED_SO                                                          \
	"sent 0100-ses-id 1785578400000000 {\"attempt\":1,\"ses_id\":"       \
	"\"0100-ses-id\",\"sent_at\":1785578400000000}"

static void
test_doubtful_settled(void **state)
{
	const struct place *p = *state;
	struct event_counts c;
	struct event e;
	struct journal *j;
	struct made m, again;

	j = with_dot(p->path, &m);
	settle(j, &m.a.id, 1, 1, RECORD_DOUBTFUL, "connection lost");
	e = tagged("Send", &m, 1, 1);
	c = take(j, &e, 1);
	assert_int_equal(c.settled, 1);
	assert_sql(p->path, SETTLED, SETTLED_SO);
	/* The MTA's next try is answered from the journal. */
	make(&again, 1, one);
	arrive(j, &again);
	assert_int_equal(again.rcpts[0].state, RECORD_SENT);
	assert_string_equal(again.rcpts[0].ses_id, "0100-ses-id");
	made_free(&m);
	made_free(&again);
	journal_close(j);
	assert_clean(p->path);
}

/* The event came before anybody doubted; and what came after does not matter. */
static void
test_event_before_doubt(void **state)
{
	const struct place *p = *state;
	struct event e;
	struct journal *j;
	struct made m;

	j = with_dot(p->path, &m);
	e = tagged("Delivery", &m, 1, 1);
	assert_int_equal(take(j, &e, 1).settled, 0);
	assert_sql(p->path, "SELECT state FROM delivery", "sending");
	settle(j, &m.a.id, 1, 1, RECORD_DOUBTFUL, "timed out");
	assert_sql(p->path, SETTLED, SETTLED_SO);
	finish(p->path, j, &m);
}

static void
test_event_before_second_attempt_failed(void **state)
{
	const struct place *p = *state;
	struct event e;
	struct journal *j;
	struct made m;

	j = with_dot(p->path, &m);
	settle(j, &m.a.id, 1, 1, RECORD_DOUBTFUL, "timed out");
	send_dot(j, &m.a.id, 1, 2);
	e = tagged("Delivery", &m, 1, 1);
	assert_int_equal(take(j, &e, 1).settled, 0);
	settle(j, &m.a.id, 1, 2, RECORD_DEFERRED, "throttled");
	assert_sql(p->path, SETTLED, SETTLED_SO);
	finish(p->path, j, &m);
}

/* An event without a tag tells nothing of attempts. */
static void
test_untagged_settles_nothing(void **state)
{
	const struct place *p = *state;
	struct event e = event("Delivery", "0100-ses-id", 5);
	struct journal *j;
	struct made m;

	j = with_dot(p->path, &m);
	settle(j, &m.a.id, 1, 1, RECORD_DOUBTFUL, "timed out");
	assert_int_equal(take(j, &e, 1).unmatched, 1);
	assert_sql(p->path, "SELECT state FROM delivery", "doubtful");
	finish(p->path, j, &m);
}

/* The process dies with the dot out; the event was taken before. */
static void
test_settled_at_start(void **state)
{
	const struct place *p = *state;
	struct event e;
	struct journal *j;
	struct made m;

	j = with_dot(p->path, &m);
	e = tagged("Delivery", &m, 1, 1);
	(void)take(j, &e, 1);
	journal_close(j);
	j = open_journal(p->path);
	assert_sql(p->path, SETTLED, SETTLED_SO);
	finish(p->path, j, &m);
}

/* More than one lot, and one event in it twice. */
static void
test_many(void **state)
{
	enum { N = 300 };
	const struct place *p = *state;
	struct event *e = calloc(N, sizeof(*e));
	struct event_counts c;
	struct journal *j;
	struct made m;

	j = with_sent(p->path, &m);
	for (int64_t i = 0; i < N; i++)
		e[i] = event("Open", "0100-ses-id", i / 2);
	c = take(j, e, N);
	assert_int_equal(c.taken, N / 2);
	assert_int_equal(c.repeated, N / 2);
	free(e);
	finish(p->path, j, &m);
}

static void
count(void *arg, int64_t seq, const char *words)
{
	unsigned *n = arg;

	(void)seq;
	(void)words;
	++*n;
}

/* What the tables say without the journal is found. */
static void
test_tables_verified(void **state)
{
	static const char *const changes[] = {
		"UPDATE delivery SET feedback = 'delivered'",
		"UPDATE delivery SET ses_id = '0100-other'",
		"DELETE FROM event WHERE key = (SELECT max(key) FROM event)",
		"UPDATE event SET attempt = 7 WHERE attempt = 1",
		"UPDATE event SET key = key + 1",
		"DELETE FROM unmatched",
		"UPDATE unmatched SET ses_id = '0100-other'",
	};
	const struct place *p = *state;
	struct verify_ask ask = { .projections = true };
	struct verify_result result;
	char name[128], *path = name;
	struct event e[3];
	struct journal *j;
	struct made m;
	struct err err;
	unsigned n;

	for (size_t i = 0; i < sizeof(changes) / sizeof(changes[0]); i++) {
		(void)snprintf(name, sizeof(name), "%s/%zu.db", p->dir, i);
		j = with_sent(path, &m);
		e[0] = tagged("Delivery", &m, 1, 1);
		e[1] = event("Bounce", "0100-ses-id", 7);
		e[2] = event("Send", "0100-of-others", 7);
		(void)take(j, e, 3);
		made_free(&m);
		journal_close(j);
		assert_clean(path);
		raw_ok(path, changes[i]);
		n = 0;
		assert_int_equal(verify_journal((const char *const *)&path, 1, &ask, count, &n,
				     &result, &err),
		    0);
		if (n == 0)
			fail_msg("not found: %s", changes[i]);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		store_test(test_tables_verified),
		store_test(test_found_by_ses_id),
		store_test(test_found_by_tag),
		store_test(test_recipient_without_domain),
		store_test(test_tag_held_against_ses_id),
		store_test(test_precedence),
		store_test(test_unmatched_then_matched),
		store_test(test_without_its_tag),
		store_test(test_gone_after_it_was_found),
		store_test(test_suppression),
		store_test(test_lifted_stays_lifted),
		store_test(test_later_change_stands),
		store_test(test_suppression_as_configured),
		store_test(test_doubtful_settled),
		store_test(test_event_before_doubt),
		store_test(test_event_before_second_attempt_failed),
		store_test(test_untagged_settles_nothing),
		store_test(test_settled_at_start),
		store_test(test_many),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
