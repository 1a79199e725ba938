/* SPDX-License-Identifier: BSD-2-Clause */
#include "config.h"

#include "ses/connection.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "core/base64.h"
#include "core/clock.h"
#include "core/hostname.h"
#include "core/mem.h"

/*
 * SES offers no pipelining: one command, one reply. Bytes beyond a reply were
 * not asked for; they could pass for the answer to the next command, or for one
 * given within TLS, so the connection ends there. What SES said to a message,
 * or to refuse something, it has said all the same.
 */
static int
unasked(struct connection *c, enum ses_phase phase, struct ses_result *result)
{
	struct err err;

	c->broken = true;
	if (phase == SES_PHASE_DOT || result->class != SES_OK)
		return 0;
	(void)err_set(&err, ERR_PROTO, "more came than the reply asked for");
	ses_error_classify(phase, &err, result);
	return -1;
}

int
connection_reply(struct connection *c, enum ses_phase phase,
    int64_t deadline_us, struct ses_reply *reply, struct ses_result *result)
{
	struct err err;

	stream_deadline(c->stream, deadline_us);
	if (ses_reply_read(c->stream, reply, &err) == -1) {
		c->broken = true;
		ses_error_classify(phase, &err, result);
		return -1;
	}
	ses_reply_classify(phase, reply, result);
	if (stream_pending(c->stream) > 0)
		return unasked(c, phase, result);
	if (reply->code == 421 || result->class == SES_RECONNECT)
		c->broken = true;
	return 0;
}

static int
command(struct connection *c, enum ses_phase phase, const char *line,
    int64_t deadline_us, struct ses_reply *reply, struct ses_result *result)
{
	struct err err;

	stream_deadline(c->stream, deadline_us);
	stream_write(c->stream, line, strlen(line));
	stream_write(c->stream, "\r\n", 2);
	if (stream_flush(c->stream, &err) == -1) {
		c->broken = true;
		ses_error_classify(phase, &err, result);
		return -1;
	}
	return connection_reply(c, phase, deadline_us, reply, result);
}

int
connection_command(struct connection *c, enum ses_phase phase, const char *line,
    int64_t deadline_us, struct ses_result *result)
{
	struct ses_reply reply;

	return command(c, phase, line, deadline_us, &reply, result);
}

/* SES's own words stay when there are none of ours. */
static int
unusable(struct connection *c, enum ses_class class, const char *text,
    struct ses_result *result)
{
	c->broken = true;
	result->class = class;
	if (text != NULL)
		(void)snprintf(result->text, sizeof(result->text), "%s", text);
	return -1;
}

/*
 * An EHLO keyword at the start of a line of the reply; the first line is the
 * greeting.
 */
static bool
offers(const struct ses_reply *reply, const char *keyword)
{
	size_t len = strlen(keyword);

	for (const char *line = strchr(reply->text, '\n'); line != NULL;
	     line = strchr(line, '\n')) {
		line++;
		if (strncasecmp(line, keyword, len) == 0 &&
		    strchr(" =\n", line[len]) != NULL)
			return true; /* strchr finds the NUL as well */
	}
	return false;
}

/*
 * The name in EHLO is of no use to SES, but should be one.
 */
static int
ehlo(struct connection *c, struct ses_reply *reply, struct ses_result *result)
{
	char host[HOSTNAME_SIZE], line[300];

	(void)snprintf(line, sizeof(line), "EHLO %s", hostname(host));
	if (command(c, SES_PHASE_EHLO, line,
		clock_mono_us() + c->conf->ses.command_timeout, reply,
		result) == -1)
		return -1;
	return result->class == SES_OK ? 0 : -1;
}

static int
start_tls(struct connection *c, struct tls_context *tls, const char *host,
    int64_t deadline_us, struct ses_result *result)
{
	struct err err;

	stream_deadline(c->stream, deadline_us);
	if (stream_start_tls(c->stream, tls, host, &err) == 0)
		return 0;
	c->broken = true;
	ses_error_classify(SES_PHASE_TLS, &err, result);
	return -1;
}

static int
greeting(struct connection *c, int64_t deadline_us, struct ses_result *result)
{
	struct ses_reply reply;

	if (connection_reply(c, SES_PHASE_GREETING, deadline_us, &reply,
		result) == -1)
		return -1;
	if (result->class != SES_OK || reply.code != 220)
		return unusable(c,
		    result->class == SES_OK ? SES_UNREACHABLE : result->class,
		    NULL, result);
	return 0;
}

/* Greeting, EHLO and TLS in the order that the port wants. */
static int
introduce(struct connection *c, const struct endpoint *e,
    struct tls_context *tls, struct ses_reply *ehlo_reply,
    struct ses_result *result)
{
	int64_t deadline_us = clock_mono_us() + c->conf->ses.connect_timeout;

	if (e->wrapper)
		return start_tls(c, tls, e->host, deadline_us, result) == -1 ||
			greeting(c, deadline_us, result) == -1
		    ? -1
		    : ehlo(c, ehlo_reply, result);
	if (greeting(c, deadline_us, result) == -1 ||
	    ehlo(c, ehlo_reply, result) == -1)
		return -1;
	if (!offers(ehlo_reply, "STARTTLS"))
		return unusable(c, SES_TLS_TROUBLE,
		    "the server does not offer STARTTLS", result);
	deadline_us = clock_mono_us() + c->conf->ses.connect_timeout;
	if (connection_command(c, SES_PHASE_TLS, "STARTTLS", deadline_us,
		result) == -1)
		return -1;
	if (result->code != 220)
		return unusable(c, SES_TLS_TROUBLE, NULL, result);
	if (start_tls(c, tls, e->host, deadline_us, result) == -1)
		return -1;
	return ehlo(c, ehlo_reply, result);
}

/* RFC 4616: NUL user NUL password, base64. The caller frees and wipes. */
static char *
plain_token(const struct credential *cred)
{
	char raw[sizeof(cred->user) + sizeof(cred->password) + 2];
	size_t ulen = strlen(cred->user), plen = strlen(cred->password);
	char *token;

	raw[0] = '\0';
	memcpy(raw + 1, cred->user, ulen);
	raw[1 + ulen] = '\0';
	memcpy(raw + 2 + ulen, cred->password, plen);
	token = base64_text(raw, 2 + ulen + plen);
	mem_wipe(raw, sizeof(raw));
	return token;
}

static void
free_secret(char *s)
{
	mem_wipe(s, strlen(s));
	free(s);
}

static int
auth_plain(struct connection *c, const struct credential *cred,
    int64_t deadline_us, struct ses_result *result)
{
	char *token = plain_token(cred);
	char line[512];
	int rc;

	(void)snprintf(line, sizeof(line), "AUTH PLAIN %s", token);
	rc = connection_command(c, SES_PHASE_AUTH, line, deadline_us, result);
	mem_wipe(line, sizeof(line));
	free_secret(token);
	return rc;
}

static int
auth_login(struct connection *c, const struct credential *cred,
    int64_t deadline_us, struct ses_result *result)
{
	char *user = base64_text(cred->user, strlen(cred->user));
	char *password = base64_text(cred->password, strlen(cred->password));
	int rc;

	rc = connection_command(c, SES_PHASE_AUTH, "AUTH LOGIN", deadline_us,
	    result);
	if (rc == 0 && result->code == 334)
		rc = connection_command(c, SES_PHASE_AUTH, user, deadline_us,
		    result);
	if (rc == 0 && result->code == 334)
		rc = connection_command(c, SES_PHASE_AUTH, password,
		    deadline_us, result);
	free_secret(user);
	free_secret(password);
	return rc;
}

/* "AUTH PLAIN LOGIN", or the "AUTH=PLAIN" of old servers. */
static bool
offers_mechanism(const struct ses_reply *reply, const char *mechanism)
{
	size_t len = strlen(mechanism), word;
	const char *line = reply->text, *at;

	while ((line = strchr(line, '\n')) != NULL) {
		line++;
		if (strncasecmp(line, "AUTH", 4) != 0)
			continue;
		for (at = line + 4; *at == ' ' || *at == '='; at += word) {
			at += strspn(at, " =");
			word = strcspn(at, " =\n");
			if (word == len &&
			    strncasecmp(at, mechanism, len) == 0)
				return true;
		}
	}
	return false;
}

/*
 * PLAIN when it is offered, LOGIN when only that is; 504 to PLAIN (RFC 4954
 * section 4) means LOGIN too.
 */
static int
authenticate(struct connection *c, const struct ses_reply *ehlo_reply,
    const struct credential *cred, struct ses_result *result)
{
	int64_t deadline_us = clock_mono_us() + c->conf->ses.command_timeout;
	bool plain = offers_mechanism(ehlo_reply, "PLAIN");
	bool login = offers_mechanism(ehlo_reply, "LOGIN");

	if (!plain && !login)
		return unusable(c, SES_UNREACHABLE,
		    "the server offers neither AUTH PLAIN nor LOGIN", result);
	if (plain && auth_plain(c, cred, deadline_us, result) == -1)
		return -1;
	if (login && (!plain || result->code == 504) &&
	    auth_login(c, cred, deadline_us, result) == -1)
		return -1;
	if (result->code == 235)
		return 0;
	return unusable(c,
	    result->class == SES_OK ? SES_UNREACHABLE : result->class, NULL,
	    result);
}

struct connection *
connection_open(int fd, const struct conf *conf, const struct endpoint *e,
    const char *address, struct tls_context *tls,
    const struct credential *cred, struct ses_result *result)
{
	struct connection *c = mem_new(sizeof(*c));
	struct ses_reply reply;

	memset(result, 0, sizeof(*result));
	c->stream = stream_new(fd);
	c->conf = conf;
	(void)snprintf(c->name, sizeof(c->name), "%s[%s]:%s", e->host, address,
	    e->port);
	if (introduce(c, e, tls, &reply, result) == -1 ||
	    authenticate(c, &reply, cred, result) == -1) {
		c->broken = true;
		connection_close(c);
		return NULL;
	}
	c->offers_8bitmime = offers(&reply, "8BITMIME");
	c->offers_size = offers(&reply, "SIZE");
	return c;
}

/*
 * QUIT is sent and not waited for: nothing depends on its answer, and a thread
 * has better things to do than wait for it.
 */
void
connection_close(struct connection *c)
{
	if (c == NULL)
		return;
	if (c->broken) {
		stream_free(c->stream);
	} else {
		stream_deadline(c->stream, clock_mono_us() + US_PER_SEC);
		stream_write(c->stream, "QUIT\r\n", 6);
		stream_close(c->stream);
	}
	free(c);
}

/* Not by poll: the TLS library may have read more than it has given us. */
bool
connection_stale(struct connection *c)
{
	if (!c->broken && (stream_peer_gone(c->stream) ||
	    stream_pending(c->stream) > 0))
		c->broken = true;
	return c->broken;
}
