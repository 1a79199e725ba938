/* SPDX-License-Identifier: BSD-2-Clause */
#include "config.h"

#include "cli/log_count.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/clock.h"
#include "core/json.h"
#include "core/mem.h"
#include "core/tally.h"
#include "store/outcomes.h"

#define LINE_MAX_BYTES ((size_t)64 * 1024)
#define NAME_LEN 1024

/* The first len characters of a time: 10 are its day. */
static void
name_time(const struct search_hit *h, size_t len, char name[NAME_LEN])
{
	char when[CLOCK_RFC3339_LEN];

	(void)snprintf(name, NAME_LEN, "%.*s", (int)len,
	    clock_rfc3339(h->received_at, when));
}

static void
by_month(const struct search_hit *h, char name[NAME_LEN])
{
	name_time(h, 7, name);
}

static void
by_day(const struct search_hit *h, char name[NAME_LEN])
{
	name_time(h, 10, name);
}

static void
by_hour(const struct search_hit *h, char name[NAME_LEN])
{
	name_time(h, 13, name);
}

static void
set(char name[NAME_LEN], const char *value, const char *none)
{
	(void)snprintf(name, NAME_LEN, "%s",
	    value != NULL && *value != '\0' ? value : none);
}

static void
by_sender(const struct search_hit *h, char name[NAME_LEN])
{
	set(name, h->original_sender,
	    h->original_sender != NULL ? "<>" : "(erased)");
}

static void
by_recipient(const struct search_hit *h, char name[NAME_LEN])
{
	set(name, h->recipient, "(erased)");
}

static void
by_domain(const struct search_hit *h, char name[NAME_LEN])
{
	const char *at =
	    h->recipient != NULL ? strrchr(h->recipient, '@') : NULL;

	set(name, at != NULL ? at + 1 : h->recipient, "(erased)");
}

static void
by_client(const struct search_hit *h, char name[NAME_LEN])
{
	set(name, h->client, "(unknown)");
}

static void
by_user(const struct search_hit *h, char name[NAME_LEN])
{
	set(name, h->user, "(unknown)");
}

static void
by_state(const struct search_hit *h, char name[NAME_LEN])
{
	set(name, h->state, "");
}

static void
by_feedback(const struct search_hit *h, char name[NAME_LEN])
{
	set(name, h->feedback, "(none)");
}

/* As it is stored, with placeholders for names, so that like meets like. */
static void
by_reply(const struct search_hit *h, char name[NAME_LEN])
{
	if (h->code == 0)
		set(name, NULL, "(none)");
	else
		(void)snprintf(name, NAME_LEN, "%u %s %s", h->code,
		    h->dsn != NULL ? h->dsn : "",
		    h->reply != NULL ? h->reply : "");
}

static void
by_nothing(const struct search_hit *h, char name[NAME_LEN])
{
	(void)h;
	set(name, NULL, "all");
}

static const struct key {
	const char *name;
	void (*of)(const struct search_hit *, char name[NAME_LEN]);
	enum tally_order order;
} keys[] = {
	{ "hour", by_hour, TALLY_BY_NAME },
	{ "day", by_day, TALLY_BY_NAME },
	{ "month", by_month, TALLY_BY_NAME },
	{ "sender", by_sender, TALLY_LARGEST },
	{ "recipient", by_recipient, TALLY_LARGEST },
	{ "domain", by_domain, TALLY_LARGEST },
	{ "client", by_client, TALLY_LARGEST },
	{ "user", by_user, TALLY_LARGEST },
	{ "state", by_state, TALLY_LARGEST },
	{ "feedback", by_feedback, TALLY_LARGEST },
	{ "reply", by_reply, TALLY_LARGEST },
};
static const struct key all = { "all", by_nothing, TALLY_BY_NAME };

const char log_count_keys[] = "hour, day, month, sender, recipient, domain, "
			      "client, user, state, feedback, reply";

struct log_count {
	const struct key *by;
	struct tally *tally;
};

struct log_count *
log_count_new(const char *by)
{
	const struct key *key = by == NULL ? &all : NULL;
	struct log_count *c;

	for (size_t i = 0; by != NULL && i < sizeof(keys) / sizeof(keys[0]);
	     i++)
		if (strcmp(keys[i].name, by) == 0)
			key = &keys[i];
	if (key == NULL)
		return NULL;
	c = mem_new(sizeof(*c));
	c->by = key;
	c->tally = tally_new();
	return c;
}

void
log_count_free(struct log_count *c)
{
	if (c == NULL)
		return;
	tally_free(c->tally);
	free(c);
}

int
log_count_hit(void *arg, const struct search_hit *h)
{
	struct log_count *c = arg;
	char name[NAME_LEN];

	c->by->of(h, name);
	outcome_count(
	    tally_at(c->tally, name)->n, h->state, h->feedback, h->attempts);
	return 0;
}

static void
print_table(const struct log_count *c, const struct cli *cli,
    const struct tally_row *rows, size_t n)
{
	struct column columns[OUTCOMES + 2] = { [0] = { c->by->name,
						    c->by->name, false } };
	struct table *table;

	for (int i = 0; i < OUTCOMES; i++)
		columns[i + 1] =
		    (struct column){ outcome_names[i], outcome_names[i], true };
	table = table_new(columns);
	for (size_t i = 0; i < n; i++) {
		table_text(table, rows[i].name);
		for (int k = 0; k < OUTCOMES; k++)
			table_number(table, rows[i].n[k]);
	}
	table_print(table, &cli->out);
	table_free(table);
}

static void
print_json(const struct log_count *c, const struct cli *cli,
    const struct tally_row *row)
{
	struct buf line;

	buf_init(&line, LINE_MAX_BYTES);
	json_open(&line, '{');
	json_add_string(&line, c->by->name, row->name);
	for (int i = 0; i < OUTCOMES; i++)
		json_add_int(&line, outcome_names[i], row->n[i]);
	json_close(&line, '}');
	output_json(&cli->out, &line);
	buf_free(&line);
}

static void
print_csv(const struct cli *cli, const struct tally_row *row)
{
	char numbers[OUTCOMES][24];
	const char *cells[OUTCOMES + 1] = { row->name };

	for (int i = 0; i < OUTCOMES; i++) {
		(void)snprintf(
		    numbers[i], sizeof(numbers[i]), "%" PRId64, row->n[i]);
		cells[i + 1] = numbers[i];
	}
	output_csv(&cli->out, cells, OUTCOMES + 1);
}

static void
print_csv_head(const struct log_count *c, const struct cli *cli)
{
	const char *cells[OUTCOMES + 1] = { c->by->name };

	memcpy(cells + 1, outcome_names, sizeof(outcome_names));
	output_csv(&cli->out, cells, OUTCOMES + 1);
}

size_t
log_count_print(
    struct log_count *c, const struct cli *cli, bool csv, size_t limit)
{
	const struct tally_row *rows = tally_sorted(c->tally, c->by->order);
	size_t all_rows = tally_size(c->tally);
	size_t n = limit > 0 && limit < all_rows ? limit : all_rows;

	if (csv)
		print_csv_head(c, cli);
	else if (!cli->out.json && n > 0)
		print_table(c, cli, rows, n);
	for (size_t i = 0; i < n && (csv || cli->out.json); i++) {
		if (csv)
			print_csv(cli, &rows[i]);
		else
			print_json(c, cli, &rows[i]);
	}
	return all_rows;
}
