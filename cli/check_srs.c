/* SPDX-License-Identifier: BSD-2-Clause */
#include "config.h"

#include "cli/check.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "cli/door.h"
#include "cli/postfix.h"
#include "core/clock.h"
#include "core/mem.h"
#include "identity/rewrite.h"

/*
 * The way back of bounces to SRS addresses, through Postfix on this host:
 * whether it takes mail for their domain, and whether it finds out whom they
 * stand for.
 */

#define ANSWER_MAX ((size_t)2000)
#define INIT                                                              \
	"\"postern init --postfix\" prints recipient_canonical_maps for " \
	"main.cf"

/* Domains that Postfix takes mail for. */
static const char *const domain_lists[] = { "mydestination",
	"virtual_alias_domains", "virtual_mailbox_domains", "relay_domains" };

/* Where an address of a recipient may become another one. */
static const char *const address_maps[] = { "recipient_canonical_maps",
	"canonical_maps", "virtual_alias_maps" };

struct way {
	struct check *c;
	struct rewrite_rules rules;
	const char *domain;	 /* of SRS addresses */
	struct address original; /* one to try it with, */
	struct address srs;	 /* made by our secret; "" where we have none */
};

/* A socketmap of ours in a table. */
struct map {
	const char *param;   /* of main.cf */
	const char *address; /* in the table, as Postfix has it, and its len */
	size_t len;
	bool proxied;
	char *where; /* the same as it really is */
	struct socket_spec spec;
};

static void
check_domain(const struct way *w)
{
	static const char list[] = "virtual_alias_domains in main.cf (default: "
				   "$virtual_alias_maps)";
	char cure[600];
	size_t i, n = sizeof(domain_lists) / sizeof(domain_lists[0]);
	struct err err;
	int rc = 0;

	for (i = 0; i < n && rc == 0; i += rc == 0)
		rc = postfix_has_domain(domain_lists[i], w->domain, &err);
	if (rc == -1) {
		check_unanswered(w->c, domain_lists[i], &err);
		return;
	}
	if (rc == 1) {
		check_fine(w->c, "Postfix takes mail for %s (%s)", w->domain,
		    domain_lists[i]);
		return;
	}
	if (w->c->conf->rewrite.srs_domain[0] != '\0')
		(void)snprintf(cure, sizeof(cure), "add it to %s", list);
	else
		(void)snprintf(cure, sizeof(cure),
		    "set rewrite.srs-domain to a domain of its own, as srs.%s "
		    "(verified with %s), point its MX here, and add it to %s",
		    w->domain, w->domain, list);
	check_warn(w->c, cure,
	    "Postfix takes no mail for %s, the domain of SRS addresses: "
	    "bounces "
	    "of rewritten mail go elsewhere and do not find their original",
	    w->domain);
}

/* Cut socketmap:unix:PATH:srs or socketmap:inet:HOST:PORT:srs out of a table;
 * other names are of other people's maps, as PostSRSd's. */
static bool
find_map(const char *table, struct map *m)
{
	const char *map = strstr(table, "socketmap:"), *end;
	struct err err;

	if (map == NULL)
		return false;
	end = map + strcspn(map, ", \t\r\n{}");
	m->address = map + strlen("socketmap:");
	m->len = (size_t)(end - m->address);
	if (m->len < 4 || strncmp(end - 4, ":srs", 4) != 0)
		return false;
	m->len -= 4;
	/* proxymap(8) is the one that asks for proxy:... */
	m->proxied = strncmp(table, "proxy:", 6) == 0 ||
		     (map - table >= 6 && strncmp(map - 6, "proxy:", 6) == 0);
	m->where = postfix_socket(
	    m->proxied ? "proxymap/unix" : "cleanup/unix", m->address, m->len);
	if (socket_spec(m->where, &m->spec, &err) == 0)
		return true;
	free(m->where);
	return false;
}

static void
no_way(const struct way *w, const struct map *m, const char *why)
{
	const char *own = w->c->conf->milter.socketmap;
	size_t len = strlen(m->where);
	bool known = strncmp(own, m->where, len) == 0 &&
		     (own[len] == ':' || own[len] == '\0');

	check_wrong(w->c, check_door_cure(known),
	    "Postfix's %s asks %s: %s%s%s; so bounces to SRS addresses are put "
	    "off",
	    m->param, m->where, why, known ? "" : ", and milter.socketmap is ",
	    known ? "" : own);
}

/* Whether what is there knows whom an address of ours stands for. */
static bool
knows(const struct way *w, const struct map *m)
{
	const char *key = *w->srs.text != '\0' ? w->srs.text : "postmaster";
	struct buf answer;
	struct err err;
	bool good = false;

	buf_init(&answer, ANSWER_MAX);
	if (door_ask_srs(&m->spec, key, &answer, &err) == -1)
		no_way(w, m, err.text);
	else if (strncmp(answer.data, "OK ", 3) != 0 &&
		 strncmp(answer.data, "NOTFOUND", 8) != 0)
		check_wrong(w->c,
		    "see postern-milter's log, and whether it is "
		    "postern-milter that answers there",
		    "Postfix's %s asks %s, which answers: %s; so bounces to "
		    "SRS addresses are put off",
		    m->param, m->where, answer.data);
	else if (*w->srs.text != '\0' && answer.data[0] == 'N')
		check_wrong(w->c,
		    "give postern-milter this host's rewrite.secret and "
		    "identities.file, and restart it",
		    "%s: postern-milter does not know an SRS address of this "
		    "configuration: bounces do not find their original",
		    m->where);
	else
		good = true;
	buf_free(&answer);
	return good;
}

/* The table as a whole, as Postfix would ask it, but for where the socket is: a
 * pattern before the socketmap may keep SRS addresses from it. proxymap(8) asks
 * for itself, and only what stands in main.cf. */
static void
ask_table(const struct way *w, const struct map *m, const char *table)
{
	char *real = m->proxied
			 ? mem_strdup(table)
			 : mem_printf("%.*s%s%s", (int)(m->address - table),
			       table, m->where, m->address + m->len);
	struct buf value;
	struct err err;
	int rc;

	buf_init(&value, ANSWER_MAX);
	if (*w->srs.text == '\0' || !postfix_has_tables())
		check_fine(w->c, "%s: the socketmap answers", m->param);
	else if ((rc = postfix_lookup(real, w->srs.text, &value, &err)) == -1)
		check_unanswered(w->c, m->param, &err);
	else if (rc == 1 && strcmp(value.data, w->original.text) == 0)
		check_fine(
		    w->c, "%s: an SRS address finds its original", m->param);
	else
		check_wrong(w->c, INIT,
		    "Postfix's %s does not find the original of an SRS "
		    "address, though the socketmap in it does: what stands "
		    "before it keeps them back",
		    m->param);
	buf_free(&value);
	free(real);
}

static void
check_map(const struct way *w, const struct map *m, const char *table)
{
	const struct socket_spec *spec = &m->spec;
	struct stat st;

	if (spec->is_unix && lstat(spec->path, &st) == -1 && errno != EACCES)
		no_way(w, m, "there is no such socket");
	else if ((!spec->is_unix ||
		     (!check_hidden(w->c, spec->path, "a socketmap") &&
			 check_door(w->c, spec->path, "milter.socketmap",
			     "postern-milter"))) &&
		 knows(w, m))
		ask_table(w, m, table);
}

static bool
look(const struct way *w, const char *param)
{
	struct map m = { .param = param };
	const char *at, *item;
	struct buf value;
	struct err err;
	bool found = false;
	char *table;
	size_t len;

	if (postfix_param(param, &value, &err) == -1)
		return false;
	at = value.data;
	while ((item = postfix_item(&at, &len)) != NULL) {
		table = mem_strndup(item, len);
		if (find_map(table, &m)) {
			found = true;
			check_map(w, &m, table);
			free(m.where);
		}
		free(table);
	}
	buf_free(&value);
	return found;
}

static void
check_way(const struct way *w)
{
	bool found = false;
	size_t i;

	check_domain(w);
	for (i = 0; i < sizeof(address_maps) / sizeof(address_maps[0]); i++)
		found = look(w, address_maps[i]) || found;
	if (!found)
		check_warn(w->c, INIT,
		    "Postfix asks no socketmap of ours (recipient_canonical_"
		    "maps): bounces to SRS addresses do not find their "
		    "original");
}

static bool
makes_srs(const struct rewrite_rules *rules)
{
	return rules->conf->rewrite.dflt == CONF_DEFAULT_SRS ||
	       rewrite_table_has_srs(rules->table);
}

/* What is wrong with files has been said with the rewriting. */
void
check_srs(struct check *c)
{
	static const char original[] = "postern-check@unverified.invalid";
	const struct conf *conf = c->conf;
	struct way w = { .c = c, .rules = { .conf = c->conf } };
	struct rewrite_rules *rules = &w.rules;
	struct err err;

	if (!c->postfix)
		return;
	rules->table = rewrite_table_load(conf->rewrite.senders, &err);
	rules->verified = verified_load(conf->identities.file, &err);
	if (conf->rewrite.secret[0] != '\0')
		rules->secret = secret_load(conf->rewrite.secret, &err);
	if (rules->table != NULL && rules->verified != NULL &&
	    makes_srs(rules) &&
	    (w.domain = rewrite_srs_domain(conf, rules->verified)) != NULL) {
		check_area(c, "Way back");
		(void)address_parse(
		    original, strlen(original), &w.original, &err);
		if (rules->secret == NULL ||
		    srs_forward(rules->secret, &w.original, w.domain,
			clock_wall_us(), &w.srs, &err) == -1)
			w.srs.text[0] = '\0';
		check_way(&w);
	}
	rewrite_table_release(rules->table);
	secret_release(rules->secret);
	verified_release(rules->verified);
}
