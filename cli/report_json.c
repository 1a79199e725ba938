/* SPDX-License-Identifier: BSD-2-Clause */
#include "config.h"

#include "cli/report.h"

#include "core/clock.h"
#include "core/json.h"

#define DOCUMENT_MAX_BYTES ((size_t)64 * 1024 * 1024)

static const char *const phase_keys[REPORT_PHASES] = {
	[REPORT_TURN] = "turn",
	[REPORT_ANSWER] = "answer",
	[REPORT_ACCEPTED] = "accepted",
	[REPORT_DELIVERED] = "delivered",
};

static void
add_time(struct buf *json, const char *key, int64_t us)
{
	char text[CLOCK_RFC3339_LEN];

	json_add_string(json, key, clock_rfc3339(us, text));
}

static void
add_outcomes(struct buf *json, const int64_t n[])
{
	for (int i = 0; i < OUTCOMES; i++)
		json_add_int(json, outcome_names[i], n[i]);
}

static void
open_list(struct buf *json, const char *key)
{
	json_key(json, key);
	json_open(json, '[');
}

/* Microseconds, as elsewhere in what programs read. */
static void
add_phases(struct buf *json, const struct report *r)
{
	const struct histogram *h;

	json_key(json, "delays");
	json_open(json, '{');
	for (int i = 0; i < REPORT_PHASES; i++) {
		h = &r->phase[i];
		json_key(json, phase_keys[i]);
		json_open(json, '{');
		json_add_int(json, "deliveries", h->count);
		json_add_int(json, "p50_us", histogram_at(h, 0.5));
		json_add_int(json, "p90_us", histogram_at(h, 0.9));
		json_add_int(json, "p95_us", histogram_at(h, 0.95));
		json_add_int(json, "p99_us", histogram_at(h, 0.99));
		json_add_int(json, "longest_us", h->max_us);
		json_close(json, '}');
	}
	json_close(json, '}');
}

static void
add_slots(struct buf *json, const struct report *r)
{
	open_list(json, "slots");
	for (size_t i = 0; i < r->nslots; i++) {
		json_open(json, '{');
		add_time(json, "at", r->slots[i].at);
		add_outcomes(json, r->slots[i].n);
		json_close(json, '}');
	}
	json_close(json, ']');
}

static void
add_top(struct buf *json, const char *list, const char *key, struct tally *t)
{
	const struct tally_row *rows = tally_sorted(t, TALLY_LARGEST);

	open_list(json, list);
	for (size_t i = 0; i < tally_size(t) && i < REPORT_TOP; i++) {
		json_open(json, '{');
		json_add_string(json, key, rows[i].name);
		add_outcomes(json, rows[i].n);
		json_close(json, '}');
	}
	json_close(json, ']');
}

static void
add_doubts(struct buf *json, const struct report *r)
{
	char id[UUID_TEXT_LEN];

	open_list(json, "doubts");
	for (size_t i = 0; i < r->ndoubts; i++) {
		json_open(json, '{');
		json_add_string(
		    json, "message", uuid_text(&r->doubts[i].message, id));
		json_add_int(json, "n", r->doubts[i].n);
		add_time(json, "received", r->doubts[i].received_at);
		json_add_string(json, "recipient", r->doubts[i].recipient);
		json_add_string(json, "reply", r->doubts[i].reply);
		json_close(json, '}');
	}
	json_close(json, ']');
}

void
report_json(const struct report_page *p, const struct output *out)
{
	const struct report *r = p->report;
	char hex[CHAIN_TEXT_LEN];
	struct buf json;

	buf_init(&json, DOCUMENT_MAX_BYTES);
	json_open(&json, '{');
	add_time(&json, "since", r->since_us);
	add_time(&json, "until", r->until_us);
	json_add_int(&json, "messages", r->messages);
	json_add_int(&json, "bytes", r->bytes);
	add_outcomes(&json, r->total);
	add_phases(&json, r);
	add_slots(&json, r);
	add_top(&json, "senders", "sender", r->senders);
	add_top(&json, "domains", "domain", r->domains);
	add_top(&json, "reasons", "reason", r->reasons);
	add_doubts(&json, r);
	json_add_int(&json, "rows", r->rows);
	json_add_int(&json, "head_seq", r->head_seq);
	json_add_string(&json, "head_chain", chain_text(r->head, hex));
	if (p->verified)
		json_add_int(&json, "faults", (int64_t)p->faults);
	json_close(&json, '}');
	output_json(out, &json);
	buf_free(&json);
}
