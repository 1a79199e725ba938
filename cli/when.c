/* SPDX-License-Identifier: BSD-2-Clause */
#include "config.h"

#include "cli/when.h"

#include <ctype.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "core/conf.h"

/*
 * Days since the epoch in the proleptic Gregorian calendar, for timegm(3) is
 * not everywhere.
 */
static int64_t
days(int year, int month, int day)
{
	int64_t y = month <= 2 ? year - 1 : year;
	int64_t era = y / 400, of_era = y - era * 400;
	int64_t from_march = month + (month > 2 ? -3 : 9);
	int64_t of_year = (153 * from_march + 2) / 5 + day - 1;

	return era * 146097 + of_era * 365 + of_era / 4 - of_era / 100 +
	    of_year - 719468;
}

/* Behind a date: a time of day, without its zone. */
static int
parse_clock(const char **at, int64_t *us_r)
{
	int hour, minute, second = 0, used = 0;
	int64_t unit = US_PER_SEC / 10, fraction = 0;

	if (sscanf(*at, "%2d:%2d%n", &hour, &minute, &used) != 2)
		return -1;
	*at += used;
	used = 0;
	if (**at == ':' && sscanf(*at, ":%2d%n", &second, &used) == 1)
		*at += used;
	if (used > 0 && **at == '.' && isdigit((unsigned char)(*at)[1]))
		for (++*at; isdigit((unsigned char)**at); ++*at, unit /= 10)
			fraction += unit * (**at - '0');
	if (hour < 0 || hour > 23 || minute < 0 || minute > 59 || second < 0 ||
	    second > 60)
		return -1;
	*us_r = ((hour * 60 + minute) * 60 + second) * US_PER_SEC + fraction;
	return 0;
}

static bool
is_date(int year, int month, int day)
{
	int next = month == 12 ? 1 : month + 1;

	return year >= 1970 && month >= 1 && month <= 12 && day >= 1 &&
	    days(year, month, day) <
	    days(month == 12 ? year + 1 : year, next, 1);
}

int
when_parse(const char *text, int future, int64_t *wall_us_r)
{
	int year, month, day, used = 0;
	int64_t us, of_day = 0;
	const char *rest;

	if (conf_parse_duration(text, &us) == 0) {
		*wall_us_r = clock_wall_us() + (future ? us : -us);
		return 0;
	}
	if (sscanf(text, "%4d-%2d-%2d%n", &year, &month, &day, &used) != 3 ||
	    !is_date(year, month, day))
		return -1;
	rest = text + used;
	if ((*rest == 'T' || *rest == ' ') &&
	    (rest++, parse_clock(&rest, &of_day)) == -1)
		return -1;
	if (*rest == 'Z')
		rest++;
	if (*rest != '\0')
		return -1;
	*wall_us_r = days(year, month, day) * 86400 * US_PER_SEC + of_day;
	return 0;
}

const char *
when_short(int64_t wall_us, char text[WHEN_LEN])
{
	char full[CLOCK_RFC3339_LEN];

	text[0] = '\0';
	if (wall_us == 0)
		return text;
	(void)clock_rfc3339(wall_us, full);
	full[10] = ' ';
	(void)snprintf(text, WHEN_LEN, "%.19s", full);
	return text;
}
