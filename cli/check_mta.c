/* SPDX-License-Identifier: BSD-2-Clause */
#include "config.h"

#include "cli/check.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/postfix.h"
#include "core/clock.h"
#include "core/mem.h"

/*
 * What Postfix on this host has been told, as far as it touches us. Sendmail
 * can't be asked; what suits it is in the README.
 */

/* Where Postfix sends mail for other hosts, the first that says so. */
static const char *const routes[] = { "default_transport", "relayhost",
	"relay_transport", NULL };

/* TRANSPORT:unix:PATH or TRANSPORT:inet:... in a parameter; transport_r a new
 * string. */
static bool
parse_route(const char *value, char **transport_r, const char **rest_r)
{
	const char *colon = strchr(value, ':');

	if (colon == NULL || colon == value ||
	    (strncmp(colon, ":unix:", 6) != 0 &&
		strncmp(colon, ":inet:", 6) != 0))
		return false;
	*transport_r = mem_strndup(value, (size_t)(colon - value));
	*rest_r = colon + 1;
	return true;
}

static bool
is_chrooted(const char *transport)
{
	char *service = mem_printf("%s/unix", transport);
	bool chrooted = postfix_chrooted(service);

	free(service);
	return chrooted;
}

/* Whether the rest of a route names a socket of ours; *where_r a new string
 * that says which was looked for. */
static bool
is_ours(const struct check *c, const char *transport, const char *route,
    char **where_r)
{
	const struct conf_list *l = &c->conf->lmtp.listen;
	size_t i, len = strcspn(route, ", ");
	char *service = mem_printf("%s/unix", transport);
	bool found = false;

	*where_r = postfix_socket(service, route, len);
	free(service);
	if (strncmp(route, "inet:", 5) == 0) {
		for (i = 0; i < l->n; i++)
			found |= strncmp(l->items[i], "inet:", 5) == 0;
		return found;
	}
	len = strlen(*where_r);
	for (i = 0; i < l->n; i++)
		found |= strncmp(l->items[i], *where_r, len) == 0 &&
			 (l->items[i][len] == ':' || l->items[i][len] == '\0');
	return found;
}

static void
check_route(struct check *c, const char *name, const char *value,
    const char *transport, const char *rest)
{
	bool inet = strncmp(rest, "inet:", 5) == 0;
	char *where;

	if (is_ours(c, transport, rest, &where)) {
		check_fine(c, "%s = %s", name, value);
		if (!inet)
			(void)check_door(c, where + strlen("unix:"),
			    "lmtp.listen", "posternd");
	} else if (inet)
		check_wrong(c,
		    "add inet:ADDR:PORT to lmtp.listen and restart posternd",
		    "Postfix has %s = %s; lmtp.listen has no such socket", name,
		    value);
	else
		check_wrong(c,
		    "\"postern init --postfix\" makes the directory and "
		    "prints the lines for both files",
		    "Postfix has %s = %s, which is %s%s; lmtp.listen has no "
		    "such socket",
		    name, value, where,
		    is_chrooted(transport) ? " (in its chroot)" : "");
	free(where);
}

static char *
find_route(struct check *c)
{
	const char *rest;
	char *transport = NULL;
	struct buf value;
	struct err err;
	size_t i;

	for (i = 0; routes[i] != NULL; i++) {
		if (postfix_param(routes[i], &value, &err) == -1)
			continue;
		if (parse_route(value.data, &transport, &rest)) {
			check_route(c, routes[i], value.data, transport, rest);
			buf_free(&value);
			return transport;
		}
		buf_free(&value);
	}
	check_warn(c, "\"postern init --postfix\" prints the lines for main.cf",
	    "Postfix hands us no mail: no default_transport by LMTP");
	return NULL;
}

/* A limit of the transport, or what stands for all transports. */
static bool
limit(const char *transport, const char *what, int64_t *n_r)
{
	char name[160];
	struct err err;

	(void)snprintf(name, sizeof(name), "%s_%s", transport, what);
	if (postfix_number(name, n_r, &err) == 0)
		return true;
	(void)snprintf(name, sizeof(name), "default_%s", what);
	return postfix_number(name, n_r, &err) == 0;
}

/* With fewer, the time that SES's replies take leaves some of the rate unused. */
static void
check_busy(struct check *c, const char *transport, int64_t concurrency,
    int64_t recipients, const char *cure)
{
	double rate = c->conf->quota.rate;
	unsigned busy = postfix_busy(rate);

	if (concurrency >= busy)
		check_fine(c,
		    "%s: %lld deliveries at once x %lld recipients fit into "
		    "answer-within",
		    transport, (long long)concurrency, (long long)recipients);
	else
		check_warn(c, cure,
		    "%s: Postfix delivers %lld at once, but at %.15g a second "
		    "%u are under way when SES is far away: the rate may not "
		    "be reached",
		    transport, (long long)concurrency, rate, busy);
}

/* Beyond that product, some are put off that could have been sent. */
static void
check_limits(struct check *c, const char *transport)
{
	double rate = c->conf->quota.rate, slots;
	int64_t concurrency, recipients;
	unsigned less, fewer;
	char cure[400];

	if (!limit(transport, "destination_concurrency_limit", &concurrency) ||
	    !limit(transport, "destination_recipient_limit", &recipients))
		return;
	slots = rate * (double)c->conf->lmtp.answer_within / (double)US_PER_SEC;
	postfix_limits(rate, c->conf->lmtp.answer_within, &less, &fewer);
	(void)snprintf(cure, sizeof(cure),
	    "set %s_destination_concurrency_limit = %u and "
	    "%s_destination_recipient_limit = %u in main.cf",
	    transport, less, transport, fewer);
	if (rate < 0 || (double)(concurrency * recipients) <= slots) {
		check_busy(c, transport, concurrency, recipients, cure);
		return;
	}
	check_warn(c, cure,
	    "%s: Postfix hands over up to %lld x %lld recipients at once, but "
	    "at %.15g a second only %.0f get their turn within %lld s; the "
	    "rest is deferred for minutes",
	    transport, (long long)concurrency, (long long)recipients, rate,
	    slots, (long long)(c->conf->lmtp.answer_within / US_PER_SEC));
}

static void
check_patience(struct check *c)
{
	int64_t patience;
	struct err err;

	if (postfix_time("lmtp_data_done_timeout", &patience, &err) == -1)
		return;
	if (patience > c->conf->lmtp.answer_within)
		check_fine(c, "lmtp_data_done_timeout = %llds",
		    (long long)(patience / US_PER_SEC));
	else
		check_wrong(c,
		    "raise it in main.cf above lmtp.answer-within, or lower "
		    "that",
		    "Postfix waits %lld s after the final dot "
		    "(lmtp_data_done_timeout), no longer than answer-within: "
		    "it would give up and send again",
		    (long long)(patience / US_PER_SEC));
}

static void
check_lifetime(struct check *c)
{
	int64_t lifetime;
	struct err err;

	if (postfix_time("maximal_queue_lifetime", &lifetime, &err) == -1 ||
	    lifetime <= c->conf->store.repeat_window)
		return;
	check_warn(c, "raise store.repeat-window above it",
	    "Postfix keeps mail for %lld days (maximal_queue_lifetime), longer "
	    "than store.repeat-window: a late repeat would be sent twice",
	    (long long)(lifetime / (86400 * US_PER_SEC)));
}

void
check_unanswered(struct check *c, const char *param, const struct err *err)
{
	if (geteuid() != 0 && strstr(err->text, strerror(EACCES)) != NULL)
		check_warn(c, "run this as root to see it", "Postfix's %s: %s",
		    param, err->text);
	else
		check_wrong(c,
		    "mend it, or take it out; until then mail that needs it is "
		    "put off, and Postfix's log may say more",
		    "Postfix's %s: %s", param, err->text);
}

/* Without that nothing can be said of Postfix. */
static bool
asks(struct check *c)
{
	struct buf value;
	struct err err;

	if (postfix_param("queue_directory", &value, &err) == -1) {
		check_wrong(c,
		    "see that \"postconf\" prints Postfix's settings", "%s",
		    err.text);
		return false;
	}
	buf_free(&value);
	return true;
}

void
check_mta(struct check *c)
{
	char *transport;

	check_area(c, "Mail server");
	if (!postfix_there()) {
		check_fine(c, "no Postfix on this host, nothing to compare");
		return;
	}
	c->postfix = asks(c);
	if (!c->postfix)
		return;
	transport = find_route(c);
	if (transport == NULL)
		return;
	check_limits(c, transport);
	check_patience(c);
	check_lifetime(c);
	free(transport);
}
