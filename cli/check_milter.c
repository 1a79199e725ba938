/* SPDX-License-Identifier: BSD-2-Clause */
#include "config.h"

#include "cli/check.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>

#include "cli/door.h"
#include "cli/postfix.h"
#include "core/mem.h"

/*
 * Where Postfix on this host hands its mail to postern-milter, whether it is
 * there, and what Postfix does when it is not. Other milters are not our
 * business.
 */

#define SEEN_MAX ((size_t)16 * 1024)

struct milter {
	const char *list; /* that of main.cf, or of a service in master.cf */
	const struct postfix_milter *p;
	struct socket_spec spec;
};

struct milters {
	struct check *c;
	struct socket_spec own; /* milter.listen */
	struct buf action;	/* milter_default_action */
	struct buf seen;	/* addresses looked at, each between blanks */
	bool smtpd, local;	/* mail by SMTP, by sendmail(1) passes ours */
	bool unseen;		/* or may do so, by smtpd_milter_maps */
	bool common;		/* one of ours goes by milter_default_action, */
	bool smtpd_common, local_common; /* one that main.cf has, */
	struct buf services; /* or one of a list in master.cf: " LINE+ " */
};

/* What Postfix does with mail while its milter is away, and what is wrong with
 * that. */
static const struct {
	const char *action, *words, *warning;
} actions[] = {
	{ "accept", "mail passes without it",
	    "while postern-milter is away mail passes without it; posternd "
	    "goes by the same rules when it leaves, but who submitted it is "
	    "not on record" },
	{ "reject", "mail is refused for good",
	    "while postern-milter is away, if only for a restart, mail is "
	    "refused for good" },
	{ "quarantine", "mail stays in Postfix's hold queue",
	    "what is submitted while postern-milter is away stays in the hold "
	    "queue until somebody calls \"postsuper -H\"" },
	{ NULL, "mail is put off", NULL }, /* tempfail, shutdown */
};

static size_t
find_action(const char *action)
{
	size_t i = 0;

	while (actions[i].action != NULL &&
	       strcasecmp(action, actions[i].action) != 0)
		i++;
	return i;
}

static const char *
away(const struct milters *m, const struct milter *one)
{
	const char *own = one->p->action;

	return actions[find_action(own != NULL ? own : m->action.data)].words;
}

static void
not_there(const struct milters *m, const struct milter *one, const char *why)
{
	const struct socket_spec *spec = &one->spec;
	char where[sizeof(spec->path) + 20] = "";
	bool known = door_same(spec, &m->own);

	if (spec->is_unix)
		(void)snprintf(
		    where, sizeof(where), ", which is %s", spec->path);
	check_wrong(m->c, check_door_cure(known),
	    "Postfix has %s = %.*s%s: %s%s%s; so %s", one->list,
	    (int)one->p->len, one->p->address, where, why,
	    known ? "" : ", and milter.listen is ",
	    known ? "" : m->c->conf->milter.listen, away(m, one));
}

static void
try_milter(const struct milters *m, const struct milter *one)
{
	const struct socket_spec *spec = &one->spec;
	struct stat st;
	struct err err;

	if (spec->is_unix && lstat(spec->path, &st) == -1 && errno != EACCES) {
		not_there(m, one, "there is no such socket");
		return;
	}
	if (spec->is_unix &&
	    !check_door(m->c, spec->path, "milter.listen", "postern-milter"))
		return;
	if (spec->is_unix && check_hidden(m->c, spec->path, "a milter"))
		return;
	if (door_try_milter(spec, &err) == -1)
		not_there(m, one, err.text);
	else
		check_fine(m->c, "%s = %.*s: a milter answers", one->list,
		    (int)one->p->len, one->p->address);
}

static void
check_own_action(const struct milters *m, const struct milter *one)
{
	const char *warning = actions[find_action(one->p->action)].warning;

	if (warning != NULL)
		check_warn(m->c, "set default_action=tempfail in these braces",
		    "%s has { %.*s, default_action=%s }: %s", one->list,
		    (int)one->p->len, one->p->address, one->p->action, warning);
	else
		check_fine(
		    m->c, "%s: default_action=%s", one->list, one->p->action);
}

/* Each address is tried once, but may go by many actions. */
static bool
judge(struct milters *m, const struct milter *one)
{
	char *key;

	if (!door_is_ours(&one->spec, &m->own))
		return false;
	key = mem_printf(
	    " %s%s%s ", one->spec.path, one->spec.host, one->spec.port);
	if (strstr(m->seen.data, key) == NULL) {
		buf_adds(&m->seen, key);
		try_milter(m, one);
	}
	free(key);
	if (one->p->action != NULL)
		check_own_action(m, one);
	else
		m->common = true;
	return true;
}

/* A list that is looked through. */
struct list {
	struct milters *m;
	const char *name, *service;
	bool found;
};

static void
look_at(void *arg, const struct postfix_milter *p)
{
	struct list *l = arg;
	struct milter one = { .list = l->name, .p = p };

	if (postfix_milter_at(l->service, p, &one.spec) && judge(l->m, &one))
		l->found = true;
}

/* Whether our milter is among those in a value. */
static bool
look(
    struct milters *m, const char *name, const char *service, const char *value)
{
	struct list l = { m, name, service, false };

	postfix_milters(value, look_at, &l);
	return l.found;
}

static bool
look_param(struct milters *m, const char *name, const char *service)
{
	struct buf value;
	struct err err;
	bool found;

	if (postfix_param(name, &value, &err) == -1)
		return false;
	found = look(m, name, service, value.data);
	buf_free(&value);
	return found;
}

/* What tables have for this host. */
static bool
look_up(struct milters *m, const char *name, const char *tables)
{
	struct buf value;
	struct err err;
	int rc;

	buf_init(&value, SEEN_MAX);
	rc = postfix_lookup_first(tables, "127.0.0.1", &value, &err);
	if (rc == -1)
		check_unanswered(m->c, name, &err);
	if (rc == 1)
		rc = look(m, name, "*/inet", value.data);
	buf_free(&value);
	return rc == 1;
}

/* A table that stands in main.cf itself can be read; of one in a file, only
 * what it has for this host. */
static bool
look_maps(struct milters *m)
{
	static const char name[] = "smtpd_milter_maps";
	struct buf table;
	struct err err;
	bool found;

	if (postfix_param(name, &table, &err) == -1)
		return false;
	found = look(m, name, "*/inet", table.data);
	if (!found && postfix_has_tables())
		found = look_up(m, name, table.data);
	if (!found)
		check_fine(m->c,
		    "%s = %s: for which clients that has our milter is not "
		    "looked at",
		    name, table.data);
	m->unseen = !found;
	buf_free(&table);
	return found;
}

/* What stands in master.cf instead, for the submission service only, say. */
static void
look_override(
    void *arg, const char *where, const char *service, const char *value)
{
	struct milters *m = arg;
	bool found;

	m->common = false;
	found = look(m, where, service, value);
	buf_addf(&m->services, " %s%c ", where, m->common ? '+' : '-');
	if (strstr(where, "/non_smtpd_milters") != NULL)
		m->local |= found;
	else
		m->smtpd |= found;
}

static void
look_overrides(struct milters *m, const char *name, postfix_override_fn *fn)
{
	struct err err;

	if (postfix_overrides(name, fn, m, &err) == -1)
		check_warn(m->c, "see for yourself whether it is right", "%s",
		    err.text);
}

/* Mail that passes no milter is rewritten all the same when it leaves. */
static void
check_ways(const struct milters *m)
{
	/* Of what may do so enough has been said. */
	if (!m->smtpd && !m->local && m->unseen)
		return;
	if (!m->smtpd && !m->local)
		check_fine(m->c,
		    "Postfix asks no milter of ours: posternd rewrites senders "
		    "when mail leaves, and who submitted it is not on record");
	else if (!m->local)
		check_warn(m->c,
		    "name it in non_smtpd_milters in main.cf as well",
		    "mail by the sendmail command passes no milter of ours: "
		    "posternd rewrites its senders when it leaves, and who "
		    "submitted it is not on record");
	else if (!m->smtpd && !m->unseen)
		check_warn(m->c,
		    "name it in smtpd_milters as well, in main.cf or for the "
		    "submission service in master.cf",
		    "mail by SMTP passes no milter of ours: posternd rewrites "
		    "its senders when it leaves, and who submitted it is not "
		    "on "
		    "record");
}

static void
check_action(const struct milters *m, const char *name, const char *action)
{
	const char *warning = actions[find_action(action)].warning;

	if (warning != NULL)
		check_warn(m->c, "set milter_default_action = tempfail",
		    "%s = %s: %s", name, action, warning);
	else
		check_fine(m->c, "%s = %s", name, action);
}

/* Whether a service asks ours by a list of its own or by that of main.cf. */
static bool
is_common(const struct milters *m, const char *service)
{
	const char *type = strrchr(service, '/');
	bool smtpd = type != NULL && strcmp(type, "/unix") != 0, own, common;
	char *key = mem_printf(
	    " %s/%s", service, smtpd ? "smtpd_milters" : "non_smtpd_milters");
	const char *at = strstr(m->services.data, key);

	own = at != NULL;
	common = own && at[strlen(key)] == '+';
	free(key);
	return own ? common : smtpd ? m->smtpd_common : m->local_common;
}

static void
check_service(
    void *arg, const char *where, const char *service, const char *value)
{
	const struct milters *m = arg;

	if (is_common(m, service))
		check_action(m, where, value);
}

static void
check_actions(struct milters *m)
{
	if (m->smtpd_common || m->local_common ||
	    strstr(m->services.data, "+ ") != NULL)
		check_action(m, "milter_default_action", m->action.data);
	look_overrides(m, "milter_default_action", check_service);
}

void
check_milter(struct check *c)
{
	struct milters m = { .c = c };
	struct err err;

	if (!c->postfix)
		return;
	check_area(c, "Milter");
	if (socket_spec(c->conf->milter.listen, &m.own, &err) == -1)
		return;
	if (postfix_param("milter_default_action", &m.action, &err) == -1)
		buf_init(&m.action, 1);
	buf_init(&m.seen, SEEN_MAX);
	buf_init(&m.services, SEEN_MAX);
	m.smtpd = look_param(&m, "smtpd_milters", "*/inet");
	m.smtpd = look_maps(&m) || m.smtpd;
	m.smtpd_common = m.common;
	m.common = false;
	m.local = look_param(&m, "non_smtpd_milters", "cleanup/unix");
	m.local_common = m.common;
	look_overrides(&m, "smtpd_milters", look_override);
	look_overrides(&m, "non_smtpd_milters", look_override);
	check_ways(&m);
	check_actions(&m);
	buf_free(&m.services);
	buf_free(&m.seen);
	buf_free(&m.action);
}
