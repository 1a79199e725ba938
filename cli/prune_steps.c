/* SPDX-License-Identifier: BSD-2-Clause */
#include "config.h"

#include "cli/prune_steps.h"

#include <string.h>

#include "core/json.h"

/* The archive's path may be longer in JSON than it is. */
#define REQUEST_MAX_BYTES (4096 + 6 * ARCHIVE_PATH_MAX)

/* How often mail may be faster than a few messages on their way out. */
#define TRIES 100

/* A step, which may have to be done again. */
static int
ask_step(struct keeper *k, struct buf *request, bool *again_r, struct err *err)
{
	struct buf answer, value;
	enum json_type type;
	int rc;

	buf_init(&answer, REQUEST_MAX_BYTES);
	buf_init(&value, REQUEST_MAX_BYTES);
	rc = keeper_ask(k, request, &answer, err);
	if (rc == 0)
		rc = json_get(answer.data, "again", &type, &value, err);
	if (rc == 0)
		*again_r = type == JSON_BOOL && strcmp(value.data, "true") == 0;
	buf_free(&answer);
	buf_free(&value);
	return rc;
}

static int
ask_begin(struct keeper *k, const struct prune_ask *ask, bool *again_r,
    struct err *err)
{
	struct buf request;
	int rc;

	buf_init(&request, REQUEST_MAX_BYTES);
	json_open(&request, '{');
	json_add_string(&request, "op", "prune-begin");
	json_add_string(&request, "archive", ask->file);
	json_add_bool(&request, "unsettled", ask->may_be_unsettled);
	json_add_bool(&request, "instead", ask->instead);
	json_add_bool(&request, "remains", ask->remains);
	json_close(&request, '}');
	rc = ask_step(k, &request, again_r, err);
	buf_free(&request);
	return rc;
}

int
prune_steps_begin(struct keeper *k, const struct prune_ask *ask,
    struct err *err)
{
	struct prune_look look = { .last_seq = 0 };
	bool again = true;
	int rc = 0;

	while (rc == 0 && again)
		rc = k->journal != NULL
		    ? prune_begin(k->journal, ask, &look, keeper_deadline(),
			  keeper_deadline(), &again, err)
		    : ask_begin(k, ask, &again, err);
	return rc;
}

/* Messages on their way out, a few at a time. */
struct going {
	struct keeper *keeper;
	const char *file;
	struct prune_watch *watch;
	struct uuid ids[PRUNE_MESSAGES_MAX];
	size_t n;
};

static int
ask_messages(struct going *g, const struct prune_lot *lot, bool *behind_r,
    struct err *err)
{
	char text[UUID_TEXT_LEN];
	struct buf request;
	int rc;

	buf_init(&request, REQUEST_MAX_BYTES);
	json_open(&request, '{');
	json_add_string(&request, "op", "prune-messages");
	json_add_string(&request, "archive", g->file);
	json_add_int(&request, "as_of", lot->as_of);
	json_add_bool(&request, "last", lot->last);
	json_key(&request, "messages");
	json_open(&request, '[');
	for (size_t i = 0; i < lot->n; i++)
		json_string(&request, uuid_text(&lot->ids[i], text));
	json_close(&request, ']');
	json_close(&request, '}');
	rc = ask_step(g->keeper, &request, behind_r, err);
	buf_free(&request);
	return rc;
}

/* Those that may go as of now: *behind_r says that now has passed. */
static int
try_messages(struct going *g, bool last, bool *behind_r, struct err *err)
{
	struct journal *j = g->keeper->journal;
	struct prune_lot lot = { .as_of = prune_watch_read(g->watch, err),
		.ids = g->ids,
		.last = last };
	struct prune_step step;

	*behind_r = false;
	if (lot.as_of == -1)
		return -1;
	for (size_t i = 0; i < g->n; i++)
		if (!prune_watch_has(g->watch, &g->ids[i]))
			g->ids[lot.n++] = g->ids[i];
	g->n = lot.n;
	if (lot.n == 0 && !last)
		return 0;
	if (j == NULL)
		return ask_messages(g, &lot, behind_r, err);
	if (prune_messages(
		j, g->file, &lot, &step, keeper_deadline(), err) == -1)
		return -1;
	*behind_r = step.again;
	return 0;
}

static int
send_messages(struct going *g, bool last, struct err *err)
{
	bool behind = true;

	for (int i = 0; i < TRIES && behind; i++)
		if (try_messages(g, last, &behind, err) == -1)
			return -1;
	if (behind)
		return err_set(err, ERR_STATE,
		    "the journal grows too fast now: prune again later");
	g->n = 0;
	return 0;
}

static int
take_message(void *arg, const struct uuid *id, struct err *err)
{
	struct going *g = arg;

	g->ids[g->n++] = *id;
	return g->n < PRUNE_MESSAGES_MAX ? 0 : send_messages(g, false, err);
}

int
prune_steps_messages(struct keeper *k, const char *file,
    const struct archive *archive, struct err *err)
{
	struct going g = { .keeper = k, .file = file };
	int rc;

	g.watch = prune_watch_open(k->conf->store.path, archive, err);
	if (g.watch == NULL)
		return -1;
	rc = archive_messages(file, take_message, &g, err);
	if (rc == 0)
		rc = send_messages(&g, true, err);
	prune_watch_close(g.watch);
	return rc;
}

static int
ask_rows(struct keeper *k, const char *file, bool *again_r,
    struct err *err)
{
	struct buf request;
	int rc;

	buf_init(&request, REQUEST_MAX_BYTES);
	json_open(&request, '{');
	json_add_string(&request, "op", "prune-rows");
	json_add_string(&request, "archive", file);
	json_close(&request, '}');
	rc = ask_step(k, &request, again_r, err);
	buf_free(&request);
	return rc;
}

int
prune_steps_rows(struct keeper *k, const char *file, struct err *err)
{
	struct prune_step step = { .again = true };
	int rc = 0;

	while (rc == 0 && step.again)
		rc = k->journal != NULL
		    ? prune_rows(
			  k->journal, file, &step, keeper_deadline(), err)
		    : ask_rows(k, file, &step.again, err);
	return rc;
}
