/* SPDX-License-Identifier: BSD-2-Clause */
#include "config.h"

#include "tests/unit/storetest.h"

#include "store/prune.h"

/* Deliveries of a day long past, in the order of their ids. */
#define DELIVERIES 5000
#define OLD_DAY "1600000000000000"

static void
add(sqlite3 *db, const char *sql, const struct uuid *id, const char *state)
{
	sqlite3_stmt *stmt;

	assert_int_equal(
	    sqlite3_prepare_v2(db, sql, -1, &stmt, NULL), SQLITE_OK);
	(void)sqlite3_bind_blob(stmt, 1, id->bytes, UUID_LEN, SQLITE_STATIC);
	(void)sqlite3_bind_text(stmt, 2, state, -1, SQLITE_STATIC);
	assert_int_equal(sqlite3_step(stmt), SQLITE_DONE);
	(void)sqlite3_finalize(stmt);
}

/* The one of a number, if any, is in doubt. */
static void
fill(const struct place *p, unsigned doubtful)
{
	struct uuid id = { .bytes = { 0 } };
	sqlite3 *db;

	journal_close(open_journal(p->path));
	db = raw_open(p->path);
	assert_int_equal(
	    sqlite3_exec(db,
		"BEGIN; INSERT INTO journal VALUES (3, " OLD_DAY ", 0, 0, "
		"'config', NULL, 0, '{}', zeroblob(32))",
		NULL, NULL, NULL),
	    SQLITE_OK);
	for (unsigned n = 1; n <= DELIVERIES; n++) {
		id.bytes[UUID_LEN - 2] = (unsigned char)(n >> 8);
		id.bytes[UUID_LEN - 1] = (unsigned char)n;
		add(db, "INSERT INTO message (id, received_at, size) "
			"VALUES (?, " OLD_DAY " - 1, length(?2))", &id, "");
		add(db, "INSERT INTO delivery (message, n, state, attempts, "
			"updated_at) VALUES (?, 1, ?, 1, " OLD_DAY " - 1)",
		    &id, n == doubtful ? "doubtful" : "sent");
	}
	assert_int_equal(
	    sqlite3_exec(db, "COMMIT", NULL, NULL, NULL), SQLITE_OK);
	(void)sqlite3_close(db);
}

/* However short of time, each call comes on, and the next goes on from there. */
static void
looks_in_slices(void **state)
{
	struct place *p = *state;
	struct prune_look look = { .last_seq = 0 };
	struct err err;
	unsigned calls = 0;

	fill(p, 0);
	while (!look.done) {
		assert_int_equal(prune_look(p->path, 3, &look, 0, &err), 0);
		calls++;
	}
	assert_in_range(calls, 3, DELIVERIES / 2);
	assert_int_equal(prune_look(p->path, 3, &look, 0, &err), 0);
	assert_true(look.done);
}

static void
finds_what_is_unsettled(void **state)
{
	struct place *p = *state;
	struct prune_look look = { .last_seq = 0 };
	struct err err;
	int rc = 0;

	fill(p, 4321);
	while (rc == 0 && !look.done)
		rc = prune_look(p->path, 3, &look, 0, &err);
	assert_int_equal(rc, -1);
	assert_int_equal(err.class, ERR_POLICY);
	assert_contains(err.text, "is doubtful");
	assert_contains(err.text, "--before 2020-09-13");
	raw_ok(p->path, "UPDATE delivery SET state = 'sent'");
	assert_int_equal(prune_look(p->path, 3, &look, INT64_MAX, &err), 0);
	assert_true(look.done);
	assert_int_equal(prune_look(p->path, 4, &look, 0, &err), -1);
	assert_contains(err.text, "row 4 is missing");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		store_test(looks_in_slices),
		store_test(finds_what_is_unsettled),
	};

	return cmocka_run_group_tests_name("prune", tests, NULL, NULL);
}
