/* SPDX-License-Identifier: BSD-2-Clause */
#include "config.h"

#include "lmtp/control_parts.h"

#include "core/clock.h"
#include "core/conf.h"
#include "core/json.h"
#include "store/ledger.h"
#include "store/prune.h"

/*
 * Requests of those who keep the journal. The command line reads the journal
 * and writes archives, with the rights of whoever runs it; here is only done
 * what the journal's one writer has to do.
 */

static int64_t
deadline(void)
{
	return clock_mono_us() + CONTROL_WAIT_US;
}

int
control_prune_begin(struct client *c, const char *request, struct buf *out,
    struct err *err)
{
	struct prune_bound bound = { .who = c->who };
	struct conf *conf = conf_current();
	struct buf chain, name;
	int rc = -1;

	(void)out;
	bound.keep_us = prune_keep_us(conf);
	conf_release(conf);
	buf_init(&chain, CONTROL_REQUEST_MAX);
	buf_init(&name, CONTROL_REQUEST_MAX);
	if (json_get_int(request, "last_seq", &bound.last_seq, err) != -1 &&
	    json_get_string(request, "last_chain", &chain, err) != -1 &&
	    json_get_string(request, "archive", &name, err) != -1) {
		bound.name = name.data;
		rc = chain_parse(chain.data, bound.last_chain) == 0
		    ? prune_begin(c->server->journal, &bound, deadline(), err)
		    : err_set(err, ERR_PROTO, "no chain given");
	}
	buf_free(&chain);
	buf_free(&name);
	return rc;
}

/* An array of UUIDs: how many, or -1 and err. */
static int
read_ids(const char *array, struct uuid *ids, size_t max, struct err *err)
{
	enum json_type type;
	struct buf value;
	size_t n = 0;
	int rc;

	buf_init(&value, CONTROL_REQUEST_MAX);
	while ((rc = json_next(&array, &type, &value, err)) == 1) {
		if (n == max || type != JSON_STRING ||
		    uuid_parse(value.data, &ids[n++]) == -1) {
			rc = err_set(err, ERR_PROTO, "not a list of messages");
			break;
		}
	}
	buf_free(&value);
	return rc == 0 ? (int)n : -1;
}

int
control_prune_messages(struct client *c, const char *request, struct buf *out,
    struct err *err)
{
	struct uuid ids[PRUNE_MESSAGES_MAX];
	enum json_type type;
	struct buf array;
	int64_t as_of = 0;
	int n = -1;

	(void)out;
	buf_init(&array, CONTROL_REQUEST_MAX);
	if (json_get_int(request, "as_of", &as_of, err) != -1 &&
	    json_get(request, "messages", &type, &array, err) != -1)
		n = type == JSON_NESTED
		    ? read_ids(array.data, ids, PRUNE_MESSAGES_MAX, err)
		    : err_set(err, ERR_PROTO, "no messages given");
	buf_free(&array);
	return n == -1 ? -1
		       : prune_messages(c->server->journal, as_of, ids,
			     (size_t)n, deadline(), err);
}

int
control_prune_rows(struct client *c, const char *request, struct buf *out,
    struct err *err)
{
	bool left = false;

	(void)request;
	if (prune_rows(c->server->journal, &left, deadline(), err) == -1)
		return -1;
	json_add_bool(out, "left", left);
	return 0;
}
