/* SPDX-License-Identifier: BSD-2-Clause */
#include "config.h"

#include "identity/rewrite.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "core/buf.h"
#include "core/cut.h"

/*
 * What is wrong with this site's configuration defers: only what is wrong with
 * the sender may bounce mail.
 *
 * The rules are also for senders that are no address to SES: cron jobs write as
 * www-data@web_1, whose underscore no domain may have, and people in Japan as
 * themselves. Their parts are taken as far as they can be told.
 */

/* A sender on its way through the rules. */
struct sender {
	const struct rewrite_rules *rules;
	int64_t wall_us;
	struct rewrite_decision *d;
	enum address_fault fault;
	struct err why; /* words for the fault */
	char local[ADDRESS_LOCAL_MAX + 1]; /* "" when it can't be told */
	char domain[ADDRESS_DOMAIN_MAX + 1];
};

/* How much is shown of each side of a rule: its line can be looked up. */
#define SIDE_SHOWN (60 + 1)

/* By whom something is so, in words. */
struct by {
	char text[200];
};

static void
printable(char *s)
{
	for (; *s != '\0'; s++)
		if (*s < ' ' || *s >= 0x7f)
			*s = '?';
}

static void decide(struct sender *s, enum rewrite_action action,
    const char *dsn, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));

static void
decide(struct sender *s, enum rewrite_action action, const char *dsn,
    const char *fmt, ...)
{
	struct rewrite_decision *d = s->d;
	va_list ap;

	d->action = action;
	(void)snprintf(d->dsn, sizeof(d->dsn), "%s", dsn);
	va_start(ap, fmt);
	cut_vprintf(d->why, sizeof(d->why), fmt, ap);
	va_end(ap);
	printable(d->why);
}

bool
rewrite_covered(const struct rewrite_rules *rules, const struct address *a)
{
	return verified_none(rules->verified) ||
	    verified_by(rules->verified, a) != NULL;
}

const char *
rewrite_srs_domain(const struct conf *conf, const struct verified *verified)
{
	const char *item;

	if (conf->rewrite.srs_domain[0] != '\0')
		return conf->rewrite.srs_domain;
	for (size_t i = 0; (item = verified_item(verified, i)) != NULL; i++)
		if (strchr(item, '@') == NULL)
			return item;
	return NULL;
}

enum srs_result
rewrite_srs_reverse(const struct rewrite_rules *rules,
    const struct address *srs, int64_t wall_us, struct address *original_r,
    struct err *err)
{
	const char *set = rules->conf->rewrite.srs_domain;
	const char *item = verified_by(rules->verified, srs);
	enum srs_result result = SRS_NONE;

	if (set[0] != '\0')
		result = srs_reverse(rules->secret, srs, set, wall_us,
		    original_r, err);
	if (result == SRS_NONE && item != NULL && strchr(item, '@') == NULL)
		result = srs_reverse(rules->secret, srs, item, wall_us,
		    original_r, err);
	return result;
}

int
rewrite_null_sender(const struct rewrite_rules *rules,
    struct address *sender_r, struct err *err)
{
	const struct conf *conf = rules->conf;
	const char *set = conf->rewrite.null_sender;

	if (set[0] == '\0') {
		if (verified_null_sender(rules->verified, sender_r) == 0)
			return 0;
		return err_set(err, ERR_CONFIG,
		    "Amazon SES takes no null sender, and nothing is there to "
		    "stand in for it: set rewrite null-sender in %s, or list "
		    "the verified identities in the file that identities file "
		    "names", conf->file);
	}
	if (address_parse(set, strlen(set), sender_r, err) != ADDRESS_OK) {
		err->class = ERR_CONFIG;
		return err_context(err, "rewrite null-sender in %s is no "
		    "address", conf->file);
	}
	if (rewrite_covered(rules, sender_r))
		return 0;
	return err_set(err, ERR_CONFIG,
	    "rewrite null-sender <%s> is not a verified identity of this SES "
	    "account: mend %s or add it to %s", sender_r->text, conf->file,
	    conf->identities.file);
}

void
rewrite_bare(const char **text, size_t *len)
{
	const char *p = *text, *colon;

	if (*len < 2 || p[0] != '<' || p[*len - 1] != '>')
		return;
	p++;
	*len -= 2;
	if (*len > 0 && *p == '@' && (colon = memchr(p, ':', *len)) != NULL) {
		*len -= (size_t)(colon + 1 - p);
		p = colon + 1;
	}
	*text = p;
}

/* `root` and `root@` become root@HOST, as the MTA would have had it. */
static void
complete(struct sender *s, const char *text, size_t len)
{
	const char *host = s->rules->host;
	struct buf full;

	if (host == NULL)
		return;
	buf_init(&full, ADDRESS_MAX + strlen(host) + 1);
	buf_add(&full, text, text[len - 1] == '@' ? len - 1 : len);
	buf_addf(&full, "@%s", host);
	if (!full.overflow)
		s->fault = address_parse(full.data, full.len, &s->d->original,
		    &s->why);
	s->d->completed = s->fault == ADDRESS_OK;
	buf_free(&full);
}

/* Past the local part: the last @, since a domain has none. */
static const char *
last_at(const char *text, size_t len)
{
	while (len > 0 && text[len - 1] != '@')
		len--;
	return len == 0 ? NULL : text + len - 1;
}

/* The parts of what is no address, each as far as it is one. */
static void
guess_parts(struct sender *s, const char *text, size_t len)
{
	const char *at = last_at(text, len);
	size_t rest = at == NULL ? 0 : (size_t)(text + len - at - 1);
	struct address a;
	struct buf local;
	struct err err;

	if (rest > 0 && rest <= ADDRESS_DOMAIN_MAX &&
	    address_domain_ascii(at + 1, rest, s->domain) == -1) {
		memcpy(s->domain, at + 1, rest);
		s->domain[rest] = '\0';
		printable(s->domain);
	}
	buf_init(&local, ADDRESS_MAX);
	buf_add(&local, text, at == NULL ? len : (size_t)(at - text));
	buf_adds(&local, "@x.example");
	if (!local.overflow &&
	    address_parse(local.data, local.len, &a, &err) == ADDRESS_OK)
		(void)address_local(&a, s->local);
	buf_free(&local);
}

static void
take_apart(struct sender *s, const char *text, size_t len)
{
	struct address *a = &s->d->original;

	s->fault = address_parse(text, len, a, &s->why);
	if (s->fault == ADDRESS_NO_DOMAIN)
		complete(s, text, len);
	if (s->fault != ADDRESS_OK) {
		guess_parts(s, text, len);
		return;
	}
	(void)address_local(a, s->local);
	(void)snprintf(s->domain, sizeof(s->domain), "%s", address_domain(a));
}

static void
malformed(struct sender *s)
{
	decide(s, REWRITE_REJECT, "5.6.0",
	    "is no address that Amazon SES takes: %s", s->why.text);
}

/* rewrite.default reject or defer. An operator may want to look before mail
 * bounces; but what is no address will never be one. */
static void
refuse(struct sender *s, bool defer)
{
	if (s->fault != ADDRESS_OK)
		malformed(s);
	else
		decide(s, defer ? REWRITE_DEFER : REWRITE_REJECT,
		    defer ? "4.7.1" : "5.7.1",
		    "is not a verified identity of this SES account; verify it "
		    "and add it to %s (see: postern identities %s)",
		    s->rules->conf->identities.file,
		    address_pasteable(&s->d->original));
}

static void
replace(struct sender *s, const struct address *to, const struct by *by)
{
	if (rewrite_covered(s->rules, to)) {
		decide(s, REWRITE_REPLACE, "", "%s", by->text);
		s->d->to = *to;
		return;
	}
	decide(s, REWRITE_DEFER, "4.3.5",
	    "would become <%s> by %s, which is not a verified identity of this "
	    "SES account; mend that, or add it to %s", to->text, by->text,
	    s->rules->conf->identities.file);
}

/* A local part has 64 bytes, and those of bulk mailers (VERP) and forwarders
 * (SRS) often leave none for SRS. Such mail had better go without a way back
 * than not at all. */
static void
too_long(struct sender *s, const struct by *by, const struct err *why)
{
	struct address null;
	struct err err;

	if (rewrite_null_sender(s->rules, &null, &err) == 0) {
		decide(s, REWRITE_REPLACE, "",
		    "%s; too long for SRS, so rewrite null-sender stands in, "
		    "and bounces do not find the way back", by->text);
		s->d->to = null;
		return;
	}
	decide(s, REWRITE_REJECT, "5.7.1",
	    "can't become an SRS address (%s): %s", by->text, why->text);
}

static void
srs(struct sender *s, const struct by *by)
{
	const struct rewrite_rules *rules = s->rules;
	const char *domain = rewrite_srs_domain(rules->conf, rules->verified);
	struct address to;
	struct err err;

	if (s->fault != ADDRESS_OK)
		malformed(s);
	else if (rules->secret == NULL)
		decide(s, REWRITE_DEFER, "4.3.5",
		    "would become an SRS address by %s, which needs a key: "
		    "set rewrite secret in %s", by->text, rules->conf->file);
	else if (domain == NULL)
		decide(s, REWRITE_DEFER, "4.3.5",
		    "would become an SRS address by %s, and there is no "
		    "verified domain for it: set rewrite srs-domain in %s",
		    by->text, rules->conf->file);
	else if (srs_forward(rules->secret, &s->d->original, domain,
		     s->wall_us, &to, &err) == -1)
		too_long(s, by, &err);
	else
		replace(s, &to, by);
}

static void
by_rule(struct sender *s, const struct rewrite_rule *rule)
{
	const char *file = s->rules->conf->rewrite.senders;
	char left[SIDE_SHOWN], right[SIDE_SHOWN];
	struct address to;
	struct err err;
	struct by by;

	cut_printf(by.text, sizeof(by.text), "line %zu of %s (%s %s)",
	    rule->line, file, cut_mark(left, sizeof(left), rule->left),
	    cut_mark(right, sizeof(right), rule->right));
	switch (rule->to) {
	case REWRITE_TO_ADDRESS:
		if (rewrite_rule_address(rule, s->local, s->domain, &to,
			&err) == 0)
			replace(s, &to, &by);
		else
			decide(s, REWRITE_REJECT, "5.7.1",
			    "can't be rewritten by %s: %s", by.text, err.text);
		break;
	case REWRITE_TO_SRS:
		srs(s, &by);
		break;
	case REWRITE_TO_REJECT:
		decide(s, REWRITE_REJECT, "5.7.1", "may not send: %s", by.text);
		break;
	case REWRITE_TO_DEFER:
		decide(s, REWRITE_DEFER, "4.7.1", "may not send for now: %s",
		    by.text);
		break;
	}
}

static void
by_default(struct sender *s)
{
	const struct conf *conf = s->rules->conf;
	const char *fixed = conf->rewrite.fixed;
	struct address to;
	struct err err;
	struct by by;

	cut_printf(by.text, sizeof(by.text), "rewrite default = %s",
	    conf->rewrite.dflt_text);
	switch (conf->rewrite.dflt) {
	case CONF_DEFAULT_REJECT:
		refuse(s, false);
		break;
	case CONF_DEFAULT_DEFER:
		refuse(s, true);
		break;
	case CONF_DEFAULT_SRS:
		srs(s, &by);
		break;
	case CONF_DEFAULT_FIXED:
		if (address_parse(fixed, strlen(fixed), &to, &err) ==
		    ADDRESS_OK)
			replace(s, &to, &by);
		else
			decide(s, REWRITE_DEFER, "4.3.5",
			    "would become what %s says, which is no address: "
			    "%s", by.text, err.text);
		break;
	}
}

/* A good address that nobody need rewrite, if it is one. */
static bool
passes(struct sender *s)
{
	const struct verified *verified = s->rules->verified;
	struct rewrite_decision *d = s->d;
	const char *by;

	if (s->fault != ADDRESS_OK)
		return false;
	by = verified_by(verified, &d->original);
	if (by == NULL && !verified_none(verified))
		return false;
	decide(s, d->completed ? REWRITE_REPLACE : REWRITE_PASS, "",
	    "%s%s%s", d->completed ? "completed with the host's name; " : "",
	    by != NULL ? "covered by " : "no identities are known",
	    by != NULL ? by : "");
	d->to = d->original;
	return true;
}

void
rewrite_sender(const struct rewrite_rules *rules, const char *address,
    size_t len, int64_t wall_us, struct rewrite_decision *d)
{
	struct sender s = { .rules = rules, .wall_us = wall_us, .d = d };
	const struct rewrite_rule *rule;

	memset(d, 0, sizeof(*d));
	rewrite_bare(&address, &len);
	if (len == 0) {
		decide(&s, REWRITE_PASS, "", "the null sender");
		return;
	}
	take_apart(&s, address, len);
	if (passes(&s))
		return;
	d->completed = false;
	if (verified_none(rules->verified))
		malformed(&s);
	else if ((rule = rewrite_table_find(rules->table, s.local,
		      s.domain)) != NULL)
		by_rule(&s, rule);
	else
		by_default(&s);
}
