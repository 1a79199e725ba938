/* SPDX-License-Identifier: BSD-2-Clause */
#include "config.h"

#include "sandbox/events.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/clock.h"
#include "core/json.h"
#include "core/log.h"
#include "core/mem.h"
#include "sandbox/fields.h"
#include "sandbox/ids.h"
#include "sandbox/path.h"
#include "sandbox/session.h"

#define MTA "a8-1.smtp-out.amazonses.com"
#define OUTGOING_IP "198.51.100.7"
#define RECORDS_MAX (16 * 1024 * 1024)
#define HEADERS_MAX 10240 /* facts section 6.2 */
#define TAG_MAX 256

struct events {
	pthread_mutex_t lock;
	int fd;
};

struct events *
events_open(const char *file, struct err *err)
{
	struct events *e;
	int fd;

	fd = open(file, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
	if (fd == -1) {
		(void)err_sys(err, ERR_LOCAL, errno, "%s", file);
		return NULL;
	}
	e = mem_new(sizeof(*e));
	e->fd = fd;
	(void)pthread_mutex_init(&e->lock, NULL);
	return e;
}

void
events_close(struct events *e)
{
	if (e == NULL)
		return;
	(void)close(e->fd);
	(void)pthread_mutex_destroy(&e->lock);
	free(e);
}

static bool
tag_text(const char *p, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if (!isalnum((unsigned char)p[i]) && p[i] != '_' && p[i] != '-')
			return false;
	return len > 0 && len <= TAG_MAX;
}

/* One "name=value"; blanks around it are skipped. */
static void
add_tag(struct buf *out, const char *p, size_t len)
{
	const char *eq;
	char name[TAG_MAX + 1];
	size_t n;

	while (len > 0 && isspace((unsigned char)*p)) {
		p++;
		len--;
	}
	while (len > 0 && isspace((unsigned char)p[len - 1]))
		len--;
	if ((eq = memchr(p, '=', len)) == NULL)
		return;
	n = (size_t)(eq - p);
	if (!tag_text(p, n) || !tag_text(eq + 1, len - n - 1))
		return;
	(void)snprintf(name, sizeof(name), "%.*s", (int)n, p);
	json_key(out, name);
	json_open(out, '[');
	json_string_len(out, eq + 1, len - n - 1);
	json_close(out, ']');
}

static void
add_tags(const struct fields *fields, struct buf *out)
{
	const struct field *f = fields_find(fields, "X-SES-MESSAGE-TAGS");
	const char *p, *end, *comma;

	if (f == NULL)
		return;
	for (p = f->value, end = p + f->value_len; p < end; p = comma + 1) {
		comma = memchr(p, ',', (size_t)(end - p));
		if (comma == NULL)
			comma = end;
		add_tag(out, p, (size_t)(comma - p));
	}
}

void
events_tags(const struct fields *fields, struct buf *out)
{
	json_open(out, '{');
	add_tags(fields, out);
	json_close(out, '}');
}

static void
add_time(struct buf *out, const char *key, int64_t wall_us)
{
	char text[CLOCK_RFC3339_LEN];

	(void)clock_rfc3339(wall_us, text);
	/* SES gives milliseconds. */
	(void)snprintf(text + 23, sizeof(text) - 23, "Z");
	json_add_string(out, key, text);
}

static void
add_array(struct buf *out, const char *key, const char *value)
{
	json_key(out, key);
	json_open(out, '[');
	json_string(out, value);
	json_close(out, ']');
}

static void
add_field_string(struct buf *out, const char *key, const struct field *f)
{
	struct buf text;

	buf_init(&text, HEADERS_MAX);
	field_unfold(f, &text);
	json_key(out, key);
	json_string_len(out, text.data, text.len);
	buf_free(&text);
}

static void
add_headers(struct buf *out, const struct fields *fields)
{
	size_t size = 0, i;
	char name[256];

	json_key(out, "headers");
	json_open(out, '[');
	for (i = 0; i < fields->n; i++) {
		const struct field *f = &fields->items[i];

		size += f->name_len + f->value_len + 4;
		if (size > HEADERS_MAX)
			break;
		(void)snprintf(name, sizeof(name), "%.*s",
		    f->name_len < 255 ? (int)f->name_len : 255, f->name);
		json_open(out, '{');
		json_add_string(out, "name", name);
		add_field_string(out, "value", f);
		json_close(out, '}');
	}
	json_close(out, ']');
	json_add_bool(out, "headersTruncated", i < fields->n);
}

static void
add_common_headers(struct buf *out, const struct events_message *m)
{
	static const char *const keys[] = { "from", "to", "cc" };
	const struct field *f;

	json_key(out, "commonHeaders");
	json_open(out, '{');
	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
		if ((f = fields_find(m->fields, keys[i])) == NULL)
			continue;
		json_key(out, keys[i]);
		json_open(out, '[');
		json_string_len(out, f->value, f->value_len);
		json_close(out, ']');
	}
	json_add_string(out, "messageId", m->id);
	if ((f = fields_find(m->fields, "Subject")) != NULL)
		add_field_string(out, "subject", f);
	json_close(out, '}');
}

static void
add_own_tags(struct buf *out, const struct events_message *m, bool delivered)
{
	const char *at = strrchr(m->session->txn.sender, '@');

	json_key(out, "tags");
	json_open(out, '{');
	add_array(out, "ses:configuration-set", m->set);
	add_array(out, "ses:source-ip", m->session->peer);
	add_array(out, "ses:from-domain", at != NULL ? at + 1 : "");
	add_array(out, "ses:caller-identity", m->session->user);
	if (delivered)
		add_array(out, "ses:outgoing-ip", OUTGOING_IP);
	add_tags(m->fields, out);
	json_close(out, '}');
}

static void
add_mail(struct buf *out, const struct events_message *m, bool delivered)
{
	const struct txn *txn = &m->session->txn;
	const char *at = strrchr(txn->sender, '@');
	char arn[ACCOUNT_NAME_MAX + 64];

	(void)snprintf(arn, sizeof(arn),
	    "arn:aws:ses:%s:111122223333:identity/%s", m->session->sb->region,
	    at != NULL ? at + 1 : "");
	json_key(out, "mail");
	json_open(out, '{');
	add_time(out, "timestamp", m->wall_us);
	json_add_string(out, "source", txn->sender);
	json_add_string(out, "sourceArn", arn);
	json_add_string(out, "sendingAccountId", "111122223333");
	json_add_string(out, "messageId", m->id);
	json_key(out, "destination");
	json_open(out, '[');
	for (size_t i = 0; i < txn->nrecipients; i++)
		json_string(out, txn->recipients[i]);
	json_close(out, ']');
	add_headers(out, m->fields);
	add_common_headers(out, m);
	add_own_tags(out, m, delivered);
	json_close(out, '}');
}

static void
open_record(struct buf *out, const struct events_message *m, const char *type,
    const char *key)
{
	json_open(out, '{');
	json_add_string(out, "eventType", type);
	add_mail(out, m, strcmp(type, "Delivery") == 0);
	json_key(out, key);
	json_open(out, '{');
}

static void
close_record(struct buf *out)
{
	json_close(out, '}');
	json_close(out, '}');
	buf_addc(out, '\n');
}

static void
add_feedback_id(struct buf *out, const struct events_message *m)
{
	char id[IDS_LEN];

	ids_message(m->session->sb->region, clock_wall_us(), id);
	json_add_string(out, "feedbackId", id);
}

/* What becomes of a recipient. */
struct fate {
	const char *simulator; /* local part of the simulator's address */
	const char *subtype;   /* of a permanent bounce, or NULL */
	bool complains;
	const char *diagnostic;
};

#define SUPPRESSED                                             \
	"Amazon SES did not send the message to this address " \
	"because it is on the suppression list "

static const struct fate fates[] = {
	{ "success", NULL, false, NULL },
	{ "ooto", NULL, false, NULL },
	{ "complaint", NULL, true, NULL },
	{ "bounce", "General", false, "smtp; 550 5.1.1 user unknown" },
	{ "suppressionlist", "Suppressed", false,
	    SUPPRESSED "because it has a recent history of bouncing as an "
		       "invalid address." },
};

/* On the account's own list; and everyone else. */
static const struct fate suppressed = { NULL, "OnAccountSuppressionList", false,
	SUPPRESSED "for your account." };
static const struct fate delivered = { NULL, NULL, false, NULL };

static const struct fate *
fate_of(const struct events_message *m, const char *recipient)
{
	char local[PATH_ADDRESS_MAX];

	if (path_simulator(recipient, local, sizeof(local)))
		for (size_t i = 0; i < sizeof(fates) / sizeof(fates[0]); i++)
			if (strcmp(fates[i].simulator, local) == 0)
				return &fates[i];
	return account_suppressed(m->session->sb->account, recipient)
		   ? &suppressed
		   : &delivered;
}

static void
add_delivery(
    struct buf *out, const struct events_message *m, const char *recipient)
{
	int64_t now = clock_wall_us();

	open_record(out, m, "Delivery", "delivery");
	add_time(out, "timestamp", now);
	json_add_int(
	    out, "processingTimeMillis", (now - m->wall_us) / US_PER_MS);
	add_array(out, "recipients", recipient);
	json_add_string(out, "smtpResponse", "250 2.0.0 Ok: queued as SANDBOX");
	json_add_string(out, "reportingMTA", MTA);
	json_add_string(out, "remoteMtaIp", "192.0.2.25");
	close_record(out);
}

static void
add_complaint(
    struct buf *out, const struct events_message *m, const char *recipient)
{
	open_record(out, m, "Complaint", "complaint");
	json_key(out, "complainedRecipients");
	json_open(out, '[');
	json_open(out, '{');
	json_add_string(out, "emailAddress", recipient);
	json_close(out, '}');
	json_close(out, ']');
	add_time(out, "timestamp", clock_wall_us());
	add_feedback_id(out, m);
	json_key(out, "complaintSubType");
	json_null(out);
	json_add_string(out, "userAgent", "Amazon SES Mailbox Simulator");
	json_add_string(out, "complaintFeedbackType", "abuse");
	add_time(out, "arrivalDate", clock_wall_us());
	close_record(out);
}

static void
add_bounced(struct buf *out, const struct fate *fate, const char *recipient)
{
	json_open(out, '{');
	json_add_string(out, "emailAddress", recipient);
	json_add_string(out, "action", "failed");
	json_add_string(out, "status", "5.1.1");
	json_add_string(out, "diagnosticCode", fate->diagnostic);
	json_close(out, '}');
}

/* Bounces of one subtype come as one event. */
static unsigned
add_bounce(
    struct buf *out, const struct events_message *m, const struct fate *fate)
{
	const struct txn *txn = &m->session->txn;
	unsigned n = 0;

	for (size_t i = 0; i < txn->nrecipients; i++)
		n += fate_of(m, txn->recipients[i]) == fate;
	if (n == 0)
		return 0;
	open_record(out, m, "Bounce", "bounce");
	json_add_string(out, "bounceType", "Permanent");
	json_add_string(out, "bounceSubType", fate->subtype);
	json_key(out, "bouncedRecipients");
	json_open(out, '[');
	for (size_t i = 0; i < txn->nrecipients; i++)
		if (fate_of(m, txn->recipients[i]) == fate)
			add_bounced(out, fate, txn->recipients[i]);
	json_close(out, ']');
	add_time(out, "timestamp", clock_wall_us());
	add_feedback_id(out, m);
	json_add_string(out, "reportingMTA", "dsn; " MTA);
	close_record(out);
	return 1;
}

static unsigned
add_outcomes(struct buf *out, const struct events_message *m)
{
	const struct txn *txn = &m->session->txn;
	const struct fate *fate;
	unsigned n = 0;

	for (size_t i = 0; i < txn->nrecipients; i++) {
		fate = fate_of(m, txn->recipients[i]);
		if (fate->subtype != NULL)
			continue;
		add_delivery(out, m, txn->recipients[i]);
		n++;
		if (fate->complains) {
			add_complaint(out, m, txn->recipients[i]);
			n++;
		}
	}
	for (size_t i = 0; i < sizeof(fates) / sizeof(fates[0]); i++)
		if (fates[i].subtype != NULL)
			n += add_bounce(out, m, &fates[i]);
	return n + add_bounce(out, m, &suppressed);
}

static unsigned
add_records(struct buf *out, const struct events_message *m)
{
	open_record(out, m, "Send", "send");
	close_record(out);
	if (!m->virus)
		return 1 + add_outcomes(out, m);
	open_record(out, m, "Reject", "reject");
	json_add_string(out, "reason", "Bad content");
	close_record(out);
	return 2;
}

unsigned
events_publish(struct events *e, const struct events_message *m)
{
	struct buf out;
	unsigned n;

	buf_init(&out, RECORDS_MAX);
	n = add_records(&out, m);
	(void)pthread_mutex_lock(&e->lock);
	if (out.overflow ||
	    write(e->fd, out.data, out.len) != (ssize_t)out.len) {
		log_error(m->id, "event", "reason", "could not be written");
		n = 0;
	}
	(void)pthread_mutex_unlock(&e->lock);
	buf_free(&out);
	return n;
}
