/* SPDX-License-Identifier: BSD-2-Clause */
#include "config.h"

#include "ses/ses.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "core/address.h"
#include "core/clock.h"
#include "core/mem.h"
#include "core/tls.h"

#define ENDPOINTS_MAX 64 /* as many items as a list in the configuration has */

struct ses {
	struct conf *conf;
	struct breakers *breakers;
	struct tls_context *tls;
	pthread_mutex_t lock; /* guards what follows */
	unsigned refs;
	unsigned live[ENDPOINTS_MAX]; /* connections handed out, by endpoint */
	bool retired;
};

struct ses *
ses_new(struct conf *conf, struct breakers *breakers, struct err *err)
{
	struct tls_context *tls;
	struct ses *s;

	tls = tls_client_context(
	    conf->ses.ca_file[0] != '\0' ? conf->ses.ca_file : NULL, err);
	if (tls == NULL)
		return NULL;
	s = mem_new(sizeof(*s));
	s->conf = conf_hold(conf);
	s->breakers = breakers;
	s->tls = tls;
	s->refs = 1;
	(void)pthread_mutex_init(&s->lock, NULL);
	return s;
}

struct ses *
ses_hold(struct ses *s)
{
	(void)pthread_mutex_lock(&s->lock);
	s->refs++;
	(void)pthread_mutex_unlock(&s->lock);
	return s;
}

void
ses_release(struct ses *s)
{
	unsigned refs;

	if (s == NULL)
		return;
	(void)pthread_mutex_lock(&s->lock);
	refs = --s->refs;
	(void)pthread_mutex_unlock(&s->lock);
	if (refs > 0)
		return;
	tls_context_free(s->tls);
	conf_release(s->conf);
	(void)pthread_mutex_destroy(&s->lock);
	free(s);
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

static void
fails(struct ses *s, const char *key, enum ses_class class, const char *cause)
{
	if (!is_retired(s))
		breaker_fail(s->breakers, key, class, cause);
}

static void
works(struct ses *s, const char *key)
{
	if (!is_retired(s))
		breaker_ok(s->breakers, key);
}

const struct conf *
ses_conf(const struct ses *s)
{
	return s->conf;
}

void
ses_key_endpoint(const struct endpoint *e, char *key_r)
{
	(void)snprintf(key_r, SES_KEY_MAX, "endpoint %s:%s", e->host, e->port);
}

static void
key_credential(const struct credential *cred, char *key_r)
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

/* One address, one credential. */
static struct connection *
try_credential(struct ses *s, const struct endpoint *e,
    struct endpoint_addresses *as, const struct credential *cred,
    int64_t deadline_us, struct ses_result *result)
{
	struct connection *c;
	struct err err;
	size_t which;
	int fd;

	fd = endpoint_connect(as, deadline_us, &which, &err);
	if (fd == -1) {
		ses_error_classify(SES_PHASE_CONNECT, &err, result);
		return NULL;
	}
	c = connection_open(fd, s->conf, e, as->items[which].text, s->tls,
	    cred, result);
	if (c == NULL && result->class != SES_ACCOUNT)
		as->items[which].failed = true;
	return c;
}

static bool
any_left(const struct endpoint_addresses *as)
{
	for (size_t i = 0; i < as->n; i++)
		if (!as->items[i].failed)
			return true;
	return false;
}

/*
 * All addresses of an endpoint with one credential. A refused credential ends
 * it: the next address would say the same.
 */
static struct connection *
try_endpoint(struct ses *s, const struct endpoint *e,
    const struct credential *cred, struct ses_result *result)
{
	int64_t deadline_us;
	struct endpoint_addresses as;
	struct connection *c = NULL;
	struct err err;

	if (endpoint_resolve(e, &as, &err) == -1) {
		ses_error_classify(SES_PHASE_CONNECT, &err, result);
		return NULL;
	}
	do {
		deadline_us = clock_mono_us() + s->conf->ses.connect_timeout;
		c = try_credential(s, e, &as, cred, deadline_us, result);
	} while (c == NULL && result->class != SES_ACCOUNT && any_left(&as));
	return c;
}

/*
 * An endpoint that serves us on other connections, and lets a further one stall
 * or refuses it for the moment, is not in trouble: mail goes on over those, and
 * if they end too it shows at once.
 */
static bool
serves_us(struct ses *s, size_t endpoint)
{
	bool live;

	(void)pthread_mutex_lock(&s->lock);
	live = s->live[endpoint] > 0;
	(void)pthread_mutex_unlock(&s->lock);
	return live;
}

static void
endpoint_failed(struct ses *s, size_t endpoint, const char *key,
    struct ses_result *result)
{
	char cause[SES_TEXT_MAX + 32];

	if (serves_us(s, endpoint))
		return;
	(void)snprintf(cause, sizeof(cause), "%s: %s",
	    ses_phase_name(result->phase), result->text);
	fails(s, key, result->class, cause);
}

static void
in_trouble(const struct trouble *trouble, struct ses_result *result)
{
	memset(result, 0, sizeof(*result));
	result->class = trouble->class;
	result->phase = SES_PHASE_CONNECT;
	(void)snprintf(result->text, sizeof(result->text), "%s",
	    trouble->text);
}

/* result tells of the last endpoint that was tried, or why none was. */
static struct connection *
try_endpoints(struct ses *s, const struct credential *cred,
    struct ses_result *result)
{
	struct trouble trouble;
	struct connection *c;
	char key[SES_KEY_MAX];
	struct endpoint e;
	bool asked = false;

	for (size_t i = 0; i < ENDPOINTS_MAX && endpoint_get(s->conf, i, &e);
	     i++) {
		ses_key_endpoint(&e, key);
		if (!breaker_ask(s->breakers, key, &trouble)) {
			if (!asked)
				in_trouble(&trouble, result);
			continue;
		}
		asked = true;
		c = try_endpoint(s, &e, cred, result);
		if (c != NULL || result->class == SES_ACCOUNT) {
			works(s, key);
			if (c != NULL)
				c->endpoint = i;
			return c;
		}
		endpoint_failed(s, i, key, result);
	}
	return NULL;
}

/*
 * A refused credential with a good one after it is worth an alarm, but stops
 * nobody.
 */
static struct connection *
try_credentials(struct ses *s, const struct credentials *creds,
    struct ses_result *result)
{
	char key[SES_KEY_MAX];
	struct connection *c = NULL;
	size_t i;

	for (i = 0; i < creds->n; i++) {
		key_credential(&creds->items[i], key);
		if (i + 1 < creds->n && !breaker_ask(s->breakers, key, NULL))
			continue;
		c = try_endpoints(s, &creds->items[i], result);
		if (c != NULL)
			works(s, key);
		if (c != NULL || result->class != SES_ACCOUNT)
			break;
		if (creds->n > 1)
			fails(s, key, result->class, result->text);
	}
	return c;
}

static void
count_live(struct ses *s, const struct connection *c, int more)
{
	(void)pthread_mutex_lock(&s->lock);
	s->live[c->endpoint] += (unsigned)more;
	(void)pthread_mutex_unlock(&s->lock);
}

void
ses_disconnect(struct ses *s, struct connection *c)
{
	if (c == NULL)
		return;
	count_live(s, c, -1);
	connection_close(c);
}

typedef bool ask_fn(struct breakers *, const char *, struct trouble *);

static int
ask_one(struct ses *s, ask_fn *ask, const char *key, struct ses_result *result)
{
	struct trouble trouble;

	if (ask(s->breakers, key, &trouble))
		return 0;
	in_trouble(&trouble, result);
	return -1;
}

static int
login(struct ses *s, struct credentials *creds, struct ses_result *result)
{
	struct err err;

	memset(result, 0, sizeof(*result));
	result->class = SES_UNREACHABLE;
	result->phase = SES_PHASE_AUTH;
	if (credentials_load(s->conf->ses.credentials, creds, &err) == 0)
		return 0;
	result->class = SES_ACCOUNT;
	(void)snprintf(result->text, sizeof(result->text), "%s", err.text);
	return -1;
}

/*
 * While the account is in trouble one connection at a time finds out whether it
 * still is, and carries a message to hear it.
 */
struct connection *
ses_connect(struct ses *s, struct ses_result *result)
{
	bool probe = breaker_is_open(s->breakers, SES_KEY_ACCOUNT);
	struct connection *c = NULL;
	struct credentials creds;

	if (ask_one(s, breaker_ask, SES_KEY_ACCOUNT, result) == -1)
		return NULL;
	if (login(s, &creds, result) == 0) {
		c = try_credentials(s, &creds, result);
		credentials_wipe(&creds);
	}
	if (c != NULL) {
		c->probe = probe;
		count_live(s, c, 1);
	} else if (result->class == SES_ACCOUNT) {
		fails(s, SES_KEY_ACCOUNT, result->class, result->text);
	}
	return c;
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
	if (!c->probe &&
	    ask_one(s, breaker_ask, SES_KEY_ACCOUNT, result) == -1)
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
	fails(s, key, result->class, result->text);
}

static void
all_works(struct ses *s, const char *sender)
{
	char key[SES_KEY_MAX];

	works(s, SES_KEY_ACCOUNT);
	for (const char *part = sender; part != NULL; part = wider(part)) {
		key_identity(part, key);
		works(s, key);
	}
	key_mail_from(sender, key);
	works(s, key);
	key_config_set(s, key);
	works(s, key);
}

bool
ses_stops_all(const struct ses *s, const struct ses_result *result)
{
	return result->class == SES_ACCOUNT ||
	    result->class == SES_TLS_TROUBLE ||
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
		fails(s, SES_KEY_ACCOUNT, result->class, result->text);
		break;
	case SES_DENIED:
		denied(s, sender, result);
		break;
	case SES_MAIL_FROM:
		key_mail_from(sender, key);
		fails(s, key, result->class, result->text);
		break;
	case SES_CONFIG_SET:
		/* Without one of ours the user chose it: his trouble alone. */
		if (s->conf->ses.configuration_set[0] == '\0')
			break;
		key_config_set(s, key);
		fails(s, key, result->class, result->text);
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
