/* SPDX-License-Identifier: BSD-2-Clause */
#include "config.h"

#include "lmtp/control_parts.h"

#include <stdio.h>
#include <string.h>

#include "core/clock.h"
#include "core/conf.h"
#include "core/json.h"
#include "core/thread.h"
#include "store/forget.h"
#include "store/prune.h"
#include "store/search.h"

/*
 * Requests of those who keep the journal. The command line reads the journal
 * and writes archives, with the rights of whoever runs it; here is only done
 * what the journal's one writer has to do.
 */

#define VALUE_MAX 512

/* How long to look or wipe before it is said how far it got. */
#define SLICE_US (10 * US_PER_SEC)

static int64_t
deadline(void)
{
	return clock_mono_us() + CONTROL_WAIT_US;
}

static int
get_bool(const char *request, const char *key, bool *value_r, struct err *err)
{
	enum json_type type;
	struct buf value;
	int rc;

	buf_init(&value, VALUE_MAX);
	rc = json_get(request, key, &type, &value, err);
	*value_r = rc == 0 && type == JSON_BOOL &&
	    strcmp(value.data, "true") == 0;
	buf_free(&value);
	return rc;
}

/* The file of which they say that it has what is to go, by its whole path. */
static int
get_archive(const char *request, struct buf *file, struct err *err)
{
	int rc = json_get_string(request, "archive", file, err);

	if (rc == -1)
		return -1;
	return rc == 1 && file->data[0] == '/'
	    ? 0
	    : err_set(err, ERR_PROTO, "no archive given");
}

/* One who asks again goes on from where the last one got to. */
static int
look_and_begin(struct client *c, const struct prune_ask *ask, bool *again_r,
    struct err *err)
{
	struct control_keep *keep = c->keep;
	int64_t until = deadline();
	struct prune_look look;
	int rc;

	(void)pthread_mutex_lock(&keep->lock);
	look = keep->look;
	(void)pthread_mutex_unlock(&keep->lock);
	rc = prune_begin(c->server->journal, ask, &look,
	    clock_mono_us() + SLICE_US, until, again_r, err);
	(void)pthread_mutex_lock(&keep->lock);
	keep->look = look;
	(void)pthread_mutex_unlock(&keep->lock);
	return rc;
}

int
control_prune_begin(struct client *c, const char *request, struct buf *out,
    struct err *err)
{
	struct prune_ask ask = { .who = c->who };
	struct conf *conf = conf_current();
	bool again = false;
	struct buf file;
	int rc = -1;

	/* This thread is one client's, and mail waits for nothing of it. */
	thread_give_way();
	ask.keep_us = prune_keep_us(conf);
	conf_release(conf);
	buf_init(&file, CONTROL_REQUEST_MAX);
	if (get_archive(request, &file, err) == 0 &&
	    get_bool(request, "unsettled", &ask.may_be_unsettled, err) == 0 &&
	    get_bool(request, "instead", &ask.instead, err) == 0 &&
	    get_bool(request, "remains", &ask.remains, err) == 0) {
		ask.file = file.data;
		rc = look_and_begin(c, &ask, &again, err);
	}
	buf_free(&file);
	json_add_bool(out, "again", again);
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

/*
 * What comes in small steps has a tenth of the journal's time; but whoever asked
 * waits for an answer.
 */
#define LEAVE_US_MAX (2 * US_PER_SEC)

static void
leave_to_mail(int64_t busy_us)
{
	int64_t us = 9 * busy_us;

	clock_sleep_until(
	    clock_mono_us() + (us < LEAVE_US_MAX ? us : LEAVE_US_MAX));
}

int
control_prune_messages(struct client *c, const char *request, struct buf *out,
    struct err *err)
{
	struct uuid ids[PRUNE_MESSAGES_MAX];
	struct prune_lot lot = { .ids = ids };
	struct prune_step step = { .again = false };
	enum json_type type;
	struct buf array, file;
	int n = -1;

	buf_init(&array, CONTROL_REQUEST_MAX);
	buf_init(&file, CONTROL_REQUEST_MAX);
	if (json_get_int(request, "as_of", &lot.as_of, err) != -1 &&
	    get_bool(request, "last", &lot.last, err) == 0 &&
	    get_archive(request, &file, err) == 0 &&
	    json_get(request, "messages", &type, &array, err) != -1)
		n = type == JSON_NESTED
		    ? read_ids(array.data, ids, PRUNE_MESSAGES_MAX, err)
		    : err_set(err, ERR_PROTO, "no messages given");
	lot.n = n != -1 ? (size_t)n : 0;
	if (n != -1 &&
	    prune_messages(c->server->journal, file.data, &lot, &step,
		deadline(), err) == -1)
		n = -1;
	buf_free(&array);
	buf_free(&file);
	leave_to_mail(step.busy_us);
	json_add_bool(out, "again", step.again);
	return n == -1 ? -1 : 0;
}

int
control_prune_rows(struct client *c, const char *request, struct buf *out,
    struct err *err)
{
	struct prune_step step = { .again = false };
	struct buf file;
	int rc;

	buf_init(&file, CONTROL_REQUEST_MAX);
	rc = get_archive(request, &file, err);
	if (rc == 0)
		rc = prune_rows(
		    c->server->journal, file.data, &step, deadline(), err);
	buf_free(&file);
	leave_to_mail(step.busy_us);
	json_add_bool(out, "again", step.again);
	return rc;
}

static int
read_party(const char *object, struct forget_party *p, struct err *err)
{
	struct buf role;
	int rc;

	buf_init(&role, sizeof(p->role));
	rc = json_get_int(object, "n", &p->n, err) == 1 &&
		json_get_string(object, "role", &role, err) == 1
	    ? 0
	    : err_set(err, ERR_PROTO, "not a party");
	if (rc == 0)
		(void)snprintf(p->role, sizeof(p->role), "%s", role.data);
	buf_free(&role);
	return rc;
}

static int
read_parties(const char *array, struct forget_item *item, struct err *err)
{
	enum json_type type;
	struct buf value;
	int rc;

	buf_init(&value, CONTROL_REQUEST_MAX);
	while ((rc = json_next(&array, &type, &value, err)) == 1) {
		if (item->nparties == FORGET_PARTIES_MAX ||
		    read_party(value.data, &item->parties[item->nparties++],
			err) == -1) {
			rc = err_set(err, ERR_PROTO, "not a list of parties");
			break;
		}
	}
	buf_free(&value);
	return rc;
}

static int
read_item(const char *object, struct forget_item *item, struct err *err)
{
	struct buf message, parties;
	enum json_type type;
	int rc;

	memset(item, 0, sizeof(*item));
	buf_init(&message, VALUE_MAX);
	buf_init(&parties, CONTROL_REQUEST_MAX);
	rc = json_get_string(object, "message", &message, err);
	item->of_message = rc == 1;
	if (rc == 1 && uuid_parse(message.data, &item->message) == -1)
		rc = err_set(err, ERR_PROTO, "not a message");
	if (rc != -1)
		rc = json_get(object, "parties", &type, &parties, err);
	if (rc == 0)
		rc = type == JSON_NESTED
		    ? read_parties(parties.data, item, err)
		    : err_set(err, ERR_PROTO, "no parties given");
	buf_free(&message);
	buf_free(&parties);
	return rc;
}

static int
bad_items(struct err *err)
{
	return err_set(err, ERR_PROTO,
	    "not a list of up to %d messages, or one item without",
	    FORGET_ITEMS_MAX);
}

/* How many, or -1 and err. */
static int
read_items(const char *array, struct forget_item items[FORGET_ITEMS_MAX],
    struct err *err)
{
	enum json_type type;
	struct buf value;
	size_t n = 0, parties = 0;
	int rc;

	buf_init(&value, CONTROL_REQUEST_MAX);
	while ((rc = json_next(&array, &type, &value, err)) == 1) {
		if (n == FORGET_ITEMS_MAX || type != JSON_NESTED)
			rc = bad_items(err);
		else
			rc = read_item(value.data, &items[n], err);
		if (rc == -1)
			break;
		parties += items[n++].nparties;
		if (parties > FORGET_ITEMS_PARTIES_MAX ||
		    (n > 1 && (!items[0].of_message || !items[n - 1].of_message))) {
			rc = bad_items(err);
			break;
		}
	}
	buf_free(&value);
	if (rc == 0 && n == 0)
		rc = bad_items(err);
	return rc == 0 ? (int)n : -1;
}

static int
get_items(const char *request, struct forget_item items[FORGET_ITEMS_MAX],
    struct err *err)
{
	enum json_type type;
	struct buf array;
	int n;

	buf_init(&array, CONTROL_LINE_MAX);
	n = json_get(request, "items", &type, &array, err);
	if (n == 0)
		n = type == JSON_NESTED ? read_items(array.data, items, err)
					: bad_items(err);
	buf_free(&array);
	return n;
}

int
control_forget(struct client *c, const char *request, struct buf *out,
    struct err *err)
{
	struct forget_item items[FORGET_ITEMS_MAX];
	struct forget_ask ask = { .items = items, .who = c->who };
	struct forget_done done = { .busy_us = 0 };
	int n = get_items(request, items, err), rc = -1;
	struct buf address;

	buf_init(&address, VALUE_MAX);
	if (n != -1 &&
	    get_bool(request, "suppression_too", &ask.suppression_too, err) ==
		0 &&
	    json_get_string(request, "address", &address, err) != -1) {
		ask.n = (size_t)n;
		ask.address = address.data;
		rc = forget_erase(
		    c->server->journal, &ask, deadline(), &done, err);
	}
	if (done.suppression > 0)
		suppressions_drop(c->server->suppressions, address.data,
		    done.suppression);
	buf_free(&address);
	leave_to_mail(done.busy_us);
	json_key(out, "seqs");
	json_open(out, '[');
	for (int i = 0; i < n; i++)
		json_int(out, done.seqs[i]);
	json_close(out, ']');
	return rc;
}

int
control_scrub(struct client *c, const char *request, struct buf *out,
    struct err *err)
{
	struct journal *j = c->server->journal;
	int64_t page = 0;
	uint32_t next;

	if (json_get_int(request, "page", &page, err) == -1)
		return -1;
	if (page < 1 || page > UINT32_MAX)
		return err_set(err, ERR_PROTO, "no page given");
	next = (uint32_t)page;
	if (next == 1 && search_discard(journal_path(j), err) == -1)
		return -1;
	if (forget_wipe(j, &next, true, clock_mono_us() + SLICE_US, err) == -1)
		return -1;
	json_add_int(out, "page", next);
	return 0;
}
