/* SPDX-License-Identifier: BSD-2-Clause */
#include "config.h"

#include "identity/rewrite_table.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "core/buf.h"
#include "core/lines.h"
#include "core/mem.h"

/*
 * The rules are tried one after the other. Tables have a few lines, and only
 * unverified senders come here.
 */
struct rewrite_table {
	atomic_uint refs;
	struct rewrite_rule *rules;
	size_t n;
};

/* Room for what {local} and {domain} may make of a side of the address. */
#define SIDE_MAX 1024

static bool
is_blank(char c)
{
	return c == ' ' || c == '\t';
}

/*
 * The first word of a line, where blanks may stand in a quoted string, is ended
 * in place; returns what follows it.
 */
static char *
split(char *line)
{
	bool quoted = false;

	for (; *line != '\0' && (quoted || !is_blank(*line)); line++) {
		if (*line == '"')
			quoted = !quoted;
		else if (quoted && *line == '\\' && line[1] != '\0')
			line++;
	}
	if (*line != '\0')
		*line++ = '\0';
	while (is_blank(*line))
		line++;
	return line;
}

static int
take_domain(struct rewrite_rule *r, const char *text, struct err *err)
{
	char domain[ADDRESS_DOMAIN_MAX + 1];

	if (address_domain_ascii(text, strlen(text), domain) == -1)
		return err_set(err, ERR_CONFIG, "\"%s\" is no domain", text);
	r->domain = mem_strdup(domain);
	return 0;
}

static void
take_local(struct rewrite_rule *r, const struct address *a)
{
	char local[ADDRESS_LOCAL_MAX + 1];

	(void)address_local(a, local);
	r->local = mem_strdup(local);
}

/* `user@`, or a quoted string with an @ behind it. */
static enum address_fault
take_user(struct rewrite_rule *r, size_t len, struct err *err)
{
	char *text = mem_printf("%.*s@x.example", (int)len, r->left);
	struct address a;
	enum address_fault fault;

	fault = address_parse(text, strlen(text), &a, err);
	if (fault == ADDRESS_OK)
		take_local(r, &a);
	free(text);
	return fault;
}

static int
take_left(struct rewrite_rule *r, struct err *err)
{
	size_t len = strlen(r->left);
	const char *domain = r->left + 1;
	struct address a;

	if (strcmp(r->left, "*") == 0)
		return 0;
	if (r->left[0] == '@') {
		r->subdomains = *domain == '.';
		return take_domain(r, domain + r->subdomains, err);
	}
	if (r->left[0] == '*' && r->left[1] == '@')
		return err_set(err, ERR_CONFIG,
		    "\"%s\" matches nothing: for everyone at a domain write "
		    "\"%s\"", r->left, domain);
	if (address_parse(r->left, len, &a, err) == ADDRESS_OK) {
		take_local(r, &a);
		return take_domain(r, address_domain(&a), err);
	}
	if (r->left[len - 1] == '@' &&
	    take_user(r, len - 1, err) == ADDRESS_OK)
		return 0;
	return err_set(err, ERR_CONFIG,
	    "\"%s\" matches nothing: on the left stands user@example.com, "
	    "@example.com, @.example.com for its subdomains, user@ or *",
	    r->left);
}

/* Append a side of the address with what its {local} and {domain} stand for. */
static int
expand(const char *text, size_t len, const char *local, const char *domain,
    struct buf *out, struct err *err)
{
	const char *end = text + len, *word;
	bool is_local, is_domain;
	size_t n;

	for (; text < end; text += n) {
		n = 1;
		if (*text != '{' && *text != '}') {
			buf_addc(out, *text);
			continue;
		}
		is_local = strncmp(text, "{local}", 7) == 0;
		is_domain = strncmp(text, "{domain}", 8) == 0;
		if (!is_local && !is_domain)
			return err_set(err, ERR_POLICY,
			    "braces are for {local} and {domain}");
		n = is_local ? 7 : 8;
		word = is_local ? local : domain;
		if (*word == '\0')
			return err_set(err, ERR_POLICY,
			    "there is nothing to put for %.*s", (int)n, text);
		buf_adds(out, word);
	}
	return 0;
}

int
rewrite_rule_address(const struct rewrite_rule *r, const char *local,
    const char *domain, struct address *address_r, struct err *err)
{
	const char *text = r->right, *at = strrchr(text, '@');
	struct buf left, right;
	int rc;

	buf_init(&left, SIDE_MAX);
	buf_init(&right, SIDE_MAX);
	rc = expand(text, (size_t)(at - text), local, domain, &left, err);
	if (rc == 0)
		rc = expand(at + 1, strlen(at + 1), local, domain, &right, err);
	if (rc == 0 && address_make(left.data, left.len, right.data, address_r,
			   err) != ADDRESS_OK)
		rc = -1;
	if (rc == -1)
		err->class = ERR_POLICY;
	buf_free(&left);
	buf_free(&right);
	return rc;
}

static int
take_right(struct rewrite_rule *r, struct err *err)
{
	static const struct {
		const char *word;
		enum rewrite_to to;
	} words[] = {
		{ "srs", REWRITE_TO_SRS },
		{ "reject", REWRITE_TO_REJECT },
		{ "defer", REWRITE_TO_DEFER },
	};
	const char *at = strchr(r->right, '@');
	struct address a;

	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		if (strcmp(r->right, words[i].word) == 0) {
			r->to = words[i].to;
			return 0;
		}
	if (strncmp(r->right, "fixed:", 6) == 0)
		return err_set(err, ERR_CONFIG,
		    "\"%s\" on the right: \"fixed:\" is for rewrite.default, "
		    "here stands the address alone", r->right);
	r->to = REWRITE_TO_ADDRESS;
	if (at == NULL || at == r->right || strchr(at + 1, '@') != NULL ||
	    strpbrk(r->right, "\" \t") != NULL)
		return err_set(err, ERR_CONFIG,
		    "\"%s\" on the right is neither an address, in which "
		    "{local} and {domain} stand for the sender's parts, nor "
		    "srs, reject or defer", r->right);
	if (rewrite_rule_address(r, "x", "x.example", &a, err) == -1)
		return err_context(err, "\"%s\" on the right is no address",
		    r->right);
	return 0;
}

static int
add_line(void *arg, char *line, size_t number, struct err *err)
{
	struct rewrite_table *t = arg;
	struct rewrite_rule *r;
	char *right = split(line);

	if (*right == '\0')
		return err_set(err, ERR_CONFIG,
		    "\"%s\" stands alone; a line has a sender and what becomes "
		    "of it, as in @example.com srs", line);
	t->rules = mem_grow(t->rules, t->n + 1, sizeof(*t->rules));
	r = &t->rules[t->n++];
	*r = (struct rewrite_rule) { .line = number };
	r->left = mem_strdup(line);
	r->right = mem_strdup(right);
	return take_left(r, err) == -1 ? -1 : take_right(r, err);
}

struct rewrite_table *
rewrite_table_load(const char *file, struct err *err)
{
	struct rewrite_table *t = mem_new(sizeof(*t));

	atomic_init(&t->refs, 1);
	if (*file != '\0' && lines_read(file, add_line, t, err) == -1) {
		rewrite_table_release(t);
		return NULL;
	}
	return t;
}

void
rewrite_table_release(struct rewrite_table *t)
{
	if (t == NULL ||
	    atomic_fetch_sub_explicit(&t->refs, 1, memory_order_acq_rel) != 1)
		return;
	for (size_t i = 0; i < t->n; i++) {
		free(t->rules[i].left);
		free(t->rules[i].right);
		free(t->rules[i].local);
		free(t->rules[i].domain);
	}
	free(t->rules);
	free(t);
}

static bool
domain_matches(const struct rewrite_rule *r, const char *domain)
{
	size_t len = strlen(domain), tail = strlen(r->domain);

	if (!r->subdomains)
		return strcasecmp(domain, r->domain) == 0;
	return len > tail + 1 && domain[len - tail - 1] == '.' &&
	    strcasecmp(domain + len - tail, r->domain) == 0;
}

const struct rewrite_rule *
rewrite_table_find(const struct rewrite_table *t, const char *local,
    const char *domain)
{
	for (size_t i = 0; i < t->n; i++) {
		const struct rewrite_rule *r = &t->rules[i];

		if ((r->local == NULL || (*local != '\0' &&
			strcasecmp(local, r->local) == 0)) &&
		    (r->domain == NULL || domain_matches(r, domain)))
			return r;
	}
	return NULL;
}

const struct rewrite_rule *
rewrite_table_item(const struct rewrite_table *t, size_t i)
{
	return i < t->n ? &t->rules[i] : NULL;
}

bool
rewrite_table_has_srs(const struct rewrite_table *t)
{
	for (size_t i = 0; i < t->n; i++)
		if (t->rules[i].to == REWRITE_TO_SRS)
			return true;
	return false;
}

static void *
load(const char *file, struct err *err)
{
	return rewrite_table_load(file, err);
}

static void
hold(void *p)
{
	struct rewrite_table *t = p;

	atomic_fetch_add_explicit(&t->refs, 1, memory_order_relaxed);
}

static void
release(void *t)
{
	rewrite_table_release(t);
}

static size_t
count(const void *t)
{
	return ((const struct rewrite_table *)t)->n;
}

const struct watched_kind rewrite_table_kind = { "senders", load, hold,
	release, count };
