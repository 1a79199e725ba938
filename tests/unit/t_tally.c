/* SPDX-License-Identifier: BSD-2-Clause */
#include "config.h"

#include "tests/unit/unit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/histogram.h"
#include "core/tally.h"

static void
names_are_counted(void **state)
{
	struct tally *t = tally_new();
	const struct tally_row *rows;
	char name[16];

	(void)state;
	for (int i = 0; i < 5000; i++) {
		(void)snprintf(name, sizeof(name), "n%04d", i % 2500);
		tally_at(t, name)->n[0]++;
		tally_at(t, name)->n[TALLY_NUMBERS - 1] += i;
	}
	tally_at(t, "n1234")->n[0]++;
	assert_int_equal(tally_size(t), 2500);
	rows = tally_sorted(t, TALLY_LARGEST);
	assert_string_equal(rows[0].name, "n1234");
	assert_int_equal(rows[0].n[0], 3);
	assert_int_equal(rows[0].n[TALLY_NUMBERS - 1], 1234 + 3734);
	assert_string_equal(rows[1].name, "n0000");
	rows = tally_sorted(t, TALLY_BY_NAME);
	for (size_t i = 1; i < tally_size(t); i++)
		assert_true(strcmp(rows[i - 1].name, rows[i].name) < 0);
	tally_free(t);
	tally_free(NULL);
}

static void
memory_is_bounded(void **state)
{
	struct tally *t = tally_new();
	const struct tally_row *rows;
	char name[16];
	int64_t sum = 0;

	(void)state;
	for (int i = 0; i < TALLY_NAMES_MAX + 10; i++) {
		(void)snprintf(name, sizeof(name), "%d", i);
		tally_at(t, name)->n[0]++;
	}
	assert_int_equal(tally_size(t), TALLY_NAMES_MAX + 1);
	assert_int_equal(tally_at(t, "(others)")->n[0], 10);
	tally_at(t, "7")->n[0]++;
	assert_int_equal(tally_at(t, "7")->n[0], 2);
	rows = tally_sorted(t, TALLY_BY_NAME);
	for (size_t i = 0; i < tally_size(t); i++)
		sum += rows[i].n[0];
	assert_int_equal(sum, TALLY_NAMES_MAX + 11);
	tally_free(t);
}

/* Within 1.6 % of the true percentile, over all magnitudes. */
static void
percentiles(void **state)
{
	static const double shares[] = { 0.01, 0.5, 0.9, 0.99, 1 };
	struct histogram *h = calloc(1, sizeof(*h));
	double wanted;
	int64_t got;

	(void)state;
	assert_int_equal(histogram_at(h, 0.5), 0);
	for (int64_t i = 1; i <= 100000; i++)
		histogram_add(h, i * 977);
	for (size_t i = 0; i < sizeof(shares) / sizeof(shares[0]); i++) {
		wanted = shares[i] * 100000 * 977;
		got = histogram_at(h, shares[i]);
		assert_true((double)got >= wanted);
		assert_true((double)got <= wanted * 1.016);
	}
	assert_int_equal(histogram_at(h, 1), 97700000);
	free(h);
}

static void
odd_times(void **state)
{
	struct histogram *h = calloc(1, sizeof(*h));

	(void)state;
	histogram_add(h, -5);
	histogram_add(h, 0);
	assert_int_equal(histogram_at(h, 1), 0);
	histogram_add(h, 63);
	assert_int_equal(histogram_at(h, 1), 63);
	histogram_add(h, INT64_MAX);
	assert_int_equal(h->count, 4);
	assert_true(histogram_at(h, 1) > INT64_C(30) * 365 * 86400 * 1000000);
	free(h);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(names_are_counted),
		cmocka_unit_test(memory_is_bounded),
		cmocka_unit_test(percentiles),
		cmocka_unit_test(odd_times),
	};

	return cmocka_run_group_tests_name("tally", tests, NULL, NULL);
}
