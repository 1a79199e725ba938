/* SPDX-License-Identifier: BSD-2-Clause */
#include "config.h"

#include "tests/unit/unit.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/clock.h"
#include "core/conf.h"
#include "core/conf_scan.h"

/*
 * A table of files: what a good one sets, and what is said about a bad one.
 */

static char file[64];

static struct conf *
load(const char *text, unsigned need, struct err *err)
{
	FILE *f = fopen(file, "w");

	assert_non_null(f);
	assert_int_equal(fwrite(text, 1, strlen(text), f), strlen(text));
	assert_int_equal(fclose(f), 0);
	return conf_load(file, need, err);
}

static int
setup(void **state)
{
	int fd;

	(void)state;
	(void)snprintf(file, sizeof(file), "/tmp/t_conf.XXXXXX");
	fd = mkstemp(file);
	return fd == -1 ? -1 : close(fd);
}

static int
teardown(void **state)
{
	(void)state;
	return unlink(file);
}

#define SES                                                    \
	"ses { endpoint = email-smtp.eu-west-1.amazonaws.com " \
	"credentials = /c }\n"

static const struct bad {
	const char *text;
	unsigned need;
	const char *line; /* ":LINE: " as it must stand after the file's name */
	const char *words[4]; /* what the message must contain */
} bad[] = {
	/* names */
	{ "quota {\n dayly = 5 }", 0,
	    ":2: ", { "no key \"dayly\"", "did you mean daily?" } },
	{ "quota { zzz = 5 }", 0,
	    ":1: ", { "it has rate, daily, daily-window" } },
	{ "qutoa { }", 0,
	    ":1: ", { "no section \"qutoa\"", "did you mean quota?" } },
	{ "\n\nfilter { }", 0,
	    ":3: ", { "no section \"filter\"", "did you mean milter?" } },
	{ "\n\npolicies { }", 0,
	    ":3: ", { "no section \"policies\"", "daemon, ses, quota" } },
	{ "ses { daily = 5 }", 0, ":1: ", { "it belongs into section quota" } },
	{ "lmtp { tls-cert = /x }", 0, ":1: ", { "no key \"tls-cert\"" } },
	{ "rate = 5", 0, ":1: ", { "outside of any section" } },
	{ "quota { }\nses { }\nquota { }", 0,
	    ":3: ", { "section quota", "in line 1 already" } },
	{ "quota { rate = 1\nrate = 1 }", 0,
	    ":2: ", { "quota.rate", "in line 1 already" } },
	{ "lmtp { allow = {}\nallow = {::1} }", 0,
	    ":2: ", { "lmtp.allow", "already" } },
	/* what libConfuse would let pass */
	{ "quota { rate = 1\n", 0, ":1: ", { "never closed" } },
	{ "quota { rate = 1 } }", 0, ":1: ", { "} closes nothing" } },
	{ "lmtp { allow = { {} }", 0, ":1: ", { "{ inside a list" } },
	{ "quota {\nses { } }", 0,
	    ":2: ", { "inside section quota", "line 1" } },
	{ "daemon { user = $USER }", 0, ":1: ", { "$ can't be used" } },
	{ "daemon { user = \"${USER}\" }", 0, ":1: ", { "$ can't be used" } },
	{ "daemon { user = 'a$b' }", 0, ":1: ", { "$ can't be used" } },
	{ "store { path = /x* }", 0,
	    ":1: ", { "/x* needs quotes", "\"/x*\"" } },
	{ "store { path = /x#y }", 0, ":1: ", { "/x#y needs quotes" } },
	{ "store { path = /x//y }", 0, ":1: ", { "/x//y needs quotes" } },
	{ "store { path = /x\"y\" }", 0, ":1: ", { "needs quotes" } },
	{ "lmtp { allow += {::1} }", 0,
	    ":1: ", { "+= can't be used", "{a, b}" } },
	{ "store { path = \"/x\n\" }", 0, ":1: ", { "closing \" is missing" } },
	{ "store { path = '/x }", 0, ":1: ", { "closing ' is missing" } },
	{ "store { path = \"/x\\n\" }", 0, ":1: ", { "a backslash" } },
	{ "\n/* x\n\n", 0, ":2: ", { "comment is not closed" } },
	{ "quota { = 5 }", 0, ":1: ", { "without a name" } },
	{ "store { path = \"/\x01\" }", 0,
	    ":1: ", { "store.path", "control character" } },
	{ "store { path = /\xff }", 0, ":1: ", { "not UTF-8" } },
	/* order of tokens */
	{ "quota {\nrate 5 }", 0, ":2: ", { "equal sign" } },
	{ "quota { rate = {5} }", 0, ":1: ", { "unexpected token" } },
	{ "quota { rate = }", 0, ":1: ", { "unexpected token" } },
	{ "lmtp { allow = {::1 ::2} }", 0, ":1: ", { "unexpected token" } },
	/* numbers */
	{ "quota { rate = 0 }", 0,
	    ":1: ", { "quota.rate", "\"0\"", "above 0", "or unlimited" } },
	{ "quota { rate = -1 }", 0, ":1: ", { "quota.rate" } },
	{ "quota { rate = 1e3 }", 0, ":1: ", { "quota.rate" } },
	{ "quota { rate = nan }", 0, ":1: ", { "quota.rate" } },
	{ "quota { rate = 5. }", 0, ":1: ", { "quota.rate" } },
	{ "quota { rate = 100001 }", 0, ":1: ", { "to 100000" } },
	{ "quota { daily = 0 }", 0,
	    ":1: ", { "from 1 to 1000000000, or unlimited" } },
	{ "quota { daily = 0x10 }", 0, ":1: ", { "a whole number" } },
	{ "quota { daily = 99999999999999999999 }", 0,
	    ":1: ", { "a whole number" } },
	{ "quota { daily-window = 24 }", 0,
	    ":1: ", { "a duration", "ms, s, m, h or d" } },
	{ "quota { daily-window = 24w }", 0, ":1: ", { "from 1s to 7d" } },
	{ "quota { daily-window = 999999999999999d }", 0,
	    ":1: ", { "from 1s to 7d" } },
	{ "lmtp { answer-within = 500ms }", 0, ":1: ", { "from 1s to 1h" } },
	{ "lmtp { answer-within = 61m }", 0, ":1: ", { "from 1s to 1h" } },
	{ "lmtp { max-message-size = 40G }", 0,
	    ":1: ", { "a size", "from 1K to 1024M" } },
	{ "lmtp { max-sessions = unlimited }", 0,
	    ":1: ", { "from 1 to 10000" } },
	{ "ses { connections = 0 }", 0, ":1: ", { "from 1 to 1000" } },
	/* words */
	{ "ses { tls = yes }", 0,
	    ":1: ", { "ses.tls", "write starttls or wrapper" } },
	{ "ses { tls = \"\" }", 0, ":1: ", { "write starttls or wrapper" } },
	{ "identities { sandbox = true }", 0, ":1: ", { "write yes or no" } },
	{ "events { suppress = {bounce, delay} }", 0,
	    ":1: ", { "events.suppress", "write bounce or complaint" } },
	{ "rewrite { default = drop }", 0,
	    ":1: ", { "write srs, fixed:ADDRESS, reject or defer" } },
	{ "rewrite { default = fixed:postmaster }", 0,
	    ":1: ", { "rewrite.default", "LOCAL@DOMAIN" } },
	{ "rewrite {\ndefault = srs }", 0,
	    ":2: ", { "rewrite.default", "needs a key", "secret = " } },
	{ "rewrite { srs-domain = \"a b\" }", 0,
	    ":1: ", { "rewrite.srs-domain", "no domain" } },
	{ "rewrite { secret = x }", 0, ":1: ", { "no full path" } },
	{ "rewrite { senders = x }", 0, ":1: ", { "no full path" } },
	{ "milter { listen = {unix:/a, unix:/b} }", 0,
	    ":1: ", { "unexpected token" } },
	{ "milter { socketmap = /run/x }", 0, ":1: ", { "nothing to listen" } },
	{ "rewrite { null-sender = postmaster }", 0,
	    ":1: ", { "LOCAL@DOMAIN" } },
	{ "store { path = postern.db }", 0, ":1: ", { "no full path" } },
	{ "daemon { user = \"a b\" }", 0, ":1: ", { "no user name" } },
	{ "daemon { control = run/x }", 0, ":1: ", { "no full path" } },
	{ "daemon { alarm-command = mail }", 0, ":1: ", { "full path" } },
	{ "ses { region = \"EU West\" }", 0, ":1: ", { "eu-west-1" } },
	{ "ses { configuration-set = a.b }", 0, ":1: ", { "up to 64" } },
	{ "ses { message-tags = \"a=\" }", 0,
	    ":1: ", { "NAME=VALUE", "up to 256" } },
	{ "ses { message-tags = \"a b=c\" }", 0, ":1: ", { "NAME=VALUE" } },
	{ "ses { message-tags = \"postern=c\" }", 0,
	    ":1: ", { "another name" } },
	{ "ses { message-tags = {\"a=b\",\n\"a=c\"} }", 0,
	    ":1: ", { "twice" } },
	{ "ses { allow-headers = X-Spam }", 0, ":1: ", { "X-SES-" } },
	/* endpoints: the line is the item's */
	{ "ses { endpoint = {a:587,\nb:} }", 0,
	    ":2: ", { "\"b:\"", "no port" } },
	{ "ses { endpoint = a:0 }", 0, ":1: ", { "no port" } },
	{ "ses { endpoint = a:65536 }", 0, ":1: ", { "no port" } },
	{ "ses { endpoint = ::1 }", 0, ":1: ", { "in brackets" } },
	{ "ses { endpoint = [::1 }", 0, ":1: ", { "in brackets" } },
	{ "ses { endpoint = [::g]:25 }", 0, ":1: ", { "in brackets" } },
	{ "ses { endpoint = a:1:2 }", 0, ":1: ", { "HOST:PORT" } },
	{ "ses { endpoint = \"a b\" }", 0, ":1: ", { "no endpoint" } },
	{ "ses { endpoint = {a, a} }", 0, ":1: ", { "twice" } },
	{ "ses {\nendpoint = {} }", 0, ":2: ", { "ses.endpoint", "empty" } },
	{ "ses { region = eu-west-2 } ses2 {}", 0,
	    ":1: ", { "did you mean ses?" } },
	{ "ses { region = eu-west-2\nendpoint = "
	  "email-smtp.eu-west-1.amazonaws.com }",
	    0, ":2: ", { "in region eu-west-1", "eu-west-2 by ses.region" } },
	{ "ses { endpoint = {email-smtp.eu-west-1.amazonaws.com, "
	  "email-smtp.eu-west-2.amazonaws.com} }",
	    0, ":1: ", { "one region only" } },
	/* listening */
	{ "lmtp { listen = /run/x }", 0,
	    ":1: ", { "unix:PATH[:MODE[:GROUP]]" } },
	{ "lmtp { listen = unix:x }", 0, ":1: ", { "no full path" } },
	{ "lmtp { listen = unix:/x:rw }", 0,
	    ":1: ", { "octal", "unix:/x:0660" } },
	{ "lmtp { listen = unix:/x:0660: }", 0, ":1: ", { "no user name" } },
	{ "lmtp { listen = "
	  "unix:/xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
	  "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx }",
	    0, ":1: ", { "too long for a socket" } },
	{ "lmtp { listen = inet:localhost:24 }", 0,
	    ":1: ", { "address of this host" } },
	{ "lmtp { listen = inet:127.0.0.1 }", 0, ":1: ", { "no port" } },
	{ "lmtp { listen = inet:::1:24 }", 0, ":1: ", { "inet:[::1]:PORT" } },
	{ "lmtp { listen = {} }", 0, ":1: ", { "empty" } },
	{ "lmtp { allow = 10.0.0.0/33 }", 0, ":1: ", { "ADDRESS/BITS" } },
	{ "lmtp { allow = 10.0.0/8 }", 0, ":1: ", { "ADDRESS/BITS" } },
	{ "lmtp { allow = ::1/129 }", 0, ":1: ", { "ADDRESS/BITS" } },
	{ "lmtp { allow = ::1/ }", 0, ":1: ", { "ADDRESS/BITS" } },
	/* needs */
	{ "", CONF_NEED_SES, ": ", { "ses.endpoint", "is not set" } },
	{ "ses { endpoint = a }", CONF_NEED_SES, ": ",
	    { "ses.credentials", "is not set" } },
	{ "ses { endpoint = a credentials = /c }", CONF_NEED_SES, ": ",
	    { "ses.region", "is not set" } },
};

static void
bad_files(void **state)
{
	struct err err;
	char begin[80];
	size_t i, j;

	(void)state;
	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		memset(&err, 0, sizeof(err));
		if (load(bad[i].text, bad[i].need, &err) != NULL)
			fail_msg("accepted: %s", bad[i].text);
		assert_int_equal(err.class, ERR_CONFIG);
		(void)snprintf(begin, sizeof(begin), "%s%s", file, bad[i].line);
		if (strncmp(err.text, begin, strlen(begin)) != 0)
			fail_msg("%s: said %s", bad[i].text, err.text);
		for (j = 0; j < 4 && bad[i].words[j] != NULL; j++) {
			if (strstr(err.text, bad[i].words[j]) == NULL)
				fail_msg("%s: said %s, not %s", bad[i].text,
				    err.text, bad[i].words[j]);
		}
	}
}

static void
unreadable(void **state)
{
	struct err err;

	(void)state;
	assert_null(conf_load("/nonexistent/postern.conf", 0, &err));
	assert_int_equal(err.class, ERR_LOCAL);
	assert_non_null(strstr(err.text, "/nonexistent/postern.conf"));
}

static void
defaults(void **state)
{
	struct err err = { 0 };
	struct conf *c = load("# nothing $HOME\n", 0, &err);

	(void)state;
	assert_string_equal(err.text, "");
	assert_non_null(c);
	assert_string_equal(c->file, file);
	assert_string_equal(c->daemon.user, "postern");
	assert_string_equal(c->daemon.alarm_command, "");
	assert_int_equal(c->ses.endpoint.n, 0);
	assert_int_equal(c->ses.tls, CONF_TLS_AUTO);
	assert_string_equal(c->ses.ca_file, "");
	assert_int_equal(c->ses.connections, 50);
	assert_int_equal(c->ses.connect_timeout, 10 * US_PER_SEC);
	assert_int_equal(c->ses.dkim_signature, CONF_DKIM_DROP);
	assert_true(c->quota.rate > 0.99 && c->quota.rate < 1.01);
	assert_int_equal(c->quota.daily, 200);
	assert_int_equal(c->quota.daily_window, 86400 * US_PER_SEC);
	assert_true(c->identities.sandbox);
	assert_int_equal(c->rewrite.dflt, CONF_DEFAULT_REJECT);
	assert_null(c->rewrite.fixed);
	assert_string_equal(c->rewrite.secret, "");
	assert_string_equal(
	    c->milter.listen, "unix:" RUNSTATEDIR "/postern/milter.sock");
	assert_int_equal(c->lmtp.listen.n, 1);
	assert_string_equal(c->lmtp.listen.items[0],
	    "unix:" RUNSTATEDIR "/postern/lmtp.sock:0660");
	assert_int_equal(c->lmtp.allow.n, 2);
	assert_string_equal(c->lmtp.allow.items[1], "::1");
	assert_int_equal(c->lmtp.max_message_size, 40 * 1024 * 1024);
	assert_string_equal(
	    c->store.path, LOCALSTATEDIR "/lib/postern/postern.db");
	assert_int_equal(c->store.repeat_window, 10 * 86400 * US_PER_SEC);
	assert_int_equal(c->log.to, CONF_LOG_AUTO);
	conf_release(c);
}

static const char good[] =
    "# comment with ${HOME} and an open {\n"
    "/* another $ */ // and one\r\n"
    "daemon { user=postern2 alarm-command = \"/bin/mail -s \\\"x\\\" a\" }\n"
    "ses {\n"
    "	endpoint = "
    "{vpce-0a1b-c2d3.email-smtp.us-west-2.vpce.amazonaws.com:465,\n"
    "	    [2001:db8::1]:587, 192.0.2.1, }\n"
    "	credentials = '/etc/x y' tls = wrapper\n"
    "	message-tags = {\"app=mail\", 'x=1'}\n"
    "	command-timeout = 1500ms\n"
    "}\n"
    "quota { daily = unlimited rate = 14.5 }\n"
    "identities { sandbox = no file = /i }\n"
    "rewrite { default = defer null-sender = bounce@example.com }\n"
    "lmtp { listen = {unix:/a:600:postfix, inet:[::1]:24} allow = {}\n"
    "	max-message-size = 512K }\n"
    "store { doubtful = hold } log { to = syslog }";

static void
good_file(void **state)
{
	struct err err = { 0 };
	struct conf *c = load(good, CONF_NEED_SES | CONF_NEED_LMTP, &err);

	(void)state;
	assert_string_equal(err.text, "");
	assert_non_null(c);
	assert_string_equal(c->daemon.user, "postern2");
	assert_string_equal(c->daemon.alarm_command, "/bin/mail -s \"x\" a");
	assert_int_equal(c->ses.endpoint.n, 3);
	assert_string_equal(c->ses.endpoint.items[1], "[2001:db8::1]:587");
	assert_string_equal(c->ses.region, "us-west-2");
	assert_string_equal(c->ses.credentials, "/etc/x y");
	assert_int_equal(c->ses.tls, CONF_TLS_WRAPPER);
	assert_int_equal(c->ses.message_tags.n, 2);
	assert_int_equal(c->ses.command_timeout, 1500 * US_PER_MS);
	assert_int_equal(c->quota.daily, CONF_UNLIMITED);
	assert_true(c->quota.rate > 14.4 && c->quota.rate < 14.6);
	assert_false(c->identities.sandbox);
	assert_int_equal(c->rewrite.dflt, CONF_DEFAULT_DEFER);
	assert_int_equal(c->lmtp.listen.n, 2);
	assert_int_equal(c->lmtp.allow.n, 0);
	assert_int_equal(c->lmtp.max_message_size, 512 * 1024);
	assert_int_equal(c->store.doubtful, CONF_DOUBTFUL_HOLD);
	assert_int_equal(c->log.to, CONF_LOG_SYSLOG);
	conf_release(c);
}

static void
rewrite_default(void **state)
{
	static const struct {
		const char *text;
		enum conf_default dflt;
		const char *fixed;
	} t[] = {
		{ "reject", CONF_DEFAULT_REJECT, NULL },
		{ "defer", CONF_DEFAULT_DEFER, NULL },
		{ "srs secret = /k", CONF_DEFAULT_SRS, NULL },
		{ "fixed:web@example.com", CONF_DEFAULT_FIXED,
		    "web@example.com" },
	};
	struct err err = { 0 };
	struct conf *c;
	char text[200];

	(void)state;
	for (size_t i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		(void)snprintf(
		    text, sizeof(text), "rewrite { default = %s }", t[i].text);
		c = load(text, 0, &err);
		assert_non_null(c);
		assert_int_equal(c->rewrite.dflt, t[i].dflt);
		if (t[i].fixed == NULL)
			assert_null(c->rewrite.fixed);
		else
			assert_string_equal(c->rewrite.fixed, t[i].fixed);
		conf_release(c);
	}
}

static void
regions(void **state)
{
	static const struct {
		const char *host, *region;
	} t[] = {
		{ "email-smtp.us-east-1.amazonaws.com", "us-east-1" },
		{ "Email-SMTP.us-east-1.AmazonAWS.com:2587", "us-east-1" },
		{ "email-smtp-fips.us-gov-west-1.amazonaws.com",
		    "us-gov-west-1" },
		{ "vpce-1-2-us-west-2a.email-smtp.us-west-2.vpce.amazonaws.com",
		    "us-west-2" },
		{ "email-smtp.amazonaws.com", "" },
		{ "email-smtp.x.amazonaws.com.example", "" },
		{ "email-smtp.a.b.amazonaws.com", "" },
		{ "email-smtp.us-west-2.vpce.amazonaws.com", "" },
		{ "vpce-1", "" },
		{ "vpce-1:587", "" },
		{ "mail.example.com", "" },
	};
	struct err err = { 0 };
	struct conf *c;
	char text[200];
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		(void)snprintf(
		    text, sizeof(text), "ses { endpoint = %s }", t[i].host);
		c = load(text, 0, &err);
		assert_non_null(c);
		assert_string_equal(c->ses.region, t[i].region);
		conf_release(c);
	}
}

/* What the dump writes can be read again and means the same. */
static void
dump(void **state)
{
	struct err err = { 0 };
	struct conf *c = load(good, 0, &err);
	char *text = NULL;
	size_t len = 0;
	FILE *f = open_memstream(&text, &len);

	(void)state;
	assert_non_null(c);
	conf_dump(c, f);
	assert_int_equal(fclose(f), 0);
	conf_release(c);
	assert_non_null(strstr(text, "quota.daily = unlimited\n"));
	assert_non_null(strstr(text, "quota.rate = 14.5\n"));
	assert_non_null(strstr(text, "ses.command-timeout = 1500ms\n"));
	assert_non_null(strstr(text, "ses.idle-timeout = 8s\n"));
	assert_non_null(strstr(text, "quota.daily-window = 1d\n"));
	assert_non_null(strstr(text, "lmtp.max-message-size = 512K\n"));
	assert_non_null(strstr(
	    text, "daemon.alarm-command = \"/bin/mail -s \\\"x\\\" a\"\n"));
	assert_non_null(
	    strstr(text, "ses.message-tags = {\"app=mail\", \"x=1\"}\n"));
	assert_non_null(strstr(text, "# ses.ca-file: the system's\n"));
	assert_non_null(strstr(text, "ses.region = us-west-2\n"));
	free(text);
}

static void
restart(void **state)
{
	struct err err = { 0 };
	struct conf *a = load(SES, 0, &err), *b;
	const char *names[8];

	(void)state;
	b = load("daemon { user = x } quota { rate = 2 } log { to = stderr }",
	    0, &err);
	assert_non_null(a);
	assert_non_null(b);
	assert_int_equal(conf_restart_keys(a, b, names, 8), 2);
	assert_string_equal(names[0], "daemon.user");
	assert_string_equal(names[1], "log.to");
	assert_int_equal(conf_restart_keys(a, b, names, 1), 1);
	assert_int_equal(conf_restart_keys(a, a, names, 8), 0);
	conf_release(a);
	conf_release(b);
}

static void
units(void **state)
{
	int64_t n;

	(void)state;
	assert_int_equal(conf_parse_duration("90s", &n), 0);
	assert_int_equal(n, 90 * US_PER_SEC);
	assert_int_equal(conf_parse_duration("2m", &n), 0);
	assert_int_equal(n, 120 * US_PER_SEC);
	assert_int_equal(conf_parse_duration("250ms", &n), 0);
	assert_int_equal(n, 250 * US_PER_MS);
	assert_int_equal(conf_parse_duration("1h30m", &n), -1);
	assert_int_equal(conf_parse_duration("s", &n), -1);
	assert_int_equal(conf_parse_duration("", &n), -1);
	assert_int_equal(conf_parse_duration("5", &n), -1);
	assert_int_equal(conf_parse_size("5", &n), 0);
	assert_int_equal(n, 5);
	assert_int_equal(conf_parse_size("3K", &n), 0);
	assert_int_equal(n, 3072);
	assert_int_equal(conf_parse_size("3k", &n), -1);
}

#define THREADS 4

static void *
reload(void *arg)
{
	const char *name = arg;
	struct conf *c;
	struct err err;
	int i;

	for (i = 0; i < 50; i++) {
		c = conf_load(name, 0, &err);
		if (c == NULL)
			return (void *)1;
		conf_set_current(c);
		conf_release(c);
		c = conf_current();
		if (c->quota.daily != CONF_UNLIMITED)
			return (void *)1;
		conf_release(c);
	}
	return NULL;
}

static void
threads(void **state)
{
	pthread_t t[THREADS];
	struct err err;
	struct conf *c = load(good, 0, &err);
	void *result;
	int i;

	(void)state;
	assert_non_null(c);
	conf_release(c);
	for (i = 0; i < THREADS; i++)
		assert_int_equal(pthread_create(&t[i], NULL, reload, file), 0);
	for (i = 0; i < THREADS; i++) {
		assert_int_equal(pthread_join(t[i], &result), 0);
		assert_null(result);
	}
	conf_set_current(NULL);
	assert_null(conf_current());
}

/* A file cut off anywhere is refused or read, and leaves the parser fit for the
 * next. */
static void
truncated(void **state)
{
	struct err err;
	struct conf *c;
	char text[sizeof(good)];
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(good); i++) {
		memcpy(text, good, i);
		text[i] = '\0';
		conf_release(load(text, 0, &err));
		c = load(good, 0, &err);
		assert_non_null(c);
		conf_release(c);
	}
}

/* Wherever a blank may stand; and what only looks like one stays. */
static void
comments(void **state)
{
	struct err err = { 0 };
	struct conf *c =
	    load("# a comment\n"
		 "lmtp /* a */ { // b\n"
		 "	allow /* = \n { */ = /**/ { # one, two {\n"
		 "		192.0.2.0/24, # our own }\n"
		 "		// 198.51.100.0/24,\n"
		 "		/* these,\n"
		 "		   too, */ ::1 /* } */\n"
		 "	} // end\n"
		 "	answer-within = 9s # b\n"
		 "}\n"
		 "store { path = \"/a#b//c/*d*/\" } /***/ # no line end",
		0, &err);

	(void)state;
	if (c == NULL)
		fail_msg("%s", err.text);
	assert_int_equal(c->lmtp.allow.n, 2);
	assert_string_equal(c->lmtp.allow.items[0], "192.0.2.0/24");
	assert_string_equal(c->lmtp.allow.items[1], "::1");
	assert_int_equal(c->lmtp.answer_within, 9 * US_PER_SEC);
	assert_string_equal(c->store.path, "/a#b//c/*d*/");
	conf_release(c);
}

/* The file that `postern init` writes, commented like a user's. */
static const char *const first[] = {
	"# Postern, see postern.conf(5). \"postern check\" tests it.\n",
	"\n",
	"ses {\n",
	"	# Your account's region stands in the name.\n",
	"	endpoint    = {email-smtp.us-east-1.amazonaws.com:587}\n",
	"	credentials = /etc/postern/ses-credentials\n",
	"}\n",
	"\n",
	"# What the SES console shows for the account.\n",
	"quota { daily = 200 rate = 1 }\n",
	"\n",
	"/* two lines,\n",
	"   for once */\n",
	"identities { file = /etc/postern/identities sandbox = yes }\n",
	"\n",
	"# Inside Postfix's chroot.\n",
	"lmtp { listen = {\n",
	"	unix:/run/postern/lmtp.sock, # our own\n",
	"	inet:127.0.0.1:24\n",
	"} }\n",
};
#define FIRST_LINES (sizeof(first) / sizeof(first[0]))

static void
line_numbers(void **state)
{
	/* the first letter of a value, on six lines */
	static const char *const values[] = { "587}", "/etc/postern/ses", "200",
		"/etc/postern/id", "unix:", "inet:" };
	static const unsigned lines[] = { 5, 6, 10, 14, 18, 19 };
	struct err err = { 0 };
	char text[2048] = "", begin[80], *at;
	struct conf *c;
	size_t i;

	(void)state;
	for (i = 0; i < FIRST_LINES; i++)
		(void)strcat(text, first[i]);
	c = load(text, CONF_NEED_SES, &err);
	if (c == NULL)
		fail_msg("%s", err.text);
	conf_release(c);
	for (i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
		at = strstr(text, values[i]);
		*at = 'x';
		assert_null(load(text, CONF_NEED_SES, &err));
		*at = values[i][0];
		(void)snprintf(begin, sizeof(begin), "%s:%u: ", file, lines[i]);
		if (strncmp(err.text, begin, strlen(begin)) != 0)
			fail_msg("not in line %u: %s", lines[i], err.text);
	}
}

static int
ignore_name(void *arg, const struct conf_name *section,
    const struct conf_name *key, unsigned line, struct err *err)
{
	(void)arg;
	(void)section;
	(void)key;
	(void)line;
	(void)err;
	return 0;
}

static void
nul(void **state)
{
	char in_text[] = "a {\n\0 }", in_comment[] = "# \0 {";
	struct err err;
	unsigned line = 0;

	(void)state;
	assert_int_equal(
	    conf_scan(in_text, 7, ignore_name, NULL, &line, &err), -1);
	assert_int_equal(line, 2);
	assert_non_null(strstr(err.text, "NUL"));
	assert_int_equal(
	    conf_scan(in_comment, 5, ignore_name, NULL, &line, &err), -1);
	assert_non_null(strstr(err.text, "NUL"));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(bad_files),
		cmocka_unit_test(unreadable),
		cmocka_unit_test(defaults),
		cmocka_unit_test(good_file),
		cmocka_unit_test(rewrite_default),
		cmocka_unit_test(regions),
		cmocka_unit_test(dump),
		cmocka_unit_test(restart),
		cmocka_unit_test(units),
		cmocka_unit_test(threads),
		cmocka_unit_test(truncated),
		cmocka_unit_test(comments),
		cmocka_unit_test(line_numbers),
		cmocka_unit_test(nul),
	};

	return cmocka_run_group_tests_name("conf", tests, setup, teardown);
}
