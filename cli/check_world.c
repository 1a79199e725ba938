/* SPDX-License-Identifier: BSD-2-Clause */
#include "config.h"

#include "cli/check.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "cli/door.h"
#include "cli/postfix.h"
#include "core/mem.h"

/*
 * Whether Postfix on this host gives the milter what strangers send to people
 * here: it would rewrite their senders as if they had submitted that mail.
 */

#define VALUE_MAX ((size_t)16 * 1024)

/* Nobody's client: a network for documentation (RFC 5737). */
#define STRANGER "203.0.113.1"

/* Whose mail Postfix takes from anybody. */
static const char *const domain_lists[] = { "mydestination",
	"virtual_alias_domains", "virtual_mailbox_domains", "relay_domains" };

struct world {
	struct check *c;
	struct socket_spec own; /* milter.listen */
	const char *list;	/* of domains, one that is not empty */
};

static bool
is_item(const char *item, size_t len, const char *name)
{
	return len == strlen(name) && strncasecmp(item, name, len) == 0;
}

/* Mail for localhost comes from nowhere else; what comes for a domain that SRS
 * has to itself leaves again, and posternd would do the same to it. */
static bool
has_people(const struct world *w, const char *param)
{
	static const char local[] = "localhost.";
	const char *at, *item, *srs = w->c->conf->rewrite.srs_domain;
	struct buf value;
	struct err err;
	bool found = false;
	size_t len;

	if (postfix_param(param, &value, &err) == -1)
		return false;
	at = value.data;
	while (!found && (item = postfix_item(&at, &len)) != NULL)
		found = *item != '!' && !is_item(item, len, "localhost") &&
			strncasecmp(item, local, strlen(local)) != 0 &&
			!is_item(item, len, srs);
	buf_free(&value);
	return found;
}

static const char *
people(const struct world *w)
{
	size_t i;

	for (i = 0; i < sizeof(domain_lists) / sizeof(domain_lists[0]); i++) {
		if (has_people(w, domain_lists[i]))
			return domain_lists[i];
	}
	return NULL;
}

static bool
is_loopback(const char *host, size_t len)
{
	if (len > 0 && *host == '[') {
		host++;
		len -= len > 1 && host[len - 2] == ']' ? 2 : 1;
	}
	return (len >= 4 && strncmp(host, "127.", 4) == 0) ||
	       is_item(host, len, "::1") || is_item(host, len, "localhost") ||
	       is_item(host, len, "loopback-only");
}

/* Services that name no address listen at these. */
static bool
interfaces_open(void)
{
	const char *at, *item;
	struct buf value;
	struct err err;
	bool open = false;
	size_t len;

	if (postfix_param("inet_interfaces", &value, &err) == -1)
		return false;
	at = value.data;
	while (!open && (item = postfix_item(&at, &len)) != NULL)
		open = !is_loopback(item, len);
	buf_free(&value);
	return open;
}

/* HOST:PORT/inet or PORT/inet; NAME/pass is where postscreen(8) hands over what
 * it took. */
static bool
is_open(const char *service)
{
	const char *type = strrchr(service, '/'), *colon, *port = service;

	if (type == NULL || strcmp(type, "/inet") != 0)
		return type != NULL && strcmp(type, "/pass") == 0;
	for (colon = service; colon < type; colon++) {
		if (*colon == ':')
			port = colon + 1;
	}
	if (!is_item(port, (size_t)(type - port), "smtp") &&
	    !is_item(port, (size_t)(type - port), "25"))
		return false;
	return port == service
		   ? interfaces_open()
		   : !is_loopback(service, (size_t)(port - 1 - service));
}

/* What a service of master.cf has for a parameter. */
struct own_value {
	const char *service;
	char *value;
};

static void
take_value(void *arg, const char *where, const char *service, const char *value)
{
	struct own_value *o = arg;

	(void)where;
	if (strcmp(service, o->service) != 0)
		return;
	free(o->value);
	o->value = mem_strdup(value);
}

/* That, or what main.cf has; a new string. */
static char *
value_of(const char *service, const char *param)
{
	struct own_value o = { service, NULL };
	struct buf value;
	struct err err;

	if (postfix_overrides(param, take_value, &o, &err) == -1 ||
	    o.value != NULL)
		return o.value != NULL ? o.value : mem_strdup("");
	if (postfix_param(param, &value, &err) == -1)
		return mem_strdup("");
	o.value = mem_strdup(value.data);
	buf_free(&value);
	return o.value;
}

/* A list of milters that is looked through. */
struct list {
	const struct world *w;
	const char *service;
	bool found;
};

static void
look_at(void *arg, const struct postfix_milter *p)
{
	struct list *l = arg;
	struct socket_spec spec;

	if (postfix_milter_at(l->service, p, &spec) &&
	    door_is_ours(&spec, &l->w->own))
		l->found = true;
}

/* What tables of milters have for a stranger: 1, 0, or -1 where that can't be
 * known, which has been said with the milter. */
static int
look_up(const char *tables, struct buf *value)
{
	const char *at = tables;
	struct err err;
	size_t len;

	if (postfix_item(&at, &len) == NULL)
		return 0;
	return postfix_has_tables()
		   ? postfix_lookup_first(tables, STRANGER, value, &err)
		   : -1;
}

/* Whether our milter gets what a service takes from a stranger. */
static bool
asks_ours(const struct world *w, const char *service)
{
	struct list l = { w, service, false };
	char *options = value_of(service, "receive_override_options");
	char *maps = value_of(service, "smtpd_milter_maps");
	char *milters = value_of(service, "smtpd_milters");
	struct buf value;
	int rc;

	buf_init(&value, VALUE_MAX);
	rc = look_up(maps, &value);
	if (rc != -1 && strstr(options, "no_milters") == NULL)
		postfix_milters(rc == 1 ? value.data : milters, look_at, &l);
	buf_free(&value);
	free(milters);
	free(maps);
	free(options);
	return l.found;
}

static void
look_service(
    void *arg, const char *where, const char *service, const char *command)
{
	const struct world *w = arg;

	(void)where;
	if (!is_item(command, strcspn(command, " "), "smtpd") ||
	    !is_open(service) || !asks_ours(w, service))
		return;
	check_warn(w->c,
	    "leave smtpd_milters out of main.cf and set it in master.cf for "
	    "the submission service only, or name your own clients in "
	    "smtpd_milter_maps, as README has it",
	    "%s asks our milter also for what strangers send to people here "
	    "(%s): that arrives with its sender rewritten, as if it had been "
	    "submitted",
	    service, w->list);
}

void
check_world(struct check *c)
{
	struct world w = { .c = c };
	struct err err;

	if (!c->postfix ||
	    socket_spec(c->conf->milter.listen, &w.own, &err) == -1 ||
	    (w.list = people(&w)) == NULL)
		return;
	if (postfix_services(look_service, &w, &err) == -1)
		check_warn(
		    c, "see for yourself whether it is right", "%s", err.text);
}
