/* SPDX-License-Identifier: BSD-2-Clause */
#include "config.h"

#include "ses/ses.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/clock.h"
#include "core/mem.h"
#include "core/tls.h"
#include "ses/ses_parts.h"

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

const struct conf *
ses_conf(const struct ses *s)
{
	return s->conf;
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

static void
count_trying(struct ses *s, size_t endpoint)
{
	(void)pthread_mutex_lock(&s->lock);
	s->trying[endpoint]++;
	(void)pthread_mutex_unlock(&s->lock);
}

static void
count_tried(struct ses *s, size_t endpoint, struct connection *c)
{
	if (c != NULL)
		c->endpoint = endpoint;
	(void)pthread_mutex_lock(&s->lock);
	s->trying[endpoint]--;
	s->live[endpoint] += c != NULL;
	(void)pthread_mutex_unlock(&s->lock);
}

/*
 * An endpoint that serves us on other connections, and lets a further one stall
 * or refuses it for the moment, is not in trouble: mail goes on over those, and
 * if they end too it shows at once. Nor is one that says 421 while others of
 * ours wait for its answer: they may be as many as it grants.
 */
static bool
serves_us(struct ses *s, size_t endpoint, const struct ses_result *result)
{
	bool serves;

	(void)pthread_mutex_lock(&s->lock);
	serves = s->live[endpoint] > 0 ||
	    (result->code == 421 && s->trying[endpoint] > 0);
	(void)pthread_mutex_unlock(&s->lock);
	return serves;
}

static void
endpoint_failed(struct ses *s, size_t endpoint, const char *key,
    struct ses_result *result)
{
	char cause[SES_TEXT_MAX + 32];

	if (serves_us(s, endpoint, result))
		return;
	(void)snprintf(cause, sizeof(cause), "%s: %s",
	    ses_phase_name(result->phase), result->text);
	ses_fails(s, key, result->class, cause);
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
				ses_tell_trouble(&trouble, result);
			continue;
		}
		asked = true;
		count_trying(s, i);
		c = try_endpoint(s, &e, cred, result);
		count_tried(s, i, c);
		if (c != NULL || result->class == SES_ACCOUNT) {
			ses_works(s, key);
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
		ses_key_credential(&creds->items[i], key);
		if (i + 1 < creds->n && !breaker_ask(s->breakers, key, NULL))
			continue;
		c = try_endpoints(s, &creds->items[i], result);
		if (c != NULL)
			ses_works(s, key);
		if (c != NULL || result->class != SES_ACCOUNT)
			break;
		if (creds->n > 1)
			ses_fails(s, key, result->class, result->text);
	}
	return c;
}

void
ses_disconnect(struct ses *s, struct connection *c)
{
	if (c == NULL)
		return;
	(void)pthread_mutex_lock(&s->lock);
	s->live[c->endpoint]--;
	(void)pthread_mutex_unlock(&s->lock);
	connection_close(c);
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

	if (ses_ask(s, SES_KEY_ACCOUNT, result) == -1)
		return NULL;
	if (login(s, &creds, result) == 0) {
		c = try_credentials(s, &creds, result);
		credentials_wipe(&creds);
	}
	if (c != NULL)
		c->probe = probe;
	else if (result->class == SES_ACCOUNT)
		ses_fails(s, SES_KEY_ACCOUNT, result->class, result->text);
	return c;
}
