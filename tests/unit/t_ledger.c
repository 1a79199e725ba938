/* SPDX-License-Identifier: BSD-2-Clause */
#include "config.h"

#include "tests/unit/storetest.h"

#include <inttypes.h>

#include "store/ledger.h"

/*
 * Journals of other boots are written by hand. Times are seconds before now:
 * at counts by the wall clock, mono within the row's boot.
 */
#define WINDOW (3600 * US_PER_SEC)
#define DOUBT (60 * US_PER_SEC)

struct row {
	const char *event;
	int attempt, counts;
	unsigned n;
	int boot;      /* 0: this one */
	int64_t at_ago; /* seconds */
	int64_t mono;  /* seconds: before now in this boot, else since that boot */
};

struct seen {
	int64_t until[16];
	size_t n;
	int64_t now;
};

static int
see(void *arg, int64_t until)
{
	struct seen *s = arg;

	assert_true(s->n < 16);
	s->until[s->n++] = (until - s->now + US_PER_SEC / 2) / US_PER_SEC;
	return 0;
}

static void
insert(sqlite3 *db, const struct row *r)
{
	char *sql = sqlite3_mprintf(
	    "INSERT INTO journal SELECT max(seq) + 1, %lld, %lld, %lld, %Q, "
	    "x'00112233445566778899aabbccddeeff', %u, "
	    "json_object('attempt', %d%s), zeroblob(32) FROM journal",
	    (long long)(clock_wall_us() - r->at_ago * US_PER_SEC),
	    (long long)(r->boot == 0 ? clock_boot_id() : r->boot),
	    (long long)(r->boot == 0 ? clock_mono_us() - r->mono * US_PER_SEC
				     : r->mono * US_PER_SEC),
	    r->event, r->n, r->attempt, r->counts ? "" : ", 'counts', 0");
	char *message = NULL;

	if (sqlite3_exec(db, sql, NULL, NULL, &message) != SQLITE_OK)
		fail_msg("%s: %s", sql, message);
	sqlite3_free(sql);
}

/* The `started` row of an empty journal is of now, so drop it first. */
static struct seen
read_rows(const struct place *p, const struct row *rows, size_t n)
{
	struct seen s = { .n = 0 };
	struct err err;
	sqlite3 *db;

	journal_close(open_journal(p->path));
	raw_ok(p->path,
	    "DROP TRIGGER journal_no_delete; DELETE FROM journal WHERE seq > 1; "
	    "DROP TRIGGER journal_no_update; UPDATE journal SET at = 0, "
	    "boot = 1, mono = 0");
	db = raw_open(p->path);
	for (size_t i = 0; i < n; i++)
		insert(db, &rows[i]);
	(void)sqlite3_close(db);
	s.now = clock_mono_us();
	if (ledger_read(p->path, WINDOW, DOUBT, see, &s, &err) == -1)
		fail_msg("%s", err.text);
	return s;
}

#define READ(p, rows) read_rows(p, rows, sizeof(rows) / sizeof((rows)[0]))

static void
one_boot(void **state)
{
	static const struct row rows[] = {
		{ "sending", 1, 1, 1, 0, 5000, 5000 }, /* too old */
		{ "sent", 1, 1, 1, 0, 4999, 4999 },
		{ "sending", 1, 1, 2, 0, 1000, 1000 },
		{ "sent", 1, 1, 2, 0, 990, 990 },
		{ "sending", 1, 1, 3, 0, 900, 900 }, /* given back */
		{ "refused", 1, 1, 3, 0, 899, 899 },
		{ "sending", 1, 0, 4, 0, 800, 800 }, /* the simulator */
		{ "sent", 1, 1, 4, 0, 799, 799 },
		{ "sending", 1, 1, 5, 0, 700, 700 }, /* no reply */
		{ "doubtful", 1, 1, 5, 0, 690, 690 },
		{ "sending", 2, 1, 5, 0, 600, 600 }, /* deferred, then sent */
		{ "deferred", 2, 1, 5, 0, 599, 599 },
		{ "sending", 3, 1, 5, 0, 500, 500 },
		{ "sent", 3, 1, 5, 0, 499, 499 },
		{ "sending", 1, 1, 6, 0, 10, 10 }, /* on its way */
	};
	struct seen s = READ(*state, rows);

	assert_int_equal(s.n, 4);
	assert_int_equal(s.until[0], 3600 - 10 + 65);
	assert_int_equal(s.until[1], 3600 - 499);
	assert_int_equal(s.until[2], 3600 - 700 + 65);
	assert_int_equal(s.until[3], 3600 - 990);
}

/* Within this boot, `at` may say what it likes. */
static void
stepped_clock(void **state)
{
	static const struct row rows[] = {
		{ "sending", 1, 1, 1, 0, 90000, 101 },
		{ "sent", 1, 1, 1, 0, 90000, 100 },
		{ "sending", 1, 1, 2, 0, -7200, 51 },
		{ "sent", 1, 1, 2, 0, -7200, 50 },
	};
	struct seen s = READ(*state, rows);

	assert_int_equal(s.n, 2);
	assert_int_equal(s.until[0], 3600 - 50);
	assert_int_equal(s.until[1], 3600 - 100);
}

/* The wall clock tells how long the machine was down, mono the rest. */
static void
reboot(void **state)
{
	static const struct row rows[] = {
		{ "sending", 1, 1, 1, 7, 0, 100 }, /* `at` was wrong here */
		{ "sent", 1, 1, 1, 7, 90000, 101 },
		{ "stopped", 0, 1, 0, 7, 600, 401 },
		{ "started", 0, 1, 0, 0, 200, 200 },
	};
	struct seen s = READ(*state, rows);

	/* 200 s this boot, 400 s down, 300 s before. */
	assert_int_equal(s.n, 1);
	assert_int_equal(s.until[0], 3600 - 900);
}

/* A clock that came up behind: time stood still, nothing counts less. */
static void
reboot_behind(void **state)
{
	static const struct row rows[] = {
		{ "sending", 1, 1, 1, 7, -7200, 100 },
		{ "sent", 1, 1, 1, 7, -7200, 101 },
	};
	struct seen s = READ(*state, rows);

	assert_int_equal(s.n, 1);
	assert_int_equal(s.until[0], 3600);
}

/* The walk ends where nothing can count any more, also across boots. */
static void
old_boots(void **state)
{
	static const struct row rows[] = {
		{ "sending", 1, 1, 1, 5, 9000, 100 },
		{ "sent", 1, 1, 1, 5, 9000, 101 },
		{ "sending", 1, 1, 2, 6, 5000, 100 },
		{ "sending", 1, 1, 3, 7, 1000, 100 },
	};
	struct seen s = READ(*state, rows);

	assert_int_equal(s.n, 1);
	assert_int_equal(s.until[0], 3600 - 1000 + 65);
}

/* Killed between dot and reply: it counts, and still does after a restart. */
static void
killed(void **state)
{
	static const char *const rcpts[] = { "b@example.net", "c@example.net",
		NULL };
	struct place *p = *state;
	struct journal *j = open_journal(p->path);
	struct seen s = { .n = 0 };
	struct made m;
	struct err err;

	make(&m, 1, rcpts);
	arrive(j, &m);
	send_dot(j, &m.a.id, 1, 1);
	send_dot(j, &m.a.id, 2, 1);
	settle(j, &m.a.id, 2, 1, RECORD_SENT, "Ok 0100-ses-id");
	journal_close(j);
	j = open_journal(p->path);
	s.now = clock_mono_us();
	assert_int_equal(
	    ledger_read(p->path, WINDOW, DOUBT, see, &s, &err), 0);
	assert_int_equal(s.n, 2);
	assert_in_range(s.until[0], 3600 - 20, 3600);
	assert_in_range(s.until[1], 3665 - 20, 3665);
	journal_close(j);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		store_test(one_boot),
		store_test(stepped_clock),
		store_test(reboot),
		store_test(reboot_behind),
		store_test(old_boots),
		store_test(killed),
	};

	return cmocka_run_group_tests_name("ledger", tests, NULL, NULL);
}
