/* SPDX-License-Identifier: BSD-2-Clause */
#include "config.h"

#include "sandbox/verbs.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "core/stream.h"
#include "sandbox/record.h"
#include "sandbox/session.h"
#include "sandbox/settings.h"
#include "sandbox/talk.h"

/*
 * Words as in the facts file, section 1.4 and 2; those that nobody has
 * published are SubEthaSMTP's, from which SES's front descends.
 */
#define HOST "email-smtp.amazonaws.com"

enum need { NEED_TLS = 1, NEED_AUTH = 2 };

struct verb {
	const char *name;
	void (*serve)(struct session *, char *arg);
	unsigned needs;
	enum phase phase;
};

static void
ehlo(struct session *s, char *arg)
{
	if (*arg == '\0') {
		talk_refuse(s, "syntax", "501 Syntax: EHLO hostname");
		return;
	}
	txn_reset(&s->txn);
	s->said_hello = true;
	talk_reply(s,
	    "250-" HOST "\r\n"
	    "250-8BITMIME\r\n"
	    "%s"
	    "250-AUTH PLAIN LOGIN\r\n"
	    "250 Ok",
	    stream_is_tls(s->stream) ? "" : "250-STARTTLS\r\n");
}

static void
helo(struct session *s, char *arg)
{
	if (*arg == '\0') {
		talk_refuse(s, "syntax", "501 Syntax: HELO <hostname>");
		return;
	}
	txn_reset(&s->txn);
	s->said_hello = true;
	talk_reply(s, "250 " HOST);
}

static void
starttls(struct session *s, char *arg)
{
	if (*arg != '\0') {
		talk_refuse(
		    s, "syntax", "501 Syntax error (no parameters allowed)");
		return;
	}
	if (stream_is_tls(s->stream)) {
		talk_refuse(s, "sequence",
		    "454 TLS not available due to temporary reason: TLS "
		    "already active");
		return;
	}
	talk_reply(s, "220 Ready to start TLS");
	if (s->over || session_start_tls(s) == -1)
		return;
	/* RFC 3207 section 4.2: what was said in clear does not count. */
	txn_reset(&s->txn);
	s->said_hello = false;
}

static void
watch_parameter(struct session *s, const char *verb, const char *param)
{
	if (strcasecmp(param, "BODY=8BITMIME") == 0)
		s->txn.body_8bit = true;
	else if (strcasecmp(param, "BODY=7BIT") != 0 &&
		 (strcmp(verb, "MAIL") != 0 ||
		     strncasecmp(param, "AUTH=", 5) != 0))
		talk_violation(
		    s, "parameter-not-offered", "%s %s", verb, param);
}

static void
watch_parameters(struct session *s, const char *verb, const struct path *path)
{
	char *params = s->line + (path->params - s->line), *param;

	if (path->blank)
		talk_violation(
		    s, "syntax", "%s: a blank after the colon", verb);
	while ((param = path_param(&params)) != NULL)
		watch_parameter(s, verb, param);
}

static bool
mail_in_order(struct session *s)
{
	if (!s->said_hello)
		talk_violation(s, "sequence", "MAIL without EHLO");
	if (!s->txn.open)
		return true;
	talk_violation(s, "sequence", "MAIL inside a transaction");
	talk_refuse(s, "sequence", "503 5.5.1 Sender already specified.");
	return false;
}

/* SES takes no null sender, and looks at little but for an "@". */
static void
mail(struct session *s, char *arg)
{
	struct path path;

	if (!mail_in_order(s))
		return;
	switch (path_parse(arg, "FROM", &path)) {
	case PATH_SYNTAX:
		talk_refuse(s, "syntax", "501 Syntax: MAIL FROM: <address>");
		return;
	case PATH_LONG:
		talk_refuse(
		    s, "sender", "501 Invalid MAIL FROM address provided");
		return;
	case PATH_OK:
		break;
	}
	s->txn.body_8bit = false;
	watch_parameters(s, "MAIL", &path);
	if (!path_plausible(path.address)) {
		talk_refuse(
		    s, "sender", "501 Invalid MAIL FROM address provided");
		return;
	}
	(void)snprintf(
	    s->txn.sender, sizeof(s->txn.sender), "%s", path.address);
	s->txn.open = true;
	record_count(s->sb->record, COUNTER_TRANSACTIONS, 1);
	talk_reply(s, "250 Ok");
}

/* The address as far as it can be told, for the reply that refuses it. */
static bool
rcpt_is_address(const struct path *path)
{
	for (const char *p = path->address; *p != '\0'; p++)
		if ((unsigned char)*p > 126 || (unsigned char)*p < ' ')
			return false;
	return path->address[0] != '\0' &&
	       (path->address[0] == '"' || strchr(path->address, ' ') == NULL);
}

static void
rcpt(struct session *s, char *arg)
{
	struct path path;

	if (!s->txn.open) {
		talk_violation(s, "sequence", "RCPT without MAIL");
		talk_refuse(
		    s, "sequence", "503 5.5.1 Error: need MAIL command");
		return;
	}
	switch (path_parse(arg, "TO", &path)) {
	case PATH_SYNTAX:
		talk_refuse(s, "syntax", "501 Syntax: RCPT TO: <address>");
		return;
	case PATH_LONG:
		talk_refuse(s, "recipient", "553 <%.*s> address unknown",
		    PATH_ADDRESS_MAX, arg + strcspn(arg, "<") + 1);
		return;
	case PATH_OK:
		break;
	}
	watch_parameters(s, "RCPT", &path);
	if (!rcpt_is_address(&path)) {
		talk_refuse(
		    s, "recipient", "553 <%s> address unknown", path.address);
		return;
	}
	if (s->txn.nrecipients >= SESSION_RECIPIENTS_MAX) {
		talk_refuse(s, "recipients", "452 Error: too many recipients");
		return;
	}
	txn_add_recipient(&s->txn, path.address);
	talk_reply(s, "250 Ok");
}

static void
rset(struct session *s, char *arg)
{
	(void)arg;
	txn_reset(&s->txn);
	talk_reply(s, "250 Ok");
}

static void
noop(struct session *s, char *arg)
{
	(void)arg;
	talk_reply(s, "250 Ok");
}

static void
vrfy(struct session *s, char *arg)
{
	(void)arg;
	talk_refuse(s, "command", "502 VRFY command is disabled");
}

static void
quit(struct session *s, char *arg)
{
	(void)arg;
	record_count(s->sb->record, COUNTER_QUITS, 1);
	talk_reply(s, "221 Bye");
	s->over = true;
}

/* Not part of what SES offers: BDAT, EXPN, HELP, XCLIENT and all else. */
static void
unknown(struct session *s, char *arg)
{
	(void)arg;
	talk_violation(
	    s, "unknown-command", "%.*s", (int)strcspn(s->line, " "), s->line);
	talk_refuse(s, "command", "500 Error: command not implemented");
}

static const struct verb verbs[] = {
	{ "EHLO", ehlo, 0, PHASE_EHLO },
	{ "HELO", helo, 0, PHASE_EHLO },
	{ "STARTTLS", starttls, 0, PHASE_STARTTLS },
	{ "AUTH", auth_serve, NEED_TLS, PHASE_AUTH },
	{ "MAIL", mail, NEED_TLS | NEED_AUTH, PHASE_MAIL },
	{ "RCPT", rcpt, NEED_TLS | NEED_AUTH, PHASE_RCPT },
	{ "DATA", data_serve, NEED_TLS | NEED_AUTH, PHASE_DATA },
	{ "RSET", rset, 0, PHASE_RSET },
	{ "NOOP", noop, 0, PHASE_OTHER },
	{ "VRFY", vrfy, NEED_TLS, PHASE_OTHER },
	{ "QUIT", quit, 0, PHASE_QUIT },
};

static const struct verb other = { "", unknown, 0, PHASE_OTHER };

/* The verb, and its argument without blanks at both ends. */
static const struct verb *
find_verb(struct session *s, char **arg_r)
{
	size_t len = strcspn(s->line, " ");
	char *arg = s->line + len, *end = s->line + strlen(s->line);

	while (end > arg && end[-1] == ' ')
		*--end = '\0';
	*arg_r = arg + strspn(arg, " ");
	for (size_t i = 0; i < sizeof(verbs) / sizeof(verbs[0]); i++)
		if (strlen(verbs[i].name) == len &&
		    strncasecmp(s->line, verbs[i].name, len) == 0)
			return &verbs[i];
	return &other;
}

static bool
may_serve(struct session *s, const struct verb *v)
{
	if ((v->needs & NEED_TLS) && !stream_is_tls(s->stream)) {
		/* A password may have gone over the wire in clear. */
		if (v->phase == PHASE_AUTH)
			talk_violation(s, "clear-auth", "AUTH without TLS");
		talk_refuse(
		    s, "tls", "530 Must issue a STARTTLS command first");
		return false;
	}
	if ((v->needs & NEED_AUTH) && s->user[0] == '\0') {
		talk_refuse(s, "auth", "530 Authentication required");
		return false;
	}
	return true;
}

/* Routine, not a failure: the client is expected to connect anew. */
static bool
session_used_up(struct session *s, const struct verb *v)
{
	int64_t cap = settings_get(s->sb->settings, SETTING_SESSION_MESSAGES);

	if (cap <= 0 || s->messages < cap || v->phase == PHASE_QUIT)
		return false;
	record_count(s->sb->record, COUNTER_SESSION_CAPS, 1);
	talk_refuse(s, "session-cap",
	    "421 Connection closed by server. Maximum message count per "
	    "session reached.");
	s->over = true;
	return true;
}

/* MAIL and RCPT are matched by the address that they name. */
static bool
enter(struct session *s, const struct verb *v, const char *arg)
{
	const char *keyword = v->phase == PHASE_MAIL ? "FROM" : "TO";
	struct path path;

	if ((v->phase == PHASE_MAIL || v->phase == PHASE_RCPT) &&
	    path_parse(arg, keyword, &path) == PATH_OK)
		return talk_enter_path(s, v->phase, path.address);
	return talk_enter(s, v->phase);
}

void
verbs_serve(struct session *s)
{
	const struct verb *v;
	char *arg;

	v = find_verb(s, &arg);
	if (enter(s, v, arg))
		return;
	if (!session_used_up(s, v) && may_serve(s, v))
		v->serve(s, arg);
}
