/* SPDX-License-Identifier: BSD-2-Clause */
#include "config.h"

#include "cli/forget_steps.h"

#include <stdlib.h>

#include "core/buf.h"
#include "core/json.h"
#include "store/search.h"

#define REQUEST_MAX_BYTES 32768

static void
add_item(struct buf *json, const struct forget_item *item)
{
	char text[UUID_TEXT_LEN];

	json_open(json, '{');
	json_add_string(json, "message",
	    item->of_message ? uuid_text(&item->message, text) : NULL);
	json_key(json, "parties");
	json_open(json, '[');
	for (size_t i = 0; i < item->nparties; i++) {
		json_open(json, '{');
		json_add_int(json, "n", item->parties[i].n);
		json_add_string(json, "role", item->parties[i].role);
		json_close(json, '}');
	}
	json_close(json, ']');
	json_close(json, '}');
}

static int
read_seqs(const char *answer, int64_t *seqs, size_t n, struct err *err)
{
	struct buf array, value;
	enum json_type type;
	const char *at;
	int rc;

	buf_init(&array, REQUEST_MAX_BYTES);
	buf_init(&value, REQUEST_MAX_BYTES);
	rc = json_get(answer, "seqs", &type, &array, err);
	at = array.data;
	for (size_t i = 0; rc == 0 && i < n; i++) {
		rc = json_next(&at, &type, &value, err) == 1 &&
			type == JSON_NUMBER
		    ? 0
		    : err_set(err, ERR_PROTO, "posternd has not said enough");
		if (rc == 0)
			seqs[i] = strtoll(value.data, NULL, 10);
	}
	buf_free(&array);
	buf_free(&value);
	return rc;
}

static int
ask_erase(struct keeper *k, const struct forget_ask *ask, int64_t *seqs,
    struct err *err)
{
	struct buf request, answer;
	int rc;

	buf_init(&request, REQUEST_MAX_BYTES);
	buf_init(&answer, REQUEST_MAX_BYTES);
	json_open(&request, '{');
	json_add_string(&request, "op", "forget");
	json_add_string(&request, "address", ask->address);
	json_add_bool(&request, "suppression_too", ask->suppression_too);
	json_key(&request, "items");
	json_open(&request, '[');
	for (size_t i = 0; i < ask->n; i++)
		add_item(&request, &ask->items[i]);
	json_close(&request, ']');
	json_close(&request, '}');
	rc = keeper_ask(k, &request, &answer, err);
	if (rc == 0)
		rc = read_seqs(answer.data, seqs, ask->n, err);
	buf_free(&request);
	buf_free(&answer);
	return rc;
}

int
forget_steps_erase(struct keeper *k, const struct forget_ask *ask,
    struct forget_done *done, struct err *err)
{
	return k->journal != NULL
	    ? forget_erase(k->journal, ask, keeper_deadline(), done, err)
	    : ask_erase(k, ask, done->seqs, err);
}

static int
ask_wipe(struct keeper *k, uint32_t *page_r, struct err *err)
{
	struct buf request, answer;
	int64_t next = 0;
	int rc;

	buf_init(&request, REQUEST_MAX_BYTES);
	buf_init(&answer, REQUEST_MAX_BYTES);
	json_open(&request, '{');
	json_add_string(&request, "op", "scrub");
	json_add_int(&request, "page", *page_r);
	json_close(&request, '}');
	rc = keeper_ask(k, &request, &answer, err);
	if (rc == 0 && json_get_int(answer.data, "page", &next, err) == -1)
		rc = -1;
	*page_r = (uint32_t)next;
	buf_free(&request);
	buf_free(&answer);
	return rc;
}

int
forget_steps_wipe(struct keeper *k, struct err *err)
{
	uint32_t page = 1;
	int rc = 0;

	if (k->journal != NULL)
		return search_discard(k->conf->store.path, err) == 0
		    ? forget_wipe(k->journal, &page, false, INT64_MAX, err)
		    : -1;
	while (rc == 0 && page != 0)
		rc = ask_wipe(k, &page, err);
	return rc;
}
