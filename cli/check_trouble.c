/* SPDX-License-Identifier: BSD-2-Clause */
#include "config.h"

#include "cli/check.h"

#include <string.h>

#include "cli/control.h"
#include "core/json.h"

/*
 * What posternd has found in trouble: its open breakers. Much of that shows
 * only when a message is sent, which nobody does here.
 */

#define ANSWER_MAX_BYTES ((size_t)1024 * 1024)
#define WITHIN_US (5 * US_PER_SEC)

/* The first whose words are in those of SES counts. */
static const struct {
	const char *words, *cure;
} account_cures[] = {
	{ "Credentials Invalid",
	    "the password must be the SMTP password for this region, not the "
	    "IAM secret key (\"postern smtp-password\" derives it), and the "
	    "key active" },
	{ "not subscribed",
	    "set SES up for this account in this region, or use the "
	    "credentials of one where it is" },
	{ "SigV2",
	    "make new SMTP credentials: those from before 2019 are only "
	    "throttled" },
	{ "paused",
	    "the SES console, and the mail to the owner of the account, say "
	    "why Amazon did that and how it is lifted" },
	{ "suspended",
	    "the SES console, and the mail to the owner of the account, say "
	    "why Amazon did that and how it is lifted" },
	{ "authentication failure",
	    "SES could not look at it just now: try again" },
	{ "", "look at SES's words, and at the account in the SES console" },
};

const char *
check_account_cure(const char *words)
{
	size_t i = 0;

	while (strstr(words, account_cures[i].words) == NULL)
		i++;
	return account_cures[i].cure;
}

/* By the kind of what is in trouble, with which a breaker's name begins. */
static const struct {
	const char *kind, *cure;
} cures[] = {
	{ "credential ",
	    "take that line out of the file with the credentials, or activate "
	    "the key again" },
	{ "endpoint ",
	    "see what \"postern check\" says of it under \"Amazon SES\"" },
	{ "identity ",
	    "allow ses:SendRawEmail for that identity in the policy of the "
	    "IAM user whose credentials these are" },
	{ "mail-from-domain ",
	    "restore the MX and SPF records of the custom MAIL FROM domain, "
	    "as the SES console shows them for that identity" },
	{ "configuration-set ",
	    "make that configuration set in this region, or mend "
	    "ses.configuration-set" },
};

const char *
check_trouble_cure(const char *what, const char *cause)
{
	for (size_t i = 0; i < sizeof(cures) / sizeof(cures[0]); i++)
		if (strncmp(what, cures[i].kind, strlen(cures[i].kind)) == 0)
			return cures[i].cure;
	return check_account_cure(cause);
}

static int
breaker(struct check *c, const char *one, struct err *err)
{
	struct buf what, cause, probe;
	int rc = 0;

	buf_init(&what, ANSWER_MAX_BYTES);
	buf_init(&cause, ANSWER_MAX_BYTES);
	buf_init(&probe, ANSWER_MAX_BYTES);
	if (json_get_string(one, "what", &what, err) == -1 ||
	    json_get_string(one, "cause", &cause, err) == -1 ||
	    json_get_string(one, "next_probe", &probe, err) == -1)
		rc = -1;
	else
		check_wrong(c, check_trouble_cure(what.data, cause.data),
		    "%s: %s (posternd tries again at %s, or on SIGHUP)",
		    what.data, cause.data, probe.data);
	buf_free(&what);
	buf_free(&cause);
	buf_free(&probe);
	return rc;
}

static int
breakers(struct check *c, const char *status, struct err *err)
{
	struct buf list, one;
	enum json_type type;
	const char *at;
	unsigned n = 0;
	int rc;

	buf_init(&list, ANSWER_MAX_BYTES);
	buf_init(&one, ANSWER_MAX_BYTES);
	rc = json_get(status, "breakers", &type, &list, err);
	at = list.data;
	if (rc == 0)
		rc = json_next(&at, &type, &one, err);
	for (; rc == 1; n++)
		rc = breaker(c, one.data, err) == -1
		    ? -1
		    : json_next(&at, &type, &one, err);
	if (rc == 0 && n == 0)
		check_fine(c, "posternd knows of none");
	buf_free(&list);
	buf_free(&one);
	return rc;
}

/* That posternd is not running has been said with the sockets. */
void
check_trouble(struct check *c)
{
	struct buf status;
	struct err err;

	if (!c->running)
		return;
	check_area(c, "Trouble");
	buf_init(&status, ANSWER_MAX_BYTES);
	if (control_op(c->conf, "status", WITHIN_US, &status, &err) == -1)
		check_wrong(c, "see the log of posternd, and start it again",
		    "posternd does not tell: %s", err.text);
	else if (breakers(c, status.data, &err) == -1)
		check_wrong(c,
		    "posternd and postern should be of the same version",
		    "posternd's answer is not understood: %s", err.text);
	buf_free(&status);
}
