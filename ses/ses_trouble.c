/* SPDX-License-Identifier: BSD-2-Clause */
#include "config.h"

#include "ses/ses.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "core/address.h"
#include "ses/ses_parts.h"

void
ses_key_endpoint(const struct endpoint *e, char *key_r)
{
	(void)snprintf(key_r, SES_KEY_MAX, "endpoint %s:%s", e->host, e->port);
}

void
ses_key_credential(const struct credential *cred, char *key_r)
{
	(void)snprintf(key_r, SES_KEY_MAX, "credential %s", cred->user);
}

static void
key_identity(const char *identity, char *key_r)
{
	(void)snprintf(key_r, SES_KEY_MAX, "identity %s", identity);
}

static void
key_mail_from(const char *sender, char *key_r)
{
	const char *at = strrchr(sender, '@');

	(void)snprintf(key_r, SES_KEY_MAX, "mail-from-domain of %s",
	    at != NULL ? at + 1 : sender);
}

static void
key_config_set(const struct ses *s, char *key_r)
{
	(void)snprintf(key_r, SES_KEY_MAX, "configuration-set %s",
	    s->conf->ses.configuration_set);
}

void
ses_retire(struct ses *s)
{
	(void)pthread_mutex_lock(&s->lock);
	s->retired = true;
	(void)pthread_mutex_unlock(&s->lock);
}

static bool
is_retired(struct ses *s)
{
	bool retired;

	(void)pthread_mutex_lock(&s->lock);
	retired = s->retired;
	(void)pthread_mutex_unlock(&s->lock);
	return retired;
}

void
ses_fails(struct ses *s, const char *key, enum ses_class class,
    const char *cause)
{
	if (!is_retired(s))
		breaker_fail(s->breakers, key, class, cause);
}

void
ses_works(struct ses *s, const char *key)
{
	if (!is_retired(s))
		breaker_ok(s->breakers, key);
}

void
ses_tell_trouble(const struct trouble *trouble, struct ses_result *result)
{
	memset(result, 0, sizeof(*result));
	result->class = trouble->class;
	result->phase = SES_PHASE_CONNECT;
	(void)snprintf(result->text, sizeof(result->text), "%s",
	    trouble->text);
}

typedef bool ask_fn(struct breakers *, const char *, struct trouble *);

static int
ask_one(struct ses *s, ask_fn *ask, const char *key, struct ses_result *result)
{
	struct trouble trouble;

	if (ask(s->breakers, key, &trouble))
		return 0;
	ses_tell_trouble(&trouble, result);
	return -1;
}

int
ses_ask(struct ses *s, const char *key, struct ses_result *result)
{
	return ask_one(s, breaker_ask, key, result);
}

/*
 * From an address to its domain, from a domain to the one above; NULL at the
 * end.
 */
static const char *
wider(const char *identity)
{
	const char *at = strrchr(identity, '@');

	if (at == NULL)
		at = strchr(identity, '.');
	return at != NULL ? at + 1 : NULL;
}

/*
 * What is in trouble may be the sender's address, or a domain that it lies in:
 * IAM policies name either.
 */
static int
ask_identity(struct ses *s, ask_fn *ask, const char *sender,
    struct ses_result *result)
{
	char key[SES_KEY_MAX];

	for (const char *part = sender; part != NULL; part = wider(part)) {
		key_identity(part, key);
		if (ask_one(s, ask, key, result) == -1)
			return -1;
	}
	return 0;
}

static int
ask_all(struct ses *s, ask_fn *ask, const char *sender,
    struct ses_result *result)
{
	char key[SES_KEY_MAX];

	if (ask_identity(s, ask, sender, result) == -1)
		return -1;
	key_mail_from(sender, key);
	if (ask_one(s, ask, key, result) == -1)
		return -1;
	key_config_set(s, key);
	return ask_one(s, ask, key, result);
}

int
ses_may_send(struct ses *s, struct connection *c, const char *sender,
    struct ses_result *result)
{
	if (!c->probe && ses_ask(s, SES_KEY_ACCOUNT, result) == -1)
		return -1;
	c->probe = false;
	return ask_all(s, breaker_ask, sender, result);
}

int
ses_trouble(struct ses *s, const char *sender, struct ses_result *result)
{
	char key[SES_KEY_MAX];
	struct endpoint e;

	if (ask_one(s, breaker_peek, SES_KEY_ACCOUNT, result) == -1 ||
	    ask_all(s, breaker_peek, sender, result) == -1)
		return -1;
	for (size_t i = 0; endpoint_get(s->conf, i, &e); i++) {
		ses_key_endpoint(&e, key);
		if (ask_one(s, breaker_peek, key, result) == 0)
			return 0;
	}
	return -1;
}

/*
 * `...identity/NAME'` in SES's words (SES facts 2.4); "" when it is not there.
 */
static void
denied_identity(const char *text, char *name, size_t size)
{
	const char *at = strstr(text, "identity/");
	size_t len;

	name[0] = '\0';
	if (at == NULL)
		return;
	at += strlen("identity/");
	len = strcspn(at, "' ");
	if (len < size)
		(void)snprintf(name, size, "%.*s", (int)len, at);
}

/*
 * The sender's address or domain that an identity names, as the sender writes
 * it; NULL when it is none of his.
 */
static const char *
senders_own(const char *identity, const char *sender)
{
	const char *part = sender;

	while (part != NULL && strcasecmp(part, identity) != 0)
		part = wider(part);
	return part;
}

/*
 * Permission may be missing for a recipient's identity (SES facts 2.4): that
 * stops nobody else's mail.
 */
static void
denied(struct ses *s, const char *sender, const struct ses_result *result)
{
	char name[ADDRESS_MAX], key[SES_KEY_MAX];
	const char *own = sender;

	denied_identity(result->text, name, sizeof(name));
	if (name[0] != '\0')
		own = senders_own(name, sender);
	if (own == NULL)
		return;
	key_identity(own, key);
	ses_fails(s, key, result->class, result->text);
}

static void
all_works(struct ses *s, const char *sender)
{
	char key[SES_KEY_MAX];

	ses_works(s, SES_KEY_ACCOUNT);
	for (const char *part = sender; part != NULL; part = wider(part)) {
		key_identity(part, key);
		ses_works(s, key);
	}
	key_mail_from(sender, key);
	ses_works(s, key);
	key_config_set(s, key);
	ses_works(s, key);
}

/* Many hosts are behind an endpoint's name, and one may be out of order. */
static bool
serves_us(struct ses *s)
{
	unsigned live = 0;

	(void)pthread_mutex_lock(&s->lock);
	for (size_t i = 0; i < ENDPOINTS_MAX; i++)
		live += s->live[i];
	(void)pthread_mutex_unlock(&s->lock);
	return live > 0;
}

bool
ses_stops_all(struct ses *s, const struct ses_result *result)
{
	return result->class == SES_ACCOUNT ||
	    (result->class == SES_TLS_TROUBLE && !serves_us(s)) ||
	    (result->class == SES_CONFIG_SET &&
		s->conf->ses.configuration_set[0] != '\0');
}

void
ses_report(struct ses *s, const char *sender, const struct ses_result *result)
{
	char key[SES_KEY_MAX];

	switch (result->class) {
	case SES_OK:
		all_works(s, sender);
		break;
	case SES_ACCOUNT:
		ses_fails(s, SES_KEY_ACCOUNT, result->class, result->text);
		break;
	case SES_DENIED:
		denied(s, sender, result);
		break;
	case SES_MAIL_FROM:
		key_mail_from(sender, key);
		ses_fails(s, key, result->class, result->text);
		break;
	case SES_CONFIG_SET:
		/* Without one of ours the user chose it: his trouble alone. */
		if (s->conf->ses.configuration_set[0] == '\0')
			break;
		key_config_set(s, key);
		ses_fails(s, key, result->class, result->text);
		break;
	case SES_RECONNECT:
	case SES_UNREACHABLE:
	case SES_TLS_TROUBLE:
	case SES_DOUBTFUL:
	case SES_PACE:
	case SES_DAY_FULL:
	case SES_TRY_AGAIN:
	case SES_DEFERRED:
	case SES_UNVERIFIED:
	case SES_TOO_LARGE:
	case SES_REFUSED:
	case SES_UNKNOWN_5XX:
		break;
	}
}
