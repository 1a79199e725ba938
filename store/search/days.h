/*
 * search/days: the journal's rows counted by day and kind, as search.sql's
 * table tally has them.
 */
#ifndef STORE_SEARCH_DAYS_H
#define STORE_SEARCH_DAYS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SEARCH_KIND_LEN 40

struct search_day {
	int64_t day, count; /* days since 1970 */
	char kind[SEARCH_KIND_LEN];
};

/* Zeroed to begin with; days is freed by the owner. */
struct search_days {
	struct search_day *days;
	size_t n;
};

/*
 * Count one row. Rows come in the order of their time. about: it belongs to a
 * message; of what SES reported, what belongs to none is counted by its type
 * once it does.
 */
void search_days_count(struct search_days *, int64_t at, const char *event,
    const char *detail, bool about);

#endif
