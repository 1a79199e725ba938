/* SPDX-License-Identifier: BSD-2-Clause */
#include "config.h"

#include "sandbox/judge.h"

#include <ctype.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "core/buf.h"
#include "sandbox/body.h"
#include "sandbox/fields.h"
#include "sandbox/limits.h"
#include "sandbox/record.h"
#include "sandbox/session.h"
#include "sandbox/settings.h"

/*
 * A row of checks, each of which refuses or passes on; words are those of the
 * facts file, sections 2.2 to 2.4. In which order SES looks is not known:
 * here the account comes first, then the message, then who it is from, and
 * the limits last, so that they are charged only for what is accepted.
 */
struct trial {
	struct session *s;
	const struct body *body;
	const struct fields *fields;
	struct verdict *v;
};

/* For the checks: set the verdict and return false. */
static bool refuse(struct trial *t, const char *reason, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

static bool
refuse(struct trial *t, const char *reason, const char *fmt, ...)
{
	va_list ap;

	t->v->reason = reason;
	va_start(ap, fmt);
	(void)vsnprintf(t->v->reply, sizeof(t->v->reply), fmt, ap);
	va_end(ap);
	return false;
}

static bool
check_size(struct trial *t)
{
	const struct settings *set = t->s->sb->settings;

	if (t->body->size > (uint64_t)settings_get(set, SETTING_MESSAGE_SIZE))
		return refuse(t, "size", "552 Message is too long.");
	if (t->body->header.overflow)
		return refuse(t, "header-size",
		    "554 Transaction failed: Header section is too long.");
	return true;
}

static bool
check_account(struct trial *t)
{
	if (settings_get(t->s->sb->settings, SETTING_PAUSED))
		return refuse(t, "paused",
		    "554 Message rejected: Sending paused for this account. "
		    "For more information, please check the inbox of the "
		    "email address associated with your AWS account.");
	if (t->s->kind != ACCOUNT_SIGV2)
		return true;
	record_count(t->s->sb->record, COUNTER_THROTTLED_SIGV2, 1);
	return refuse(t, "sigv2",
	    "454 Throttling failure: Maximum SigV2 SMTP sending rate "
	    "exceeded.");
}

static bool
check_headers(struct trial *t)
{
	const struct field *f = fields_duplicate(t->fields);

	if (f != NULL)
		return refuse(t, "duplicate-header",
		    "554 Transaction failed: Duplicate header '%.*s'.",
		    (int)f->name_len, f->name);
	/* SES is about to add one of its own. */
	if (settings_get(t->s->sb->settings, SETTING_EASY_DKIM) &&
	    fields_find(t->fields, "DKIM-Signature") != NULL)
		return refuse(t, "duplicate-header",
		    "554 Transaction failed: Duplicate header "
		    "'DKIM-Signature'.");
	if (fields_find(t->fields, "From") == NULL)
		return refuse(t, "missing-from",
		    "554 Transaction failed: Missing required header 'From'.");
	return true;
}

static bool
check_recipients(struct trial *t)
{
	const struct txn *txn = &t->s->txn;
	int64_t max = settings_get(t->s->sb->settings, SETTING_RECIPIENTS);
	char words[512];

	if (txn->nrecipients > (size_t)max)
		return refuse(t, "recipients",
		    "554 Transaction failed: Recipient count exceeds %" PRId64
		    ".",
		    max);
	for (size_t i = 0; i < txn->nrecipients; i++)
		if (path_fault(txn->recipients[i], words, sizeof(words)))
			return refuse(t, "recipient",
			    "554 Transaction failed: %s", words);
	return true;
}

/* Identities that failed, as the refusal lists them. */
struct failed {
	struct account *account;
	struct buf list;
};

enum { LIST_MAX = 800 };

static bool
listed_already(const char *list, const char *entry)
{
	const char *p = list;
	size_t len = strlen(entry);

	while ((p = strstr(p, entry)) != NULL) {
		if ((p == list || p[-1] == ' ') &&
		    (p[len] == ',' || p[len] == '\0'))
			return true;
		p++;
	}
	return false;
}

static void
add_failed(struct failed *f, const char *shown)
{
	if (listed_already(f->list.data, shown))
		return;
	buf_addf(&f->list, "%s%s", f->list.len > 0 ? ", " : "", shown);
}

static bool
check_address(void *arg, const char *address, const char *shown)
{
	struct failed *f = arg;

	if (!account_verified(f->account, address))
		add_failed(f, shown);
	return true;
}

static bool
check_field(struct trial *t, struct failed *f, const char *name)
{
	const struct field *field = fields_find(t->fields, name);
	char words[256];

	if (field == NULL ||
	    (strcmp(name, "Return-Path") == 0 && field->value_len == 2 &&
		memcmp(field->value, "<>", 2) == 0))
		return true;
	if (fields_addresses(field, check_address, f, words, sizeof(words)))
		return true;
	return refuse(t, "address", "554 Transaction failed: %s", words);
}

static void
check_sandbox_recipients(struct trial *t, struct failed *f)
{
	const struct txn *txn = &t->s->txn;
	char local[PATH_ADDRESS_MAX];

	if (!settings_get(t->s->sb->settings, SETTING_SANDBOX))
		return;
	for (size_t i = 0; i < txn->nrecipients; i++)
		if (!path_simulator(txn->recipients[i], local, sizeof(local)))
			(void)check_address(
			    f, txn->recipients[i], txn->recipients[i]);
}

static bool
refuse_identities(struct trial *t, const struct failed *f)
{
	char region[64];
	size_t i;

	for (i = 0; t->s->sb->region[i] != '\0' && i + 1 < sizeof(region); i++)
		region[i] = (char)toupper((unsigned char)t->s->sb->region[i]);
	region[i] = '\0';
	return refuse(t, "identity",
	    "554 Message rejected: Email address is not verified. The "
	    "following identities failed the check in region %s: %s%s",
	    region, f->list.data, f->list.overflow ? "..." : "");
}

static bool
check_identities(struct trial *t)
{
	struct failed f = { .account = t->s->sb->account };
	bool ok;

	buf_init(&f.list, LIST_MAX);
	ok = check_field(t, &f, "From");
	if (ok)
		(void)check_address(&f, t->s->txn.sender, t->s->txn.sender);
	ok = ok && check_field(t, &f, "Sender") &&
	     check_field(t, &f, "Return-Path");
	if (ok) {
		check_sandbox_recipients(t, &f);
		if (f.list.len > 0 || f.list.overflow)
			ok = refuse_identities(t, &f);
	}
	buf_free(&f.list);
	return ok;
}

static bool
check_permission(struct trial *t)
{
	char identity[ACCOUNT_NAME_MAX];

	if (account_listed(
		t->s->sb->account, ACCOUNT_DENY, t->s->txn.sender, identity))
		return refuse(t, "access-denied",
		    "554 Access denied: User "
		    "`arn:aws:iam::111122223333:user/%s' is not authorized "
		    "to perform `ses:SendRawEmail' on resource "
		    "`arn:aws:ses:%s:111122223333:identity/%s'",
		    t->s->user, t->s->sb->region, identity);
	if (account_listed(t->s->sb->account, ACCOUNT_MAIL_FROM_BROKEN,
		t->s->txn.sender, identity))
		return refuse(t, "mail-from",
		    "554 MAIL FROM domain not verified: DNS setup for MAIL "
		    "FROM domain is invalid.");
	return true;
}

/* The wording over SMTP is not published: the API's text behind the usual
 * words. */
static bool
check_configuration_set(struct trial *t)
{
	const struct field *f =
	    fields_find(t->fields, "X-SES-CONFIGURATION-SET");
	char *set = t->v->set;

	if (f != NULL)
		(void)snprintf(set, sizeof(t->v->set), "%.*s",
		    f->value_len < 65 ? (int)f->value_len : 65, f->value);
	else
		account_default_configuration_set(
		    t->s->sb->account, set, sizeof(t->v->set));
	if (*set == '\0' || account_configuration_set(t->s->sb->account, set))
		return true;
	return refuse(t, "configuration-set",
	    "554 Message rejected: Configuration set <%s> does not exist.",
	    set);
}

/* The mailbox simulator spends rate, and none of the day. */
static bool
check_limits(struct trial *t)
{
	const struct txn *txn = &t->s->txn;
	char local[PATH_ADDRESS_MAX];
	unsigned n = (unsigned)txn->nrecipients, day = 0;

	for (size_t i = 0; i < txn->nrecipients; i++)
		if (!path_simulator(txn->recipients[i], local, sizeof(local)))
			day++;
	switch (limits_spend(t->s->sb->limits, n, day, &t->v->mono_us)) {
	case LIMITS_OK:
		return true;
	case LIMITS_RATE:
		record_count(t->s->sb->record, COUNTER_THROTTLED_RATE, 1);
		return refuse(t, "rate",
		    "454 Throttling failure: Maximum sending rate exceeded.");
	case LIMITS_DAY:
		break;
	}
	record_count(t->s->sb->record, COUNTER_THROTTLED_DAY, 1);
	return refuse(
	    t, "day", "454 Throttling failure: Daily message quota exceeded.");
}

void
judge(struct session *s, const struct body *body, const struct fields *fields,
    struct verdict *v)
{
	static bool (*const checks[])(struct trial *) = { check_size,
		check_account, check_headers, check_recipients,
		check_identities, check_permission, check_configuration_set,
		check_limits };
	struct trial t = { .s = s, .body = body, .fields = fields, .v = v };

	*v = (struct verdict){ .reason = NULL };
	for (size_t i = 0; i < sizeof(checks) / sizeof(checks[0]); i++)
		if (!checks[i](&t))
			return;
}
