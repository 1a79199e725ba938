/* SPDX-License-Identifier: BSD-2-Clause */
#include "config.h"

#include "identity/rules.h"

#include <stdlib.h>

#include "core/mem.h"
#include "identity/watched.h"

struct rules {
	struct conf *conf;
	struct watched *identities;
	struct watched *senders;
	struct watched *secret; /* NULL without one */
};

/* rewrite.default srs has been checked with the configuration. */
static int
check_srs(struct rules *rules, struct err *err)
{
	struct rewrite_table *table = watched_get(rules->senders);
	bool srs = rewrite_table_has_srs(table);

	rewrite_table_release(table);
	if (!srs || rules->secret != NULL)
		return 0;
	return err_set(err, ERR_CONFIG,
	    "%s has srs, which needs a key: name a file with one, as in "
	    "rewrite { secret = " SYSCONFDIR "/postern/rewrite-secret }",
	    rules->conf->rewrite.senders);
}

static int
open_files(struct rules *rules, struct err *err)
{
	const struct conf *conf = rules->conf;

	rules->identities = watched_open(&verified_kind, conf->identities.file,
	    err);
	if (rules->identities == NULL)
		return -1;
	rules->senders = watched_open(&rewrite_table_kind,
	    conf->rewrite.senders, err);
	if (rules->senders == NULL)
		return -1;
	if (conf->rewrite.secret[0] != '\0') {
		rules->secret = watched_open(&secret_kind,
		    conf->rewrite.secret, err);
		if (rules->secret == NULL)
			return -1;
	}
	return check_srs(rules, err);
}

struct rules *
rules_open(struct conf *conf, struct err *err)
{
	struct rules *rules = mem_new(sizeof(*rules));

	rules->conf = conf_hold(conf);
	if (open_files(rules, err) == 0)
		return rules;
	rules_close(rules);
	return NULL;
}

void
rules_close(struct rules *rules)
{
	if (rules == NULL)
		return;
	watched_close(rules->identities);
	watched_close(rules->senders);
	watched_close(rules->secret);
	conf_release(rules->conf);
	free(rules);
}

int
rules_test(struct conf *conf, struct err *err)
{
	struct rules *rules = rules_open(conf, err);

	rules_close(rules);
	return rules != NULL ? 0 : -1;
}

void
rules_get(struct rules *rules, const char *host, struct rewrite_rules *r)
{
	*r = (struct rewrite_rules) {
		.conf = conf_hold(rules->conf),
		.verified = watched_get(rules->identities),
		.table = watched_get(rules->senders),
		.host = host,
	};
	if (rules->secret != NULL)
		r->secret = watched_get(rules->secret);
}

void
rules_put(struct rewrite_rules *r)
{
	conf_release(r->conf);
	verified_release(r->verified);
	rewrite_table_release(r->table);
	secret_release(r->secret);
}
