/* SPDX-License-Identifier: BSD-2-Clause */
#include "config.h"

#include "cli/cli.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "cli/control.h"
#include "cli/placeholder.h"
#include "cli/when.h"
#include "core/json.h"
#include "core/mem.h"
#include "store/audit.h"
#include "store/reason.h"

/*
 * postern show: everything the journal knows of a message.
 *
 * People get parties put back where the journal's texts have {sender} or
 * {recipient:3}; programs get both as they are stored.
 */
#define MESSAGES_MAX 20
#define DOCUMENT_MAX_BYTES ((size_t)256 * 1024 * 1024)
#define INDENT 12

struct party {
	char *role, *value;
	unsigned n;
};

struct story {
	struct cli *cli;
	struct buf json;
	enum { IN_MESSAGE, IN_PARTIES, IN_DELIVERIES, IN_ROWS } part;
	struct party *parties;
	size_t nparties;
};

/* Close one list of the JSON document and open the next. */
static void
enter(struct story *s, int part)
{
	static const char *const lists[] = { NULL, "parties", "deliveries",
		"rows" };

	while ((int)s->part < part) {
		if (s->part != IN_MESSAGE)
			json_close(&s->json, ']');
		s->part++;
		json_key(&s->json, lists[s->part]);
		json_open(&s->json, '[');
	}
}

static void
add_time(struct buf *json, const char *key, int64_t us)
{
	char text[CLOCK_RFC3339_LEN];

	if (us != 0)
		json_add_string(json, key, clock_rfc3339(us, text));
}

static void
field(struct story *s, const char *name, const char *value)
{
	char label[INDENT + 1];

	if (value == NULL || s->cli->out.json)
		return;
	(void)snprintf(label, sizeof(label), "%-*s", INDENT, name);
	output_color(&s->cli->out, COLOR_DIM, label);
	output_folded(&s->cli->out, INDENT, value);
}

static void
message(void *arg, const struct audit_message *m)
{
	char id[UUID_TEXT_LEN], when[CLOCK_RFC3339_LEN], size[40];
	struct story *s = arg;

	(void)uuid_text(&m->id, id);
	json_add_string(&s->json, "message", id);
	add_time(&s->json, "received", m->received_at);
	json_add_int(&s->json, "size", m->size);
	json_add_string(&s->json, "queue_ids", m->queue_ids);
	json_add_string(&s->json, "message_id", m->message_id);
	json_add_string(&s->json, "repairs", m->repairs);
	(void)snprintf(size, sizeof(size), "%" PRId64 " bytes", m->size);
	field(s, "Message", id);
	field(s, "Received", clock_rfc3339(m->received_at, when));
	field(s, "Size", size);
	field(s, "Queue ids", m->queue_ids);
	field(s, "Message-ID", m->message_id);
	field(s, "Repairs", m->repairs);
}

static void
party(void *arg, const struct audit_party *p)
{
	struct story *s = arg;
	char label[32];

	enter(s, IN_PARTIES);
	json_open(&s->json, '{');
	json_add_string(&s->json, "role", p->role);
	json_add_int(&s->json, "n", p->n);
	json_key(&s->json, "value");
	json_string(&s->json, p->value);
	json_close(&s->json, '}');
	s->parties = mem_grow(
	    s->parties, s->nparties + 1, sizeof(*s->parties));
	s->parties[s->nparties++] = (struct party) { mem_strdup(p->role),
		mem_strdup(p->value != NULL ? p->value : "(erased)"), p->n };
	if (p->n == 0) {
		(void)snprintf(label, sizeof(label), "%s", p->role);
		label[0] = (char)(label[0] - 'a' + 'A');
		field(s, label,
		    p->value == NULL	 ? "(erased)"
			: *p->value == '\0' ? "<>"
					    : p->value);
	}
}

struct meaning {
	const struct story *story;
	const char *ses_id; /* or NULL */
};

static const char *
meaning(const void *arg, const char *mark, size_t len)
{
	const struct meaning *m = arg;
	const struct story *s = m->story;

	if (placeholder_is(mark, len, "ses-id", 0))
		return m->ses_id;
	for (size_t i = 0; i < s->nparties; i++)
		if (placeholder_is(mark, len, s->parties[i].role,
			s->parties[i].n))
			return s->parties[i].value;
	return NULL;
}

static void
put_back(const struct story *s, const char *text, const char *ses_id,
    struct buf *out)
{
	struct meaning m = { s, ses_id };

	placeholder_fill(text, meaning, &m, out);
}

static const char *
recipient(const struct story *s, unsigned n)
{
	for (size_t i = 0; i < s->nparties; i++)
		if (s->parties[i].n == n && n > 0)
			return s->parties[i].value;
	return "";
}

static void
delivery_json(struct buf *json, const struct audit_delivery *d)
{
	json_open(json, '{');
	json_add_int(json, "n", d->n);
	json_add_string(json, "state", d->state);
	json_add_int(json, "attempts", d->attempts);
	json_add_string(json, "ses_id", d->ses_id);
	if (d->code != 0)
		json_add_int(json, "code", d->code);
	json_add_string(json, "dsn", d->dsn);
	json_add_string(json, "reply", d->reply);
	json_add_string(json, "feedback", d->feedback);
	add_time(json, "sent", d->sent_at);
	add_time(json, "updated", d->updated_at);
	json_close(json, '}');
}

static void
delivery(void *arg, const struct audit_delivery *d)
{
	struct story *s = arg;
	struct buf line;
	char label[24];

	enter(s, IN_DELIVERIES);
	delivery_json(&s->json, d);
	buf_init(&line, DOCUMENT_MAX_BYTES);
	buf_addf(&line, "%s: %s", recipient(s, d->n), d->state);
	if (d->attempts > 1)
		buf_addf(&line, ", %u attempts", d->attempts);
	if (d->reply != NULL || d->code != 0)
		buf_addf(&line, ": %u %s ", d->code,
		    d->dsn != NULL ? d->dsn : "");
	if (d->reply != NULL)
		put_back(s, d->reply, d->ses_id, &line);
	if (d->feedback != NULL)
		buf_addf(&line, "; %s", d->feedback);
	(void)snprintf(label, sizeof(label), "To %u", d->n);
	field(s, label, line.data);
	buf_free(&line);
}

static bool
is_time(const char *key)
{
	return strcmp(key, "time") == 0 || strcmp(key, "accepted") == 0 ||
	    strcmp(key, "sent_at") == 0;
}

static void
add_value(const struct story *s, const char *key, const char *value,
    const char *ses_id, struct buf *out)
{
	char when[CLOCK_RFC3339_LEN], *reason;

	buf_addf(out, " %s=", key);
	if (is_time(key)) {
		buf_adds(out, clock_rfc3339(strtoll(value, NULL, 10), when));
	} else if (strcmp(key, "reason") == 0) {
		reason = reason_neutral(value);
		buf_adds(out, reason);
		free(reason);
	} else
		put_back(s, value, ses_id, out);
}

/*
 * Commitments tell people nothing, so they are left out. time and accepted are
 * SES's clock's.
 */
static void
add_detail(const struct story *s, const char *detail, struct buf *out)
{
	static const char *const keys[] = { "type", "kind", "subtype",
		"action", "feedback", "attempt", "counts", "offered", "code",
		"dsn", "reply", "text", "time", "accepted", "sent_at",
		"endpoint", "size", "queue_ids", "repairs", "reason", "who" };
	struct buf value, ses_id;
	enum json_type type;
	struct err err;

	buf_init(&value, DOCUMENT_MAX_BYTES);
	buf_init(&ses_id, 1024);
	(void)json_get(detail, "ses_id", &type, &ses_id, &err);
	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++)
		if (json_get(detail, keys[i], &type, &value, &err) == 0 &&
		    type != JSON_ABSENT)
			add_value(s, keys[i], value.data,
			    ses_id.len > 0 ? ses_id.data : NULL, out);
	buf_free(&value);
	buf_free(&ses_id);
}

static void
row(void *arg, const struct audit_row *r)
{
	char when[CLOCK_RFC3339_LEN];
	struct story *s = arg;
	struct buf line;

	if (s->part != IN_ROWS && !s->cli->out.json)
		output_printf(&s->cli->out, "\n");
	enter(s, IN_ROWS);
	json_open(&s->json, '{');
	json_add_int(&s->json, "seq", r->seq);
	add_time(&s->json, "at", r->at);
	json_add_string(&s->json, "event", r->event);
	json_add_int(&s->json, "n", r->n);
	json_key(&s->json, "detail");
	json_raw(&s->json, r->detail);
	json_close(&s->json, '}');
	if (s->cli->out.json)
		return;
	buf_init(&line, DOCUMENT_MAX_BYTES);
	buf_addf(&line, "%s", r->event);
	if (r->n > 0)
		buf_addf(&line, " %s", recipient(s, r->n));
	add_detail(s, r->detail, &line);
	output_color(
	    &s->cli->out, COLOR_DIM, clock_rfc3339(r->at, when));
	output_printf(&s->cli->out, "  ");
	output_folded(&s->cli->out, CLOCK_RFC3339_LEN + 1, line.data);
	buf_free(&line);
}

static void
story_end(struct story *s)
{
	enter(s, IN_ROWS);
	json_close(&s->json, ']');
	json_close(&s->json, '}');
	if (s->cli->out.json)
		output_json(&s->cli->out, &s->json);
}

static void
story_free(struct story *s)
{
	for (size_t i = 0; i < s->nparties; i++) {
		free(s->parties[i].role);
		free(s->parties[i].value);
	}
	free(s->parties);
	buf_free(&s->json);
}

static int
show_one(struct cli *cli, struct audit *a, const struct uuid *id,
    struct err *err)
{
	struct story s = { .cli = cli, .part = IN_MESSAGE };
	const struct audit_listener listener = { message, party, delivery, row,
		&s };
	int rc;

	buf_init(&s.json, DOCUMENT_MAX_BYTES);
	json_open(&s.json, '{');
	rc = audit_tell(a, id, &listener, err);
	if (rc == 1)
		story_end(&s);
	story_free(&s);
	return rc;
}

static enum cli_exit
show(struct cli *cli, struct audit *a, const char *name)
{
	struct uuid ids[MESSAGES_MAX];
	int n, rc, shown = 0;
	struct err err;

	n = audit_find(a, name, ids, MESSAGES_MAX, &err);
	if (n == -1)
		return cli_fail(cli, &err);
	for (int i = 0; i < n; i++) {
		if (i > 0 && !cli->out.json)
			output_printf(&cli->out, "\n");
		rc = show_one(cli, a, &ids[i], &err);
		if (rc == -1)
			return cli_fail(cli, &err);
		shown += rc;
	}
	if (shown == 0)
		(void)fprintf(stderr, "postern show: %s: nothing goes by that "
				      "name\n", name);
	return shown > 0 ? CLI_DONE : CLI_WRONG;
}

static enum cli_exit
run(struct cli *cli, int argc, char **argv)
{
	enum cli_exit status;
	struct conf *conf;
	struct uuid id;
	struct audit *a;
	struct err err;

	if (!cli_options(cli, NULL, &argc, argv, &status))
		return status;
	if (argc != 2)
		return cli_usage(cli, "one ID is needed");
	conf = cli_conf(cli, CONF_NEED_STORE, &status);
	if (conf == NULL)
		return status;
	/* A message's own id is found without, only slower. */
	if (control_catch_up(conf, &err) == -1 &&
	    uuid_parse(argv[1], &id) == -1)
		(void)fprintf(stderr,
		    "postern show: the newest messages may be missing: %s\n",
		    err.text);
	a = audit_open(conf->store.path, &err);
	status = a != NULL ? show(cli, a, argv[1]) : cli_fail(cli, &err);
	audit_close(a);
	conf_release(conf);
	return status;
}

const struct verb verb_show = {
	.name = "show",
	.summary = "one message's whole story",
	.usage = "show [--json] ID\n\n"
		 "ID is Postern's id of the message, the queue id of any MTA on\n"
		 "the way, an SES id, or a Message-ID. Shows the message, its\n"
		 "recipients and what befell them, and every row of the journal\n"
		 "about it. Exits 1 when nothing goes by that name.\n",
	.gives_way = true,
	.run = run,
};
