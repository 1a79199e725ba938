/* SPDX-License-Identifier: BSD-2-Clause */
#include "config.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "sandbox/record.h"
#include "sandbox/session.h"
#include "sandbox/talk.h"
#include "sandbox/verbs.h"

/*
 * AUTH PLAIN (RFC 4616) and LOGIN, each with and without an initial response.
 */
#define SECRET_MAX ACCOUNT_NAME_MAX

static int
base64_digit(char c)
{
	static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
				     "abcdefghijklmnopqrstuvwxyz0123456789+/";
	const char *p = c != '\0' ? strchr(digits, c) : NULL;

	return p != NULL ? (int)(p - digits) : -1;
}

/* Bytes of the text, NUL-terminated; -1 when it is no base64 or too long. */
static int
base64_decode(const char *text, char *out, size_t size)
{
	size_t len = strlen(text), n = 0;
	unsigned bits = 0, have = 0;
	int digit;

	if (len % 4 != 0)
		return -1;
	while (
	    len > 0 && text[len - 1] == '=' && (len % 4 == 0 || len % 4 == 3))
		len--;
	for (size_t i = 0; i < len; i++) {
		if ((digit = base64_digit(text[i])) == -1 || n + 1 >= size)
			return -1;
		bits = (bits << 6 | (unsigned)digit) & 0xffff;
		have += 6;
		if (have >= 8) {
			have -= 8;
			out[n++] = (char)(bits >> have & 0xff);
		}
	}
	out[n] = '\0';
	return (int)n;
}

/* One answer of the client's to a challenge; -1: the session is over or has
 * had its reply. */
static int
ask(struct session *s, const char *challenge, char *out)
{
	int n;

	talk_reply(s, "334 %s", challenge);
	if (s->over || talk_read(s) == -1)
		return -1;
	if (strcmp(s->line, "*") == 0) {
		talk_refuse(
		    s, "auth", "501 Authentication canceled by client.");
		return -1;
	}
	if ((n = base64_decode(s->line, out, SECRET_MAX * 2)) == -1)
		talk_refuse(
		    s, "auth", "501 5.5.4 Invalid base64 in authentication");
	return n;
}

static int
initial(struct session *s, const char *text, char *out)
{
	int n = base64_decode(
	    strcmp(text, "=") == 0 ? "" : text, out, SECRET_MAX * 2);

	if (n == -1)
		talk_refuse(
		    s, "auth", "501 5.5.4 Invalid base64 in authentication");
	return n;
}

static void
decide(struct session *s, const char *user, const char *password)
{
	enum account_kind kind = account_login(s->sb->account, user, password);

	record_count(s->sb->record,
	    kind == ACCOUNT_GOOD || kind == ACCOUNT_SIGV2 ? COUNTER_AUTH
							  : COUNTER_AUTH_FAILED,
	    1);
	switch (kind) {
	case ACCOUNT_GOOD:
	case ACCOUNT_SIGV2:
		(void)snprintf(s->user, sizeof(s->user), "%s", user);
		s->kind = kind;
		talk_reply(s, "235 Authentication successful.");
		break;
	case ACCOUNT_UNSUBSCRIBED:
		talk_refuse(s, "auth", "535 Account not subscribed to SES");
		break;
	case ACCOUNT_TEMPORARY:
		talk_refuse(s, "auth", "454 Temporary authentication failure");
		break;
	case ACCOUNT_BAD:
	case ACCOUNT_UNKNOWN:
		talk_refuse(
		    s, "auth", "535 Authentication Credentials Invalid");
		break;
	}
}

/* authzid NUL authcid NUL password */
static void
plain(struct session *s, const char *response)
{
	char text[SECRET_MAX * 2], *user, *password;
	int n;

	n = response != NULL ? initial(s, response, text) : ask(s, "Ok", text);
	if (n == -1)
		return;
	user = memchr(text, '\0', (size_t)n);
	password = user == NULL ? NULL
				: memchr(user + 1, '\0',
				      (size_t)(text + n - (user + 1)));
	if (password == NULL) {
		talk_refuse(s, "auth", "501 5.5.4 Invalid command argument");
		return;
	}
	decide(s, user + 1, password + 1);
}

static void
login(struct session *s, const char *response)
{
	char user[SECRET_MAX * 2], password[SECRET_MAX * 2];
	int n;

	n = response != NULL ? initial(s, response, user)
			     : ask(s, "VXNlcm5hbWU6", user);
	if (n == -1 || ask(s, "UGFzc3dvcmQ6", password) == -1)
		return;
	decide(s, user, password);
}

void
auth_serve(struct session *s, char *arg)
{
	char *response = arg + strcspn(arg, " ");

	if (s->user[0] != '\0') {
		talk_refuse(
		    s, "sequence", "503 Refusing any other AUTH command.");
		return;
	}
	if (!s->said_hello)
		talk_violation(s, "sequence", "AUTH without EHLO");
	if (*response != '\0')
		*response++ = '\0';
	response += strspn(response, " ");
	if (*response == '\0')
		response = NULL;
	if (strcasecmp(arg, "PLAIN") == 0)
		plain(s, response);
	else if (strcasecmp(arg, "LOGIN") == 0)
		login(s, response);
	else
		talk_refuse(s, "auth",
		    "504 The requested authentication mechanism is not "
		    "supported");
}
