/* SPDX-License-Identifier: BSD-2-Clause */
#include "config.h"

#include "tests/unit/unit.h"

#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/clock.h"
#include "ses/breaker.h"
#include "ses/reply.h"

/* Every reply of the facts about SES, at the phase where it comes. */
static const struct {
	enum ses_phase phase;
	const char *line;
	enum ses_class class;
} cases[] = {
	{ SES_PHASE_DOT, "250 Ok 0107-x-000000", SES_OK },
	{ SES_PHASE_CONNECT, "421 Too many concurrent SMTP connections",
	    SES_UNREACHABLE },
	{ SES_PHASE_MAIL, "421 Connection closed by server. Maximum message "
			  "count per session reached.", SES_RECONNECT },
	{ SES_PHASE_MAIL, "421 Timeout waiting for data from client.",
	    SES_RECONNECT },
	{ SES_PHASE_DATA, "451 4.4.2 Timeout waiting for data from client.",
	    SES_RECONNECT },
	{ SES_PHASE_DOT, "451 Temporary service failure", SES_TRY_AGAIN },
	{ SES_PHASE_DOT, "454 Temporary service failure", SES_TRY_AGAIN },
	{ SES_PHASE_GREETING,
	    "421 Timeout waiting for data from client.", SES_UNREACHABLE },
	{ SES_PHASE_AUTH, "454 Temporary authentication failure",
	    SES_UNREACHABLE },
	{ SES_PHASE_DOT,
	    "454 Throttling failure: Maximum sending rate exceeded.",
	    SES_PACE },
	{ SES_PHASE_DOT,
	    "454 Throttling failure: Daily message quota exceeded.",
	    SES_DAY_FULL },
	{ SES_PHASE_DOT, "454 Throttling failure: Maximum SigV2 SMTP sending "
			 "rate exceeded.", SES_ACCOUNT },
	{ SES_PHASE_DOT, "454 Throttling failure: something new", SES_PACE },
	{ SES_PHASE_DOT, "455 What is this", SES_DEFERRED },
	{ SES_PHASE_MAIL, "501 Invalid MAIL FROM address provided",
	    SES_REFUSED },
	{ SES_PHASE_MAIL, "530 Must issue a STARTTLS command first",
	    SES_ACCOUNT },
	{ SES_PHASE_MAIL, "530 Authentication required", SES_ACCOUNT },
	{ SES_PHASE_AUTH, "535 Authentication Credentials Invalid",
	    SES_ACCOUNT },
	{ SES_PHASE_AUTH, "535 Account not subscribed to SES", SES_ACCOUNT },
	{ SES_PHASE_DOT, "552 Message is too long.", SES_TOO_LARGE },
	{ SES_PHASE_RCPT, "553 <a@b> address unknown", SES_REFUSED },
	{ SES_PHASE_DOT,
	    "554 Message rejected: Email address is not verified. The "
	    "following identities failed the check in region EU-CENTRAL-1: "
	    "Me <me@example.com>", SES_UNVERIFIED },
	{ SES_PHASE_DOT,
	    "554 Access denied: User `arn:aws:iam::1:user/x' is not authorized "
	    "to perform `ses:SendRawEmail' on resource `arn:aws:ses:r:1:"
	    "identity/e'", SES_DENIED },
	{ SES_PHASE_DOT,
	    "554 Transaction failed: Duplicate header 'Content-Type'.",
	    SES_REFUSED },
	{ SES_PHASE_DOT, "554 Transaction failed: Missing final '@domain'",
	    SES_REFUSED },
	{ SES_PHASE_DOT,
	    "554 MAIL FROM domain not verified: DNS setup for MAIL FROM domain "
	    "is invalid.", SES_MAIL_FROM },
	{ SES_PHASE_DOT,
	    "554 Message rejected: Sending paused for this account.",
	    SES_ACCOUNT },
	{ SES_PHASE_DOT, "554 Configuration set x does not exist.",
	    SES_CONFIG_SET },
	{ SES_PHASE_DOT, "554 Message rejected: Stream is more than 10485760 "
			 "bytes long.", SES_TOO_LARGE },
	{ SES_PHASE_DOT, "571 Never seen", SES_UNKNOWN_5XX },
};

static int
read_reply(const char *bytes, struct ses_reply *reply, struct err *err)
{
	struct stream *s;
	int fds[2], rc;

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
	assert_int_equal(write(fds[1], bytes, strlen(bytes)), strlen(bytes));
	(void)close(fds[1]);
	s = stream_new(fds[0]);
	stream_deadline(s, clock_mono_us() + 5 * US_PER_SEC);
	rc = ses_reply_read(s, reply, err);
	stream_free(s);
	return rc;
}

static void
test_classes(void **state)
{
	struct ses_result result;
	struct ses_reply reply;
	char line[1024];
	struct err err;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		(void)snprintf(line, sizeof(line), "%s\r\n", cases[i].line);
		assert_int_equal(read_reply(line, &reply, &err), 0);
		ses_reply_classify(cases[i].phase, &reply, &result);
		if (result.class != cases[i].class)
			fail_msg("%s: %s", cases[i].line,
			    ses_class_name(result.class));
	}
}

static void
test_id(void **state)
{
	struct ses_reply reply = { .code = 250, .text = "Ok 0107-abc-000000" };
	struct ses_result result;

	(void)state;
	ses_reply_classify(SES_PHASE_DOT, &reply, &result);
	assert_string_equal(result.ses_id, "0107-abc-000000");
}

/* What is too long is cut where no address is parted, by SES or by us. */
static void
test_long(void **state)
{
	static const char words[] = "Message rejected: Email address is not "
				    "verified. The following identities "
				    "failed the check in region X: ";
	static const char person[] = "Jane Doe <jane.doe@example.org>";
	struct ses_reply reply = { .code = 554 };
	struct ses_result result;
	size_t len = 0;

	(void)state;
	for (size_t first = 0; first < strlen(person) + 2; first++) {
		(void)snprintf(reply.text, sizeof(reply.text), "%s%*s", words,
		    (int)first, "");
		while ((len = strlen(reply.text)) < 2 * SES_TEXT_MAX)
			(void)snprintf(reply.text + len,
			    sizeof(reply.text) - len, "%s, ", person);
		ses_reply_classify(SES_PHASE_DOT, &reply, &result);
		assert_int_equal(result.class, SES_UNVERIFIED);
		len = strlen(result.text);
		assert_true(len > SES_TEXT_MAX - 2 * strlen(person));
		assert_int_equal(result.text[len - 1], '>');
	}
	for (size_t n = 1; n < strlen(person); n++) {
		(void)snprintf(reply.text, sizeof(reply.text),
		    "%sa@example.org, %.*s...", words, (int)n, person);
		ses_reply_classify(SES_PHASE_DOT, &reply, &result);
		assert_non_null(strstr(result.text, "X: a@example.org..."));
	}
}

static void
test_lines(void **state)
{
	static const char *const bad[] = { "hello\r\n", "25 x\r\n", "999 x\r\n",
		"250-a\r\n251 b\r\n", "250-a\r\n", "", "250_x\r\n", "\r\n" };
	struct ses_reply reply;
	struct err err;

	(void)state;
	assert_int_equal(read_reply("250-a\r\n250-b\r\n250 Ok\r\n", &reply,
			     &err), 0);
	assert_string_equal(reply.text, "a\nb\nOk");
	assert_int_equal(read_reply("250\r\n", &reply, &err), 0);
	assert_string_equal(reply.text, "");
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_int_equal(read_reply(bad[i], &reply, &err), -1);
}

static void
test_endless(void **state)
{
	char bytes[70 * 8 + 1] = "";
	struct ses_reply reply;
	struct err err;

	(void)state;
	for (int i = 0; i < 70; i++)
		memcpy(bytes + i * 8, "250-ab\r\n", 9);
	assert_int_equal(read_reply(bytes, &reply, &err), -1);
	assert_int_equal(err.class, ERR_PROTO);
}

/* Breakers: one report a change, one probe at a time. */
static int opened, closed;
static char last_cause[40];

static void
changed(void *arg, const char *key, bool open, const char *cause)
{
	(void)arg, (void)key;
	(void)snprintf(last_cause, sizeof(last_cause), "%s", cause);
	if (open)
		opened++;
	else
		closed++;
}

static int64_t now_us = 1000 * US_PER_SEC;

int64_t __real_clock_mono_us(void);
int64_t __wrap_clock_mono_us(void);
static bool simulated;

int64_t
__wrap_clock_mono_us(void)
{
	return simulated ? now_us : __real_clock_mono_us();
}

static void
test_breaker(void **state)
{
	struct breakers *b = breakers_new(changed, NULL);
	struct trouble trouble;

	(void)state;
	simulated = true;
	assert_true(breaker_ask(b, "account", &trouble));
	breaker_fail(b, "account", SES_ACCOUNT, "535");
	breaker_fail(b, "account", SES_ACCOUNT, "535");
	assert_int_equal(opened, 1);
	assert_false(breaker_ask(b, "account", &trouble));
	assert_string_equal(trouble.text, "535");
	assert_int_equal(trouble.class, SES_ACCOUNT);
	assert_true(breaker_ask(b, "other", &trouble));
	now_us += 15 * US_PER_SEC;
	assert_true(breaker_peek(b, "account", &trouble));
	assert_true(breaker_ask(b, "account", &trouble)); /* the probe */
	assert_false(breaker_ask(b, "account", &trouble));
	breaker_fail(b, "account", SES_ACCOUNT, "535");
	now_us += 29 * US_PER_SEC;
	assert_false(breaker_ask(b, "account", &trouble));
	now_us += 1 * US_PER_SEC;
	assert_true(breaker_ask(b, "account", &trouble));
	breaker_ok(b, "account");
	assert_true(breaker_ask(b, "account", &trouble));
	assert_int_equal(opened, 1);
	assert_int_equal(closed, 1);
	assert_string_equal(last_cause, "");
	breaker_fail(b, "account", SES_ACCOUNT, "535");
	assert_string_equal(last_cause, "535");
	breakers_reset(b, "asked for");
	assert_true(breaker_ask(b, "account", &trouble));
	assert_int_equal(closed, 2);
	assert_string_equal(last_cause, "asked for");
	breakers_free(b);
	simulated = false;
}

/* Senders write their domain as they like. */
static void
test_case(void **state)
{
	struct breakers *b = breakers_new(changed, NULL);

	(void)state;
	opened = closed = 0;
	breaker_fail(b, "identity X.Example", SES_DENIED, "554");
	breaker_fail(b, "identity x.example", SES_DENIED, "554");
	assert_int_equal(opened, 1);
	assert_false(breaker_ask(b, "identity x.EXAMPLE", NULL));
	breaker_ok(b, "identity x.example");
	assert_int_equal(closed, 1);
	breakers_free(b);
}

/* However many senders are denied, the account's own trouble is told. */
static void
test_many_denied(void **state)
{
	struct breakers *b = breakers_new(changed, NULL);
	char key[SES_TEXT_MAX];

	(void)state;
	simulated = true;
	opened = closed = 0;
	for (int i = 0; i < 1000; i++) {
		(void)snprintf(key, sizeof(key), "identity u%d@x.example", i);
		breaker_fail(b, key, SES_DENIED, "554 Access denied");
	}
	assert_int_equal(opened, 256);
	breaker_fail(b, "account", SES_ACCOUNT, "535");
	assert_int_equal(opened, 257);
	assert_false(breaker_ask(b, "account", NULL));

	/* Nobody has written from them since: others may have their place. */
	now_us += 16 * 60 * US_PER_SEC;
	breaker_fail(b, "identity new@x.example", SES_DENIED, "554");
	assert_false(breaker_ask(b, "identity new@x.example", NULL));
	assert_int_equal(opened, 258);
	assert_int_equal(closed, 1);
	assert_true(breaker_is_open(b, "account"));
	breakers_free(b);
	simulated = false;
}

/* The cause that a breaker keeps becomes the reply to others' mail. */
static void
test_long_cause(void **state)
{
	struct breakers *b = breakers_new(changed, NULL);
	char cause[2 * SES_TEXT_MAX];
	struct trouble trouble;

	(void)state;
	memset(cause, 'x', sizeof(cause));
	memcpy(cause + SES_TEXT_MAX - 8, " jane.doe@example.org", 22);
	breaker_fail(b, "account", SES_ACCOUNT, cause);
	assert_false(breaker_ask(b, "account", &trouble));
	assert_int_equal(strlen(trouble.text), SES_TEXT_MAX - 8);
	assert_null(strstr(trouble.text, "jane"));
	breakers_free(b);
}

/* Without a reply. */
static void
test_errors(void **state)
{
	static const struct {
		enum ses_phase phase;
		enum err_class err;
		enum ses_class class;
	} errors[] = {
		{ SES_PHASE_CONNECT, ERR_NET, SES_UNREACHABLE },
		{ SES_PHASE_TLS, ERR_NET, SES_UNREACHABLE },
		{ SES_PHASE_TLS, ERR_TLS, SES_TLS_TROUBLE },
		{ SES_PHASE_TLS, ERR_PROTO, SES_TLS_TROUBLE },
		/* In TLS 1.3 the peer may object after the handshake. */
		{ SES_PHASE_EHLO, ERR_TLS, SES_TLS_TROUBLE },
		{ SES_PHASE_AUTH, ERR_TIMEOUT, SES_UNREACHABLE },
		{ SES_PHASE_MAIL, ERR_NET, SES_RECONNECT },
		/* A bad record says nothing of the next connection. */
		{ SES_PHASE_MAIL, ERR_TLS, SES_RECONNECT },
		{ SES_PHASE_BODY, ERR_TLS, SES_RECONNECT },
		{ SES_PHASE_DOT, ERR_TLS, SES_DOUBTFUL },
		{ SES_PHASE_DOT, ERR_PROTO, SES_DOUBTFUL },
	};
	struct ses_result r;
	struct err err;

	(void)state;
	for (size_t i = 0; i < sizeof(errors) / sizeof(errors[0]); i++) {
		(void)err_set(&err, errors[i].err, "why");
		ses_error_classify(errors[i].phase, &err, &r);
		assert_int_equal(r.class, errors[i].class);
		assert_string_equal(r.text, "why");
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_classes),
		cmocka_unit_test(test_id),
		cmocka_unit_test(test_long),
		cmocka_unit_test(test_lines),
		cmocka_unit_test(test_endless),
		cmocka_unit_test(test_breaker),
		cmocka_unit_test(test_case),
		cmocka_unit_test(test_many_denied),
		cmocka_unit_test(test_long_cause),
		cmocka_unit_test(test_errors),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
