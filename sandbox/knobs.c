/* SPDX-License-Identifier: BSD-2-Clause */
#include "config.h"

#include "sandbox/knobs.h"

#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/clock.h"
#include "sandbox/account.h"
#include "sandbox/endpoint.h"
#include "sandbox/fault.h"
#include "sandbox/limits.h"
#include "sandbox/settings.h"

/*
 * One table drives the options, the control socket's "set", and the help. A
 * knob is a number of settings.h, a list of account.h, or has a function.
 */
enum kind { NUMBER, SIZE, DURATION, YESNO, WORDS, FUNCTION };

struct knob {
	const char *name, *arg;
	enum kind kind;
	int key; /* enum setting, or enum account_list */
	int (*set)(struct sandbox *, const char *, struct err *);
	const char *help;
};

static int
wanted(struct err *err, const char *what)
{
	return err_set(err, ERR_CONFIG, "%s is wanted", what);
}

static int
parse_number(const char *value, long long *n_r)
{
	char *end;

	errno = 0;
	*n_r = strtoll(value, &end, 10);
	return isdigit((unsigned char)*value) && *end == '\0' && errno == 0
		   ? 0
		   : -1;
}

/* A number and one of the units. */
struct unit {
	const char *name;
	long long worth;
};

static int
parse_unit(const char *value, const struct unit *units, long long *n_r)
{
	char *end;

	errno = 0;
	*n_r = strtoll(value, &end, 10);
	if (!isdigit((unsigned char)*value) || errno != 0)
		return -1;
	for (; units->name != NULL; units++)
		if (strcmp(end, units->name) == 0 &&
		    *n_r <= INT64_MAX / units->worth) {
			*n_r *= units->worth;
			return 0;
		}
	return *end == '\0' && *n_r == 0 ? 0 : -1;
}

int
knob_duration(const char *value, long long *us_r)
{
	static const struct unit units[] = { { "us", 1 }, { "ms", US_PER_MS },
		{ "s", US_PER_SEC }, { "m", 60 * US_PER_SEC },
		{ "h", 3600 * US_PER_SEC }, { "d", 86400 * US_PER_SEC },
		{ NULL, 0 } };

	return parse_unit(value, units, us_r);
}

static int
parse_size(const char *value, long long *bytes_r)
{
	static const struct unit units[] = { { "", 1 }, { "K", 1024 },
		{ "M", 1024 * 1024 }, { NULL, 0 } };

	return parse_unit(value, units, bytes_r);
}

static int
set_rate(struct sandbox *sb, const char *value, struct err *err)
{
	double rate;
	char *end;

	if (strcmp(value, "unlimited") == 0) {
		limits_set_rate(sb->limits, 0);
		return 0;
	}
	rate = strtod(value, &end);
	if (!isdigit((unsigned char)*value) || *end != '\0' ||
	    !isfinite(rate) || rate <= 0)
		return wanted(err, "recipients a second, or unlimited,");
	limits_set_rate(sb->limits, rate);
	return 0;
}

static int
set_burst(struct sandbox *sb, const char *value, struct err *err)
{
	long long n;

	if (parse_number(value, &n) == -1 || n < 1 || n > 1000000)
		return wanted(err, "a number of recipients");
	limits_set_burst(sb->limits, (unsigned)n);
	return 0;
}

static int
set_tolerance(struct sandbox *sb, const char *value, struct err *err)
{
	long long us;

	if (knob_duration(value, &us) == -1)
		return wanted(err, "a time such as 50ms");
	limits_set_tolerance(sb->limits, us);
	return 0;
}

static int
set_reading(struct sandbox *sb, const char *value, struct err *err)
{
	bool debt = strcmp(value, "debt") == 0;

	if (!debt && strcmp(value, "strict") != 0)
		return wanted(err, "strict or debt");
	limits_set_reading(sb->limits, debt ? LIMITS_DEBT : LIMITS_STRICT);
	return 0;
}

static int
set_day(struct sandbox *sb, const char *value, struct err *err)
{
	long long n = 0;

	if (strcmp(value, "unlimited") != 0 &&
	    (parse_number(value, &n) == -1 || n < 1))
		return wanted(err, "a number of recipients, or unlimited,");
	limits_set_day(sb->limits, n);
	return 0;
}

static int
set_window(struct sandbox *sb, const char *value, struct err *err)
{
	long long us;

	if (knob_duration(value, &us) == -1 || us < 1)
		return wanted(err, "a time such as 24h");
	limits_set_window(sb->limits, us);
	return 0;
}

static int
set_certificate(struct sandbox *sb, const char *value, struct err *err)
{
	return endpoint_use(sb->endpoint, value, err);
}

static int
set_default_set(struct sandbox *sb, const char *value, struct err *err)
{
	if (strlen(value) > 64)
		return wanted(err, "a name of up to 64 characters");
	account_set_default_configuration_set(sb->account, value);
	return 0;
}

static int
set_fault(struct sandbox *sb, const char *value, struct err *err)
{
	unsigned id;

	return faults_add(sb->faults, value, &id, err);
}

static const struct knob knobs[] = {
	{ "rate", "N", FUNCTION, 0, set_rate,
	    "recipients a second, or unlimited [1; 14 with --production]" },
	{ "burst", "N", FUNCTION, 0, set_burst,
	    "recipients that may come at once [1]" },
	{ "rate-tolerance", "TIME", FUNCTION, 0, set_tolerance,
	    "how early a recipient may come [50ms]" },
	{ "rate-reading", "HOW", FUNCTION, 0, set_reading,
	    "strict, or debt: one token lets a whole message pass [strict]" },
	{ "day", "N", FUNCTION, 0, set_day,
	    "recipients a window, or unlimited [200; 50000]" },
	{ "day-window", "TIME", FUNCTION, 0, set_window,
	    "how long a recipient counts towards the day [24h]" },
	{ "recipients", "N", NUMBER, SETTING_RECIPIENTS, NULL,
	    "most recipients of one message [50]" },
	{ "message-size", "SIZE", SIZE, SETTING_MESSAGE_SIZE, NULL,
	    "largest message [40M]" },
	{ "session-messages", "N", NUMBER, SETTING_SESSION_MESSAGES, NULL,
	    "messages a connection may bring, 0 for any number [350]" },
	{ "connections", "N", NUMBER, SETTING_CONNECTIONS, NULL,
	    "connections at once, 0 for any number [0]" },
	{ "idle-timeout", "TIME", DURATION, SETTING_IDLE_TIMEOUT, NULL,
	    "silence that ends a connection [10s]" },
	{ "latency", "TIME", DURATION, SETTING_LATENCY, NULL,
	    "time that each reply takes [0]" },
	{ "sandbox", "yes|no", YESNO, SETTING_SANDBOX, NULL,
	    "are unverified recipients refused? [yes; no]" },
	{ "paused", "yes|no", YESNO, SETTING_PAUSED, NULL,
	    "is sending paused for the account? [no]" },
	{ "easy-dkim", "yes|no", YESNO, SETTING_EASY_DKIM, NULL,
	    "is a DKIM-Signature of the client's one too many? [yes]" },
	{ "certificate", "KIND", FUNCTION, 0, set_certificate,
	    "good, wrong-name, expired, not-yet-valid, self-signed or "
	    "untrusted [good]" },
	{ "identity", "NAME", WORDS, ACCOUNT_IDENTITY, NULL,
	    "a verified domain or address; * for anything (may be repeated)" },
	{ "user", "NAME:PASSWORD[:KIND]", WORDS, ACCOUNT_USER, NULL,
	    "who may log in; KIND is good, bad, sigv2, unsubscribed or "
	    "temporary (may be repeated)" },
	{ "configuration-set", "NAME", WORDS, ACCOUNT_CONFIGURATION_SET, NULL,
	    "one that exists; without any, all do (may be repeated)" },
	{ "default-configuration-set", "NAME", FUNCTION, 0, set_default_set,
	    "in force for messages that name none" },
	{ "suppress", "ADDRESS", WORDS, ACCOUNT_SUPPRESS, NULL,
	    "on the account's suppression list (may be repeated)" },
	{ "deny", "NAME", WORDS, ACCOUNT_DENY, NULL,
	    "an identity that the user may not send as (may be repeated)" },
	{ "mail-from-broken", "NAME", WORDS, ACCOUNT_MAIL_FROM_BROKEN, NULL,
	    "an identity whose custom MAIL FROM domain has no MX (may be "
	    "repeated)" },
	{ "fault", "FAULT", FUNCTION, 0, set_fault,
	    "PHASE ACTION [KEY=VALUE ...], see the manual (may be repeated)" },
};

static const struct knob *
find_knob(const char *name, struct err *err)
{
	for (size_t i = 0; i < sizeof(knobs) / sizeof(knobs[0]); i++)
		if (strcmp(knobs[i].name, name) == 0)
			return &knobs[i];
	(void)err_set(err, ERR_CONFIG, "%s: there is no such setting", name);
	return NULL;
}

static int
set_number(struct sandbox *sb, const struct knob *k, const char *value,
    struct err *err)
{
	static const char *const wants[] = { [NUMBER] = "a whole number",
		[SIZE] = "a size such as 10M",
		[DURATION] = "a time such as 10s",
		[YESNO] = "yes or no" };
	long long n = strcmp(value, "yes") == 0;
	int rc = 0;

	if (k->kind == NUMBER)
		rc = parse_number(value, &n);
	else if (k->kind == SIZE)
		rc = parse_size(value, &n);
	else if (k->kind == DURATION)
		rc = knob_duration(value, &n);
	else if (n == 0 && strcmp(value, "no") != 0)
		rc = -1;
	if (rc == -1)
		return wanted(err, wants[k->kind]);
	settings_set(sb->settings, (enum setting)k->key, n);
	return 0;
}

static int
set(struct sandbox *sb, const struct knob *k, const char *value,
    struct err *err)
{
	switch (k->kind) {
	case WORDS:
		return account_add(
		    sb->account, (enum account_list)k->key, value, err);
	case FUNCTION:
		return k->set(sb, value, err);
	case NUMBER:
	case SIZE:
	case DURATION:
	case YESNO:
		break;
	}
	return set_number(sb, k, value, err);
}

int
knob_set(
    struct sandbox *sb, const char *name, const char *value, struct err *err)
{
	const struct knob *k = find_knob(name, err);

	if (k == NULL)
		return -1;
	if (set(sb, k, value, err) == -1)
		return err_context(err, "%s", name);
	return 0;
}

static const struct knob *
find_list(const char *name, struct err *err)
{
	const struct knob *k = find_knob(name, err);

	if (k == NULL || k->kind == WORDS)
		return k;
	(void)err_set(err, ERR_CONFIG, "%s is no list", name);
	return NULL;
}

int
knob_remove(
    struct sandbox *sb, const char *name, const char *value, struct err *err)
{
	const struct knob *k = find_list(name, err);

	return k == NULL ? -1
			 : account_remove(sb->account,
			       (enum account_list)k->key, value, err);
}

int
knob_clear(struct sandbox *sb, const char *name, struct err *err)
{
	const struct knob *k;

	if (strcmp(name, "fault") == 0) {
		faults_clear(sb->faults);
		return 0;
	}
	if ((k = find_list(name, err)) == NULL)
		return -1;
	account_clear(sb->account, (enum account_list)k->key);
	return 0;
}

bool
knob_describe(
    size_t i, const char **name_r, const char **arg_r, const char **help_r)
{
	if (i >= sizeof(knobs) / sizeof(knobs[0]))
		return false;
	*name_r = knobs[i].name;
	*arg_r = knobs[i].arg;
	*help_r = knobs[i].help;
	return true;
}
