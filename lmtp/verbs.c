/* SPDX-License-Identifier: BSD-2-Clause */
#include "config.h"

#include "lmtp/session.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "core/hostname.h"
#include "lmtp/command.h"
#include "lmtp/recipient.h"

#define FAULTS_MAX 50 /* nobody who means well makes so many */

static void
fault(struct session *s, unsigned code, const char *dsn, const char *words)
{
	if (++s->faults < FAULTS_MAX) {
		session_reply(s, code, dsn, "%s", words);
		return;
	}
	session_reply(s, 421, "4.7.0", "Too many errors, closing");
	s->ending = true;
}

/* RFC 2033 section 4.1. Offers must be true: DSN and CHUNKING are not there. */
static void
lhlo(struct session *s, const char *arg)
{
	char line[80], host[HOSTNAME_SIZE];

	if (*arg == '\0') {
		fault(s, 501, "5.5.4", "LHLO needs a name");
		return;
	}
	session_reset(s);
	(void)snprintf(s->lhlo, sizeof(s->lhlo), "%s", arg);
	session_reply_more(s, 250, hostname(host));
	session_reply_more(s, 250, "PIPELINING");
	session_reply_more(s, 250, "8BITMIME");
	session_reply_more(s, 250, "SMTPUTF8");
	(void)snprintf(line, sizeof(line), "SIZE %" PRId64,
	    s->conf->lmtp.max_message_size);
	session_reply_more(s, 250, line);
	if (s->is_unix)
		session_reply_more(s, 250, "XFORWARD NAME ADDR PORT PROTO HELO "
					   "IDENT SOURCE");
	session_reply(s, 250, "", "ENHANCEDSTATUSCODES");
}

static void
helo(struct session *s, const char *arg)
{
	(void)arg;
	fault(s, 500, "5.5.1", "This is LMTP: say LHLO (RFC 2033)");
}

/* Parameters of MAIL; false when one was answered with an error. */
static bool
mail_params(struct session *s, const char *params)
{
	char key[32], value[512];

	while (command_param(&params, key, value)) {
		if (strcasecmp(key, "SIZE") == 0) {
			if (strtoll(value, NULL, 10) >
			    s->conf->lmtp.max_message_size) {
				session_reply(s, 552, "5.3.4",
				    "Message larger than %" PRId64 " bytes",
				    s->conf->lmtp.max_message_size);
				return false;
			}
		} else if (strcasecmp(key, "BODY") == 0) {
			if (strcasecmp(value, "7BIT") != 0 &&
			    strcasecmp(value, "8BITMIME") != 0) {
				fault(s, 501, "5.5.4",
				    "BODY must be 7BIT or 8BITMIME");
				return false;
			}
		} else if (strcasecmp(key, "SMTPUTF8") != 0) {
			fault(s, 555, "5.5.4", "Unknown parameter of MAIL");
			return false;
		}
	}
	return true;
}

/* Account or endpoints in trouble: no body need travel (design: MAIL). */
static bool
in_trouble(struct session *s, const struct address *sender)
{
	struct ses *ses = server_ses(s->server);
	struct ses_result result;
	struct verdict v;
	int rc;

	rc = ses_trouble(ses, sender->text, &result);
	ses_release(ses);
	if (rc == 0)
		return false;
	verdict_from_ses(&result, &v);
	session_reply(s, v.code, v.dsn, "%s", v.text);
	return true;
}

static void
mail(struct session *s, const char *arg)
{
	enum address_fault bad;
	struct address sender;
	const char *params;
	struct err err;

	if (s->txn != NULL) {
		fault(s, 503, "5.5.1", "One MAIL at a time");
		return;
	}
	if (command_path(arg, "FROM:", &sender, &params, &bad, &err) == -1) {
		fault(s, 501, "5.5.4", err.text);
		return;
	}
	if (bad != ADDRESS_OK) {
		session_reply(s, bad == ADDRESS_NON_ASCII_LOCAL ? 553 : 501,
		    bad == ADDRESS_NON_ASCII_LOCAL ? "5.6.7" : "5.1.7", "%s",
		    err.text);
		return;
	}
	if (!mail_params(s, params) || in_trouble(s, &sender))
		return;
	s->txn = transaction_new(&sender);
	session_begins(s);
	session_reply(s, 250, "2.1.0", "Ok");
}

/*
 * Without one it is no fault: who pipelines sends RCPT and DATA before knowing
 * what MAIL or RCPT are answered (RFC 2920 section 3.1).
 */
static bool
has_mail(struct session *s)
{
	if (s->txn == NULL)
		session_reply(s, 503, "5.5.1", "MAIL first");
	return s->txn != NULL;
}

static void
rcpt(struct session *s, const char *arg)
{
	char key[32], value[512];
	struct address address;
	enum address_fault bad;
	const char *params;
	struct err err;

	if (!has_mail(s))
		return;
	if (s->txn->nrcpts >= (size_t)s->conf->lmtp.max_recipients) {
		session_reply(s, 452, "4.5.3",
		    "More than %" PRId64 " recipients, send the rest later",
		    s->conf->lmtp.max_recipients);
		return;
	}
	if (command_path(arg, "TO:", &address, &params, &bad, &err) == -1) {
		fault(s, 501, "5.5.4", err.text);
		return;
	}
	if (bad == ADDRESS_OK && address.text[0] == '\0') {
		bad = ADDRESS_SYNTAX;
		(void)err_set(&err, ERR_PROTO, "A recipient is needed");
	}
	if (bad != ADDRESS_OK) {
		recipient_malformed(s, arg + strlen("TO:"), bad, &err);
		return;
	}
	if (command_param(&params, key, value)) {
		fault(s, 555, "5.5.4", "Unknown parameter of RCPT");
		return;
	}
	recipient_answer(s, &address);
}

static void
data(struct session *s, const char *arg)
{
	struct message *message;
	int rc;

	(void)arg;
	if (!has_mail(s))
		return;
	if (s->txn->naccepted == 0) {
		/* RFC 2033 section 4.2. */
		session_reply(s, 503, "5.5.1", "No valid recipients");
		return;
	}
	session_reply(s, 354, "", "End data with <CR><LF>.<CR><LF>");
	rc = content_receive(s, &message);
	atomic_store(&s->place->spare_at, INT64_MAX);
	if (rc == 1) {
		rc = relay_message(s, message);
		message_release(message);
	}
	if (rc == -1)
		s->ending = true;
	session_reset(s);
	session_has_answered(s);
}

static void
rset(struct session *s, const char *arg)
{
	(void)arg;
	session_reset(s);
	session_reply(s, 250, "2.0.0", "Ok");
}

static void
noop(struct session *s, const char *arg)
{
	(void)arg;
	session_reply(s, 250, "2.0.0", "Ok");
}

static void
vrfy(struct session *s, const char *arg)
{
	(void)arg;
	session_reply(s, 252, "2.5.0", "Send it and see");
}

static void
quit(struct session *s, const char *arg)
{
	(void)arg;
	session_reply(s, 221, "2.0.0", "Bye");
	s->ending = true;
}

/*
 * Only over the unix socket: whoever may open that may also say who sent the
 * mail.
 */
static void
xforward(struct session *s, const char *arg)
{
	char key[32], value[512];

	if (!s->is_unix) {
		fault(s, 550, "5.7.0", "XFORWARD only over the unix socket");
		return;
	}
	if (s->txn != NULL) {
		fault(s, 503, "5.5.1", "XFORWARD before MAIL");
		return;
	}
	while (command_param(&arg, key, value)) {
		command_xtext(value);
		if (strcasecmp(value, "[UNAVAILABLE]") == 0)
			value[0] = '\0';
		if (strcasecmp(key, "NAME") == 0)
			(void)snprintf(s->xforward.name,
			    sizeof(s->xforward.name), "%.255s", value);
		else if (strcasecmp(key, "ADDR") == 0)
			(void)snprintf(s->xforward.addr,
			    sizeof(s->xforward.addr), "%.63s", value);
		else if (strcasecmp(key, "IDENT") == 0)
			(void)snprintf(s->xforward.ident,
			    sizeof(s->xforward.ident), "%.63s", value);
	}
	session_reply(s, 250, "2.0.0", "Ok");
}

static const struct {
	const char *name;
	void (*handle)(struct session *, const char *arg);
	bool after_lhlo;
} verbs[] = {
	{ "LHLO", lhlo, false },
	{ "MAIL", mail, true },
	{ "RCPT", rcpt, true },
	{ "DATA", data, true },
	{ "RSET", rset, false },
	{ "NOOP", noop, false },
	{ "QUIT", quit, false },
	{ "VRFY", vrfy, false },
	{ "XFORWARD", xforward, true },
	{ "HELO", helo, false },
	{ "EHLO", helo, false },
};

void
verbs_handle(struct session *s, const char *line, size_t len)
{
	struct command c;

	if (command_parse(line, len, &c) == -1) {
		fault(s, 500, "5.5.2", "Not a command");
		return;
	}
	for (size_t i = 0; i < sizeof(verbs) / sizeof(verbs[0]); i++) {
		if (strcmp(verbs[i].name, c.verb) != 0)
			continue;
		if (verbs[i].after_lhlo && s->lhlo[0] == '\0')
			fault(s, 503, "5.5.1", "LHLO first");
		else
			verbs[i].handle(s, c.arg);
		return;
	}
	fault(s, 500, "5.5.1", "Unknown command");
}
