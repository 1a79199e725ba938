/* SPDX-License-Identifier: BSD-2-Clause */
#include "config.h"

#include "store/search/days.h"

#include <stdio.h>
#include <string.h>

#include "core/buf.h"
#include "core/clock.h"
#include "core/json.h"
#include "core/mem.h"

#define DAY_US (86400 * US_PER_SEC)

/* A text of the detail behind a colon, when it is there. */
static void
add_name(char kind[SEARCH_KIND_LEN], const char *detail, const char *key)
{
	size_t len = strlen(kind);
	struct buf value;
	struct err err;

	buf_init(&value, 256);
	if (json_get_string(detail, key, &value, &err) == 1)
		(void)snprintf(
		    kind + len, SEARCH_KIND_LEN - len, ":%s", value.data);
	buf_free(&value);
}

static void
name_kind(char kind[SEARCH_KIND_LEN], const char *event, const char *detail,
    bool about)
{
	bool report = strcmp(event, "event") == 0;

	(void)snprintf(kind, SEARCH_KIND_LEN, "%s",
	    report && !about ? "unmatched" : event);
	if (report && about)
		add_name(kind, detail, "type");
	if (strcmp(kind, "event:Bounce") == 0 ||
	    strcmp(kind, "event:Complaint") == 0)
		add_name(kind, detail, "kind");
}

/* A day's rows come together, so the latest counts are at the end. */
void
search_days_count(struct search_days *d, int64_t at, const char *event,
    const char *detail, bool about)
{
	char kind[SEARCH_KIND_LEN];
	int64_t day = at / DAY_US;

	name_kind(kind, event, detail, about);
	for (size_t i = d->n; i > 0 && d->days[i - 1].day == day; i--)
		if (strcmp(d->days[i - 1].kind, kind) == 0) {
			d->days[i - 1].count++;
			return;
		}
	d->days = mem_grow(d->days, d->n + 1, sizeof(*d->days));
	d->days[d->n] = (struct search_day) { .day = day, .count = 1 };
	memcpy(d->days[d->n].kind, kind, sizeof(kind));
	d->n++;
}
