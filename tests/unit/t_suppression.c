/* SPDX-License-Identifier: BSD-2-Clause */
#include "config.h"

#include "tests/unit/storetest.h"

#include "store/suppression.h"

static void
lifted_and_run_out(void **state)
{
	struct place *p = *state;
	struct journal *j = open_journal(p->path);
	struct suppressions *list;
	struct address b, label;
	char reason[SUPPRESSION_REASON_LEN];
	struct err err;

	assert_int_equal(address_parse("B@Example.net", 13, &b, &err), 0);
	assert_int_equal(address_parse("b+x@example.net", 15, &label, &err), 0);
	assert_int_equal(suppressions_open(p->path, &list, &err), 0);
	assert_false(suppressions_find(list, &b, reason));
	assert_int_equal(suppression_add(j, list, &b, "asked by b@example.net for x@example.net",
			     0, "uid 0", SOON, &err),
	    0);
	assert_true(suppressions_find(list, &b, reason));
	assert_string_equal(reason, "asked by this address for an address");
	assert_false(suppressions_find(list, &label, reason));
	suppressions_close(list);
	assert_int_equal(suppressions_open(p->path, &list, &err), 0);
	assert_true(suppressions_find(list, &b, reason));
	assert_int_equal(
	    suppression_remove(j, list, &b, "mended", "uid 0", SOON, &err), 0);
	assert_false(suppressions_find(list, &b, reason));
	assert_int_equal(
	    suppression_remove(j, list, &b, "again", "uid 0", SOON, &err), -1);
	assert_int_equal(err.class, ERR_STATE);
	/* One that has run out is not in force. */
	assert_int_equal(suppression_add(j, list, &b, "for a moment",
			     clock_wall_us() + DAY_US, "uid 0", SOON, &err),
	    0);
	assert_true(suppressions_find(list, &b, reason));
	assert_int_equal(suppression_add(j, list, &b, "for a moment",
			     clock_wall_us() - 1, "uid 0", SOON, &err),
	    0);
	assert_false(suppressions_find(list, &b, reason));
	suppressions_close(list);
	assert_int_equal(suppressions_open(p->path, &list, &err), 0);
	assert_false(suppressions_find(list, &b, reason));
	suppressions_close(list);
	journal_close(j);
	assert_sql(p->path,
	    "SELECT count(*) FROM journal WHERE detail LIKE '%@%'", "0");
	assert_sql(p->path,
	    "SELECT json_extract(detail, '$.suppressed[0]') = "
	    "(SELECT min(seq) FROM suppression) FROM journal "
	    "WHERE event = 'unsuppressed'",
	    "1");
}

static int
same_reason(void *arg, const struct suppression *s)
{
	assert_string_equal(s->reason, arg);
	return 1;
}

/* What older versions have written, with another message's placeholders. */
static void
old_reason(void **state)
{
	struct place *p = *state;
	struct journal *j = open_journal(p->path);
	struct suppressions *list;
	struct address b;
	char reason[SUPPRESSION_REASON_LEN];
	struct err err;

	assert_int_equal(address_parse("b@example.net", 13, &b, &err), 0);
	assert_int_equal(
	    suppression_add(j, NULL, &b, "", 0, "uid 0", SOON, &err), 0);
	journal_close(j);
	raw_ok(p->path,
	    "UPDATE suppression SET reason = "
	    "'550 <{recipient:12}> {recipient:} {ses-id} of {sender} {a {user}'");
	assert_int_equal(suppressions_open(p->path, &list, &err), 0);
	assert_true(suppressions_find(list, &b, reason));
	assert_string_equal(reason,
	    "550 <this address> this address {ses-id} of an address {a an address");
	suppressions_close(list);
	assert_int_equal(
	    suppression_list(p->path, true, same_reason, reason, &err), 0);
}

#define MANY 1000

/* The list that RCPT looks at, grown well beyond where it starts. */
static void
many(void **state)
{
	struct place *p = *state;
	struct journal *j = open_journal(p->path);
	char reason[SUPPRESSION_REASON_LEN], why[16];
	struct suppressions *list;
	struct address a[MANY];
	struct err err;

	assert_int_equal(suppressions_open(p->path, &list, &err), 0);
	for (int i = 0; i < MANY; i++) {
		(void)snprintf(
		    a[i].text, sizeof(a[i].text), "n%d@example.net", i);
		(void)snprintf(why, sizeof(why), "%d", i);
		suppressions_add(list, a[i].text, why, 0, i + 1);
	}
	suppressions_remove(list, a[1].text, MANY + 1);
	suppressions_drop(list, a[2].text, 3);
	suppressions_drop(list, a[3].text, 3); /* listed anew by row 4 */
	suppressions_drop(list, "nobody@example.net", MANY);
	for (int i = 0; i < MANY; i++) {
		(void)snprintf(why, sizeof(why), "%d", i);
		if (i == 1 || i == 2) {
			assert_false(suppressions_find(list, &a[i], reason));
			continue;
		}
		assert_true(suppressions_find(list, &a[i], reason));
		assert_string_equal(reason, why);
	}
	suppressions_close(list);
	journal_close(j);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		store_test(lifted_and_run_out),
		store_test(old_reason),
		store_test(many),
	};

	return cmocka_run_group_tests_name("suppression", tests, NULL, NULL);
}
