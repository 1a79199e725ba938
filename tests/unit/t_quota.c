/* SPDX-License-Identifier: BSD-2-Clause */
#include "config.h"

#include "tests/unit/unit.h"

#include <stdlib.h>

#include "core/clock.h"
#include "store/ledger.h"
#include "store/quota.h"

/* Time stands still until a test moves it (the linker puts this in the clock's place). */
static int64_t now_us = 1000 * US_PER_SEC;

int64_t __wrap_clock_mono_us(void);
int64_t
__wrap_clock_mono_us(void)
{
	return now_us;
}

/* What the journal is said to hold, and what goes on while it is read. */
static int64_t ledger[16];
static size_t ledger_n;
static void (*meanwhile)(void);

int __wrap_ledger_read(const char *path, int64_t window_us, int64_t doubt_us,
    int (*fn)(void *arg, int64_t until_mono_us), void *arg, struct err *err);
int
__wrap_ledger_read(const char *path, int64_t window_us, int64_t doubt_us,
    int (*fn)(void *arg, int64_t until_mono_us), void *arg, struct err *err)
{
	(void)path, (void)window_us, (void)doubt_us, (void)err;
	for (size_t i = 0; i < ledger_n; i++)
		(void)fn(arg, ledger[i]);
	if (meanwhile != NULL)
		meanwhile();
	return 0;
}

static struct quota *
make(double rate, int64_t daily, int64_t window_us)
{
	struct quota_limits limits = {
		.rate = rate,
		.daily = daily,
		.window_us = window_us,
		.doubt_us = 120 * US_PER_SEC,
	};

	return quota_new(&limits);
}

static int64_t
take_dot(struct quota *q, struct quota_ticket *t)
{
	int64_t at;

	quota_take(q, true, t);
	if (t->slot_us > now_us)
		now_us = t->slot_us;
	at = quota_dot(q, t, INT64_MAX);
	if (at > now_us)
		now_us = at;
	return at;
}

/* A backlog leaves at exactly the rate, never faster. */
static void
test_grid(void **state)
{
	struct quota *q = make(10, -1, 1);
	struct quota_ticket t;
	int64_t first = 0, last = 0;

	(void)state;
	for (int i = 0; i < 101; i++) {
		last = take_dot(q, &t);
		if (i == 0)
			first = last;
		quota_accepted(q, &t);
	}
	assert_true(last - first >= 10 * US_PER_SEC);
	assert_true(last - first < 10 * US_PER_SEC + 1000);
	quota_free(q);
}

/* A dot late by less than an interval costs nothing; the next is no closer than half an interval. */
static void
test_lateness_made_good(void **state)
{
	struct quota *q = make(10, -1, 1);
	struct quota_ticket a, b;
	int64_t first, second;

	(void)state;
	first = take_dot(q, &a);
	quota_take(q, true, &a);
	quota_take(q, true, &b);
	now_us = a.slot_us + 70 * US_PER_MS;
	assert_int_equal(quota_dot(q, &a, INT64_MAX), now_us);
	second = quota_dot(q, &b, INT64_MAX);
	assert_true(second - a.dot_us >= 50 * US_PER_MS);
	assert_true(second - first < 225 * US_PER_MS);
	quota_free(q);
}

/* Later than that moves the grid: nobody makes good a whole interval. */
static void
test_long_stall_is_not_made_good(void **state)
{
	struct quota *q = make(10, -1, 1);
	struct quota_ticket a, b, c;

	(void)state;
	quota_take(q, true, &a);
	quota_take(q, true, &b);
	quota_take(q, true, &c);
	now_us += 5 * US_PER_SEC;
	(void)quota_dot(q, &a, INT64_MAX);
	(void)quota_dot(q, &b, INT64_MAX);
	(void)quota_dot(q, &c, INT64_MAX);
	assert_true(b.dot_us - a.dot_us >= 50 * US_PER_MS);
	assert_true(c.dot_us - b.dot_us >= 50 * US_PER_MS);
	assert_true(c.dot_us - a.dot_us >= 125 * US_PER_MS - 10);
	quota_free(q);
}

/* Whose place would be too far away enters nothing. */
static void
test_no_place_soon_enough(void **state)
{
	struct quota *q = make(1, -1, 1);
	struct quota_ticket t[6];
	unsigned placed = 0;

	(void)state;
	for (int i = 0; i < 6; i++)
		quota_take(q, true, &t[i]);
	now_us += 60 * US_PER_SEC;
	for (int i = 0; i < 6; i++)
		placed += quota_dot(q, &t[i], now_us + 3 * US_PER_SEC) != -1;
	assert_int_equal(placed, 4);
	for (unsigned i = placed; i < 6; i++) {
		quota_release(q, &t[i]);
		quota_take(q, true, &t[i]);
		assert_true(t[i].slot_us > now_us + 3 * US_PER_SEC);
		assert_true(t[i].slot_us < now_us + 6 * US_PER_SEC);
	}
	quota_free(q);
}

/* Who is ready takes the place of one who is not, and nobody waits for that one. */
static void
test_ready_ones_pass(void **state)
{
	struct quota *q = make(10, -1, 1);
	struct quota_ticket slow, t[5];
	int64_t began;

	(void)state;
	began = take_dot(q, &slow);
	quota_take(q, true, &slow);
	for (int i = 0; i < 5; i++)
		quota_take(q, true, &t[i]);
	for (int i = 0; i < 5; i++) {
		now_us = began + (i + 1) * 101 * US_PER_MS;
		assert_int_equal(quota_dot(q, &t[i], INT64_MAX), now_us);
	}
	assert_true(quota_dot(q, &slow, INT64_MAX) <= now_us + 100 * US_PER_MS + 10);
	assert_true(quota_next(q, true) <= now_us + 200 * US_PER_MS + 10);
	quota_free(q);
}

/* Who is stuck holds up nobody, however often that is said, or what follows. */
static void
test_overdue_ones_are_passed(void **state)
{
	struct quota *q = make(1, -1, 1);
	struct quota_ticket stuck[3], t;

	(void)state;
	for (int i = 0; i < 3; i++)
		quota_take(q, true, &stuck[i]);
	now_us += 60 * US_PER_SEC;
	assert_true(quota_next(q, true) > now_us + 2 * US_PER_SEC);
	for (int i = 0; i < 3; i++) {
		quota_overdue(q, &stuck[i]);
		quota_overdue(q, &stuck[i]);
	}
	assert_true(quota_next(q, true) <= now_us);
	assert_int_equal(take_dot(q, &t), now_us);
	quota_accepted(q, &t);
	quota_release(q, &stuck[0]);
	quota_overdue(q, &stuck[0]);
	assert_int_equal(quota_dot(q, &stuck[1], INT64_MAX),
	    t.dot_us + US_PER_SEC + 1);
	quota_overdue(q, &stuck[1]);
	quota_doubtful(q, &stuck[1]);
	quota_overdue(q, &stuck[1]);
	assert_int_equal(quota_next(q, true), t.dot_us + 2 * (US_PER_SEC + 1));
	quota_free(q);
}

/* Who waits for a slot of the old rate need not. */
static void
test_another_rate(void **state)
{
	struct quota_limits limits = { .rate = 10, .daily = -1 };
	struct quota *q = make(0.01, -1, 1);
	struct quota_ticket t;

	(void)state;
	(void)take_dot(q, &t);
	quota_accepted(q, &t);
	assert_true(quota_next(q, true) > now_us + 99 * US_PER_SEC);
	quota_limits(q, &limits);
	assert_int_equal(quota_next(q, true), now_us + 100 * US_PER_MS + 1);
	quota_free(q);
}

/* Dots to come keep their distance, however often SIGHUP says the same. */
static void
test_the_same_rate_again(void **state)
{
	struct quota_limits limits = { .rate = 10, .daily = -1 };
	struct quota *q = make(10, -1, 1);
	struct quota_ticket t[6];

	(void)state;
	for (int i = 0; i < 6; i++)
		quota_take(q, true, &t[i]);
	for (int i = 0; i < 6; i++) {
		assert_int_equal(quota_dot(q, &t[i], INT64_MAX),
		    now_us + i * (100 * US_PER_MS + 1));
		quota_limits(q, &limits);
	}
	quota_free(q);
}

static void
test_released_slot_is_used_again(void **state)
{
	struct quota *q = make(1, 1, 60 * US_PER_SEC);
	struct quota_ticket a, b;

	(void)state;
	quota_take(q, true, &a);
	quota_release(q, &a);
	quota_take(q, true, &b);
	assert_int_equal(a.slot_us, b.slot_us);
	quota_free(q);
}

/* Never more than the limit in any window, whatever the order of outcomes. */
static void
test_day_is_exact(void **state)
{
	struct quota *q = make(-1, 50, 30 * US_PER_SEC);
	int64_t dots[500];
	struct quota_ticket t;

	(void)state;
	for (int i = 0; i < 500; i++) {
		dots[i] = take_dot(q, &t);
		now_us += 200 * US_PER_MS;
		quota_accepted(q, &t);
		if (i >= 50)
			assert_true(dots[i] - dots[i - 50] >= 30 * US_PER_SEC);
	}
	/* and hardly less: the reply's time is all that is lost */
	assert_true(dots[450] - dots[0] < 9 * 31 * US_PER_SEC);
	quota_free(q);
}

static void
test_day_counts_what_is_open_or_in_doubt(void **state)
{
	struct quota *q = make(-1, 2, 30 * US_PER_SEC);
	struct quota_ticket a, b;

	(void)state;
	quota_take(q, true, &a);
	quota_take(q, true, &b);
	assert_true(quota_next(q, true) > now_us);
	assert_true(quota_next(q, false) <= now_us); /* the simulator */
	(void)quota_dot(q, &a, INT64_MAX);
	(void)quota_dot(q, &b, INT64_MAX);
	quota_doubtful(q, &a);
	quota_refused(q, &b);
	assert_true(quota_next(q, true) <= now_us); /* b came back */
	quota_take(q, true, &b);
	(void)quota_dot(q, &b, INT64_MAX);
	quota_accepted(q, &b);
	assert_int_equal(quota_next(q, true), now_us + 30 * US_PER_SEC);
	now_us += 31 * US_PER_SEC;
	assert_true(quota_next(q, true) <= now_us);
	quota_take(q, true, &b); /* a still counts: doubt_us longer */
	assert_int_equal(quota_next(q, true),
	    a.dot_us + (120 + 30) * US_PER_SEC);
	quota_free(q);
}

static void
test_forecast(void **state)
{
	struct quota *q = make(-1, 3, 30 * US_PER_SEC);
	struct quota_ticket t;
	int64_t first = now_us;

	(void)state;
	for (int i = 0; i < 3; i++) {
		(void)take_dot(q, &t);
		quota_accepted(q, &t);
		now_us += US_PER_SEC;
	}
	assert_int_equal(quota_day_slot(q, 0), first + 30 * US_PER_SEC);
	assert_int_equal(quota_day_slot(q, 2), first + 32 * US_PER_SEC);
	assert_int_equal(quota_day_slot(q, 3), now_us + 30 * US_PER_SEC);
	quota_free(q);
}

/* 454 for the day: hold, one probe, and on when that is accepted. */
static void
test_hold(void **state)
{
	struct quota *q = make(-1, 1000, 1000 * US_PER_SEC);
	struct quota_ticket t;

	(void)state;
	(void)take_dot(q, &t);
	quota_throttled_day(q, &t);
	assert_int_equal(quota_next(q, true), now_us + 20 * US_PER_SEC);
	now_us += 20 * US_PER_SEC;
	quota_take(q, true, &t);
	assert_int_equal(quota_next(q, true), now_us + 20 * US_PER_SEC);
	quota_accepted(q, &t);
	assert_true(quota_next(q, true) <= now_us);
	quota_free(q);
}

/* 454 for the rate: slower once for those that meet it together, and back with what is accepted. */
static void
test_pace(void **state)
{
	struct quota *q = make(100, -1, 1);
	struct quota_ticket t[3];
	double slow;

	(void)state;
	for (int i = 0; i < 3; i++)
		quota_take(q, true, &t[i]);
	for (int i = 0; i < 3; i++)
		quota_throttled_rate(q, &t[i]);
	slow = quota_pace(q);
	assert_true(slow < 97 && slow > 95);
	for (int i = 0; i < 600; i++) {
		(void)take_dot(q, &t[0]);
		quota_accepted(q, &t[0]);
	}
	assert_true(quota_pace(q) > 99);
	quota_free(q);
}

static void
test_rebuild(void **state)
{
	struct quota *q = make(-1, 2, 60 * US_PER_SEC);
	struct err err;

	(void)state;
	ledger[0] = now_us + 20 * US_PER_SEC;
	ledger[1] = now_us + 10 * US_PER_SEC;
	ledger_n = 2;
	assert_int_equal(quota_rebuild(q, "", &err), 0);
	assert_int_equal(quota_next(q, true), now_us + 10 * US_PER_SEC);
	quota_free(q);
}

/* Two had their dot before it was read, and one of them has its answer now. */
static struct quota *busy;
static struct quota_ticket before[2], later[3];

static void
send_some(void)
{
	quota_accepted(busy, &before[0]);
	for (int i = 0; i < 3; i++)
		(void)take_dot(busy, &later[i]);
	quota_accepted(busy, &later[0]);
	quota_doubtful(busy, &later[1]);
}

static int64_t
spent(struct quota *q)
{
	struct quota_state state;

	quota_state(q, &state);
	return state.spent;
}

static void
test_rebuild_while_mail_flows(void **state)
{
	const int64_t window_us = 60 * US_PER_SEC;
	struct err err;

	(void)state;
	busy = make(-1, 100, window_us);
	for (int i = 0; i < 2; i++)
		(void)take_dot(busy, &before[i]);
	/* One that was always in doubt, and these two. */
	for (ledger_n = 0; ledger_n < 3; ledger_n++)
		ledger[ledger_n] = now_us + window_us + 120 * US_PER_SEC;
	meanwhile = send_some;
	assert_int_equal(quota_rebuild(busy, "", &err), 0);
	meanwhile = NULL;
	assert_int_equal(spent(busy), 6);
	quota_accepted(busy, &before[1]);
	quota_accepted(busy, &later[2]);
	assert_int_equal(spent(busy), 6);
	now_us += 240 * US_PER_SEC;
	assert_int_equal(spent(busy), 0);
	quota_free(busy);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_grid),
		cmocka_unit_test(test_lateness_made_good),
		cmocka_unit_test(test_long_stall_is_not_made_good),
		cmocka_unit_test(test_no_place_soon_enough),
		cmocka_unit_test(test_ready_ones_pass),
		cmocka_unit_test(test_overdue_ones_are_passed),
		cmocka_unit_test(test_another_rate),
		cmocka_unit_test(test_the_same_rate_again),
		cmocka_unit_test(test_released_slot_is_used_again),
		cmocka_unit_test(test_day_is_exact),
		cmocka_unit_test(test_day_counts_what_is_open_or_in_doubt),
		cmocka_unit_test(test_forecast),
		cmocka_unit_test(test_hold),
		cmocka_unit_test(test_pace),
		cmocka_unit_test(test_rebuild),
		cmocka_unit_test(test_rebuild_while_mail_flows),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
