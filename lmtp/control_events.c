/* SPDX-License-Identifier: BSD-2-Clause */
#include "config.h"

#include "lmtp/control_parts.h"

#include <stdlib.h>

#include "core/clock.h"
#include "core/conf.h"
#include "core/json.h"
#include "core/log.h"
#include "core/mem.h"
#include "store/event_take.h"

/*
 * Events that the command line has read. What SES sends is read over there,
 * where no mail waits for it; here it is only taken into the journal.
 */
struct batch {
	struct event *events;
	size_t n;
};

static void
batch_free(struct batch *b)
{
	for (size_t i = 0; i < b->n; i++)
		event_free(&b->events[i]);
	free(b->events);
}

static int
read_batch(const char *request, struct batch *b, struct err *err)
{
	enum json_type type;
	struct buf array, item;
	const char *at;
	int rc;

	buf_init(&array, CONTROL_LINE_MAX);
	buf_init(&item, CONTROL_LINE_MAX);
	rc = json_get(request, "events", &type, &array, err);
	if (rc == 0 && type != JSON_NESTED)
		rc = err_set(err, ERR_PROTO, "no events given");
	at = array.data;
	while (rc == 0 && (rc = json_next(&at, &type, &item, err)) == 1) {
		if (b->n % 64 == 0)
			b->events = mem_grow(
			    b->events, b->n + 64, sizeof(*b->events));
		rc = event_parse(item.data, &b->events[b->n], err);
		b->n += rc == 0;
	}
	buf_free(&array);
	buf_free(&item);
	return rc;
}

int
control_events(struct client *c, const char *request, struct buf *out,
    struct err *err)
{
	struct conf *conf = conf_current();
	struct event_counts counts = { 0 };
	struct batch b = { NULL, 0 };
	int rc;

	rc = read_batch(request, &b, err);
	if (rc == 0)
		rc = event_take(c->server->journal, c->server->suppressions,
		    &conf->events.suppress, b.events, b.n,
		    CONTROL_WAIT_US, &counts, err);
	batch_free(&b);
	conf_release(conf);
	if (counts.taken > 0 || counts.unmatched > 0)
		log_info(NULL, "events", "who", c->who, "taken",
		    LOG_NUM(counts.taken), "unmatched",
		    LOG_NUM(counts.unmatched), "suppressed",
		    LOG_NUM(counts.suppressed), "settled",
		    LOG_NUM(counts.settled));
	json_add_int(out, "taken", (int64_t)counts.taken);
	json_add_int(out, "repeated", (int64_t)counts.repeated);
	json_add_int(out, "unmatched", (int64_t)counts.unmatched);
	json_add_int(out, "suppressed", (int64_t)counts.suppressed);
	json_add_int(out, "settled", (int64_t)counts.settled);
	return rc;
}
