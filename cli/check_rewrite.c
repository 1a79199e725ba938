/* SPDX-License-Identifier: BSD-2-Clause */
#include "config.h"

#include "cli/check.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/clock.h"
#include "core/mem.h"
#include "identity/rewrite.h"

/*
 * The rewrite rules: whether their files are good, and whether what they make
 * would be taken by SES. posternd and the milter find the rest out only when
 * such a sender comes.
 */

void
check_unread(struct check *c, const char *key, const struct err *err,
    const char *mend, const char *make)
{
	if (err->class != ERR_LOCAL)
		check_wrong(c, mend, "%s: %s", key, err->text);
	else if (strstr(err->text, strerror(ENOENT)) != NULL)
		check_wrong(c, make, "%s: %s", key, err->text);
	else if (geteuid() != 0)
		check_warn(c, "run this as root to see it", "%s: %s", key,
		    err->text);
	else
		check_wrong(c, "see what keeps root from reading it", "%s: %s",
		    key, err->text);
}

static struct rewrite_table *
load_table(struct check *c)
{
	const char *file = c->conf->rewrite.senders;
	struct rewrite_table *table;
	struct err err;

	table = rewrite_table_load(file, &err);
	if (table == NULL)
		check_unread(c, "rewrite.senders", &err,
		    "mend that line; until then what was read before stays in "
		    "force, and posternd and postern-milter do not start",
		    "make it (an empty one will do), or take rewrite.senders "
		    "out; without it posternd and postern-milter do not start");
	else if (file[0] != '\0')
		check_file(c, file);
	return table;
}

static struct secret *
load_secret(struct check *c)
{
	const char *file = c->conf->rewrite.secret;
	struct secret *secret = NULL;
	struct err err;

	if (file[0] == '\0')
		return NULL;
	if ((secret = secret_load(file, &err)) == NULL)
		check_unread(c, "rewrite.secret", &err,
		    "one key a line, and nobody but root and daemon.user's "
		    "group may read it; until then posternd and "
		    "postern-milter do not start",
		    "\"postern init\" makes one with a new key; without it "
		    "posternd and postern-milter do not start");
	else
		check_file(c, file);
	return secret;
}

/* Whether what becomes of a sender is the operator's error. */
static bool
ask(struct check *c, const struct rewrite_rules *rules, const char *sender)
{
	struct rewrite_decision d;

	rewrite_sender(rules, sender, strlen(sender), clock_wall_us(), &d);
	if (strcmp(d.dsn, "4.3.5") != 0)
		return true;
	check_wrong(c,
	    "until then mail of such senders stays in the mail server's queue",
	    "a sender such as <%s> %s", sender, d.why);
	return false;
}

/* A sender that each rule is for. */
static bool
ask_rules(struct check *c, const struct rewrite_rules *rules)
{
	const struct rewrite_rule *r;
	bool good = true;
	char *sender;

	for (size_t i = 0; (r = rewrite_table_item(rules->table, i)) != NULL;
	     i++) {
		sender = mem_printf("%s@%s%s",
		    r->local != NULL ? r->local : "sender",
		    r->subdomains ? "sub." : "",
		    r->domain != NULL ? r->domain : "unverified.invalid");
		good = ask(c, rules, sender) && good;
		free(sender);
	}
	return good;
}

static bool
ask_null_sender(struct check *c, const struct rewrite_rules *rules)
{
	struct address sender;
	struct err err;

	if (verified_none(rules->verified) ||
	    rewrite_null_sender(rules, &sender, &err) == 0)
		return true;
	check_wrong(c, "until then bounces stay in the mail server's queue",
	    "%s", err.text);
	return false;
}

/* Bounces come to the domain of SRS addresses: which that is had better not hang
 * on the order of a list. */
static void
check_srs_domain(struct check *c, const struct rewrite_rules *rules)
{
	const struct conf *conf = c->conf;
	const char *item;
	size_t n = 0;

	if (conf->rewrite.srs_domain[0] != '\0' ||
	    (conf->rewrite.dflt != CONF_DEFAULT_SRS &&
		!rewrite_table_has_srs(rules->table)))
		return;
	for (size_t i = 0; (item = verified_item(rules->verified, i)) != NULL;
	     i++)
		n += strchr(item, '@') == NULL;
	if (n > 1)
		check_warn(c,
		    "set rewrite.srs-domain to one whose mail comes to this "
		    "mail server: bounces go there",
		    "SRS addresses are made at %s only because it is the first "
		    "of %zu verified domains",
		    rewrite_srs_domain(conf, rules->verified), n);
}

static void
ask_all(struct check *c, struct rewrite_rules *rules)
{
	struct rewrite_table *table = rules->table;
	struct err err;
	size_t n = 0;
	bool good;

	good = ask_null_sender(c, rules);
	good = ask_rules(c, rules) && good;
	check_srs_domain(c, rules);
	while (rewrite_table_item(table, n) != NULL)
		n++;
	if ((rules->table = rewrite_table_load("", &err)) != NULL) {
		good = ask(c, rules, "sender@unverified.invalid") && good;
		rewrite_table_release(rules->table);
	}
	rules->table = table;
	if (good)
		check_fine(c, "%zu rules, otherwise %s", n,
		    c->conf->rewrite.dflt_text);
}

void
check_rewrite(struct check *c)
{
	struct rewrite_rules rules = { .conf = c->conf };
	struct err err;

	check_area(c, "Rewriting");
	rules.table = load_table(c);
	rules.secret = load_secret(c);
	rules.verified = verified_load(c->conf->identities.file, &err);
	if (rules.table != NULL && rules.verified != NULL &&
	    (rules.secret != NULL || c->conf->rewrite.secret[0] == '\0'))
		ask_all(c, &rules);
	rewrite_table_release(rules.table);
	secret_release(rules.secret);
	verified_release(rules.verified);
}
