/* SPDX-License-Identifier: BSD-2-Clause */
#include "config.h"

#include "cli/check.h"

#include <stdio.h>
#include <string.h>

#include "core/clock.h"
#include "core/tls.h"
#include "ses/connection.h"
#include "ses/credentials.h"
#include "ses/endpoint.h"

/*
 * Every address of every endpoint: TCP, TLS and the certificate's names, AUTH.
 * Each credential is tried at one address of each endpoint. Nothing is sent
 * after AUTH.
 */

struct trial {
	struct check *c;
	const struct endpoint *e;
	struct tls_context *tls;
	const struct credentials *creds;
	unsigned good; /* sessions with this endpoint that worked */
	bool unreached[ENDPOINT_ADDRESSES_MAX]; /* addresses of it, and why */
	struct ses_result why[ENDPOINT_ADDRESSES_MAX];
};

static const char *
tls_cure(const char *why)
{
	if (strstr(why, "wrong name") != NULL)
		return "write the endpoint by a name that is in the "
		       "certificate; nothing turns the check off";
	if (strstr(why, "expired") != NULL ||
	    strstr(why, "not valid before") != NULL)
		return "look at this host's clock; if it is right, the other "
		       "side must renew its certificate";
	if (strstr(why, "unknown issuer") != NULL)
		return "if that is no imposter: install the system's CA "
		       "certificates, or name the authority's in ses.ca-file";
	return "the port may be one for the other kind of TLS (ses.tls), or "
	       "something on the way interferes";
}

static const char *
cure(const struct ses_result *r)
{
	switch (r->class) {
	case SES_TLS_TROUBLE:
		return tls_cure(r->text);
	case SES_ACCOUNT:
	case SES_DENIED:
		return check_account_cure(r->text);
	case SES_OK:
	case SES_RECONNECT:
	case SES_UNREACHABLE:
	case SES_DOUBTFUL:
	case SES_PACE:
	case SES_DAY_FULL:
	case SES_TRY_AGAIN:
	case SES_DEFERRED:
	case SES_MAIL_FROM:
	case SES_CONFIG_SET:
	case SES_UNVERIFIED:
	case SES_TOO_LARGE:
	case SES_REFUSED:
	case SES_UNKNOWN_5XX:
		break;
	}
	return r->phase == SES_PHASE_CONNECT
		   ? "let this host out to that port (security group, "
		     "firewall, "
		     "route), or use another port: 587, 2587, 465, 2465"
		   : "something on the way, or SES itself, ended the session: "
		     "try "
		     "again, and look at what lies between";
}

/* One credential at one address. */
static bool
open_at(struct trial *t, const struct endpoint_address *a,
    const struct credential *cred, struct ses_result *result)
{
	struct endpoint_addresses one = { .n = 1 };
	struct connection *connection;
	struct err err;
	size_t which;
	int fd;

	one.items[0] = *a;
	fd = endpoint_connect(&one,
	    clock_mono_us() + t->c->conf->ses.connect_timeout, &which, &err);
	if (fd == -1) {
		ses_error_classify(SES_PHASE_CONNECT, &err, result);
		return false;
	}
	connection = connection_open(
	    fd, t->c->conf, t->e, a->text, t->tls, cred, result);
	if (connection == NULL)
		return false;
	check_fine(t->c, "%s: %s, certificate verified, AUTH as %s",
	    connection->name, stream_tls_text(connection->stream), cred->user);
	connection_close(connection);
	return true;
}

/* What TCP and TLS have to say names the phase by itself. */
static void
say(const struct trial *t, const struct endpoint_address *a,
    const struct credential *cred, const struct ses_result *r)
{
	const char *phase = ses_phase_name(r->phase);

	if (r->phase == SES_PHASE_AUTH)
		check_wrong(t->c, cure(r), "%s[%s]:%s: AUTH as %s: %s",
		    t->e->host, a->text, t->e->port, cred->user, r->text);
	else if (r->phase == SES_PHASE_CONNECT || r->phase == SES_PHASE_TLS)
		check_wrong(t->c, cure(r), "%s[%s]:%s: %s", t->e->host, a->text,
		    t->e->port, r->text);
	else
		check_wrong(t->c, cure(r), "%s[%s]:%s: %s: %s", t->e->host,
		    a->text, t->e->port, phase, r->text);
}

/*
 * The first credential is tried at each address, the others until one address
 * has taken them: the account is the same behind all of them.
 */
static void
try_address(struct trial *t, size_t nth, const struct endpoint_address *a,
    bool all)
{
	struct ses_result result;
	size_t i;

	for (i = 0; i < t->creds->n && (i == 0 || all); i++) {
		if (open_at(t, a, &t->creds->items[i], &result)) {
			t->good++;
			continue;
		}
		if (result.phase == SES_PHASE_CONNECT) {
			t->unreached[nth] = true;
			t->why[nth] = result;
			return;
		}
		say(t, a, &t->creds->items[i], &result);
		if (result.phase != SES_PHASE_AUTH)
			return;
	}
}

/*
 * An address that does not answer beside one that does costs nothing but the
 * attempt: posternd goes on to the next.
 */
static void
say_unreached(struct trial *t, const struct endpoint_addresses *as)
{
	size_t i;

	for (i = 0; i < as->n; i++) {
		if (!t->unreached[i])
			continue;
		if (t->good > 0)
			check_warn(t->c,
			    "nothing to be done while another address answers",
			    "%s[%s]:%s: %s", t->e->host, as->items[i].text,
			    t->e->port, t->why[i].text);
		else
			say(t, &as->items[i], &t->creds->items[0], &t->why[i]);
	}
}

static void
try_endpoint(struct trial *t)
{
	struct endpoint_addresses as;
	struct err err;
	size_t i;

	memset(t->unreached, 0, sizeof(t->unreached));

	if (endpoint_resolve(t->e, &as, &err) == -1) {
		check_wrong(t->c,
		    "look at the name, and at this host's resolver; a VPC "
		    "endpoint's name resolves inside its VPC only",
		    "DNS: %s", err.text);
		return;
	}
	for (i = 0; i < as.n; i++)
		try_address(t, i, &as.items[i], t->good == 0);
	say_unreached(t, &as);
}

void
check_ses(struct check *c)
{
	struct credentials creds;
	struct trial t = { .c = c, .creds = &creds };
	struct endpoint e;
	struct err err;
	size_t i;

	check_area(c, "Amazon SES");
	t.tls = tls_client_context(
	    c->conf->ses.ca_file[0] != '\0' ? c->conf->ses.ca_file : NULL,
	    &err);
	if (t.tls == NULL) {
		check_wrong(c,
		    "put PEM certificates there, or leave ses.ca-file out",
		    "%s", err.text);
		return;
	}
	if (credentials_load(c->conf->ses.credentials, &creds, &err) == -1) {
		check_warn(c, "mend the credentials first",
		    "not tried: without credentials there is no session");
		tls_context_free(t.tls);
		return;
	}
	t.e = &e;
	for (i = 0; endpoint_get(c->conf, i, &e); i++) {
		t.good = 0;
		try_endpoint(&t);
	}
	credentials_wipe(&creds);
	tls_context_free(t.tls);
}
