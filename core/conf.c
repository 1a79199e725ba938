/* SPDX-License-Identifier: BSD-2-Clause */
#include "config.h"

#include "core/conf.h"

#include <confuse.h>
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "core/buf.h"
#include "core/conf_check.h"
#include "core/conf_scan.h"
#include "core/conf_table.h"
#include "core/mem.h"

/*
 * A file is read whole, looked over by conf_scan (names, repeats, what
 * libConfuse would let pass), and then parsed by libConfuse, which calls
 * take_value for each value. A struct conf is handed out only when everything
 * held.
 */

#define FILE_MAX ((size_t)1024 * 1024)

struct reading {
	struct conf *conf;
	const char *file;
	unsigned *key_line; /* where each key of the table stands, 0 unset */
	unsigned *section_line; /* where each section opens, at its first key */
	struct err *err;
	bool failed; /* err is set */
};

/* libConfuse's scanner is global, and its callbacks are given no pointer of
 * ours. */
static pthread_mutex_t parse_lock = PTHREAD_MUTEX_INITIALIZER;
static struct reading *parsing; /* under parse_lock */

static pthread_mutex_t refs_lock = PTHREAD_MUTEX_INITIALIZER;
static struct conf *current; /* under refs_lock, as are all refs */

struct conf *
conf_hold(struct conf *c)
{
	(void)pthread_mutex_lock(&refs_lock);
	c->refs++;
	(void)pthread_mutex_unlock(&refs_lock);
	return c;
}

static void
conf_free(struct conf *c)
{
	size_t i;

	for (i = 0; i < conf_nkeys; i++)
		conf_value_free(&conf_keys[i], c);
	free(c->file);
	free(c);
}

void
conf_release(struct conf *c)
{
	bool last;

	if (c == NULL)
		return;
	(void)pthread_mutex_lock(&refs_lock);
	last = --c->refs == 0;
	(void)pthread_mutex_unlock(&refs_lock);
	if (last)
		conf_free(c);
}

void
conf_set_current(struct conf *c)
{
	struct conf *old;

	(void)pthread_mutex_lock(&refs_lock);
	old = current;
	current = c;
	if (c != NULL)
		c->refs++;
	(void)pthread_mutex_unlock(&refs_lock);
	conf_release(old);
}

struct conf *
conf_current(void)
{
	struct conf *c;

	(void)pthread_mutex_lock(&refs_lock);
	c = current;
	if (c != NULL)
		c->refs++;
	(void)pthread_mutex_unlock(&refs_lock);
	return c;
}

static int
read_file(const char *file, struct buf *text, struct err *err)
{
	FILE *f = fopen(file, "re");
	char *room;
	size_t n;
	int rc = 0;

	if (f == NULL)
		return err_sys(err, ERR_LOCAL, errno,
		    "the configuration %s can't be read", file);
	while ((room = buf_room(text, 4096)) != NULL &&
	       (n = fread(room, 1, 4096, f)) > 0)
		buf_filled(text, n);
	if (ferror(f))
		rc = err_sys(err, ERR_LOCAL, errno,
		    "the configuration %s can't be read", file);
	else if (text->overflow)
		rc = err_set(err, ERR_CONFIG,
		    "%s: larger than %zu bytes: this is no configuration", file,
		    FILE_MAX);
	(void)fclose(f);
	return rc;
}

static int
unknown(const struct conf_name *section, const struct conf_name *key,
    struct err *err)
{
	struct buf hint;

	buf_init(&hint, 384);
	conf_suggest(section->text, section->len, key->text, key->len, &hint);
	if (key->len > 0)
		(void)err_set(err, ERR_CONFIG,
		    "section %.*s has no key \"%.*s\": %s%s", (int)section->len,
		    section->text, (int)key->len, key->text,
		    hint.data[0] == 'd' || hint.data[0] == 'i' ? "" : "it has ",
		    hint.data);
	else
		(void)err_set(err, ERR_CONFIG, "no section \"%.*s\": %s",
		    (int)section->len, section->text, hint.data);
	buf_free(&hint);
	return -1;
}

/* From conf_scan: know every name once. */
static int
take_name(void *arg, const struct conf_name *section,
    const struct conf_name *key, unsigned line, struct err *err)
{
	struct reading *r = arg;
	const struct conf_key *k;
	unsigned *where;

	if (section->len == 0 && key->len > 0)
		return err_set(err, ERR_CONFIG,
		    "\"%.*s\" stands outside of any section: write "
		    "SECTION { %.*s = ... }",
		    (int)key->len, key->text, (int)key->len, key->text);
	k = conf_key_find(section->text, section->len, key->text, key->len);
	if (k == NULL)
		return unknown(section, key, err);
	where = key->len > 0 ? &r->key_line[k - conf_keys]
			     : &r->section_line[k - conf_keys];
	if (*where != 0)
		return err_set(err, ERR_CONFIG,
		    "%s %s stands in line %u already: keep one of the two",
		    key->len > 0 ? "key" : "section",
		    key->len > 0 ? k->name : k->section, *where);
	*where = line;
	return 0;
}

/* From libConfuse, for each value and each item of a list. */
static int
take_value(cfg_t *section, cfg_opt_t *opt, const char *value, void *result)
{
	struct reading *r = parsing;
	const struct conf_key *k;

	k = conf_key_find(
	    section->name, strlen(section->name), opt->name, strlen(opt->name));
	if (conf_value_set(k, r->conf, value, r->err) == -1) {
		r->failed = true;
		return err_context(
		    r->err, "%s:%d: %s", r->file, section->line, k->name);
	}
	*(const char **)result = ""; /* libConfuse need not keep it too */
	return 0;
}

/* From libConfuse, when tokens come in an order that it does not know. */
static void __attribute__((format(printf, 2, 0)))
take_error(cfg_t *section, const char *fmt, va_list ap)
{
	struct reading *r = parsing;
	char text[256];

	if (r->failed)
		return;
	r->failed = true;
	(void)vsnprintf(text, sizeof(text), fmt, ap);
	(void)err_set(r->err, ERR_CONFIG,
	    "%s:%d: %s: write SECTION { NAME = VALUE ... }, and values with "
	    "other characters than letters and digits in quotes",
	    r->file, section->line, text);
}

/* The table as libConfuse wants it: opts for the keys, sections over them. */
static void
declare(cfg_opt_t *opts, cfg_opt_t *sections)
{
	const cfg_opt_t end = CFG_END();
	size_t i;

	for (i = 0; i < conf_nkeys; i++) {
		if (i == 0 || strcmp(conf_keys[i].section,
				  conf_keys[i - 1].section) != 0) {
			if (i > 0)
				*opts++ = end;
			*sections++ = (cfg_opt_t)CFG_SEC(
			    conf_keys[i].section, opts, CFGF_NONE);
		}
		*opts = (cfg_opt_t)CFG_STR_CB(
		    conf_keys[i].key, NULL, CFGF_NODEFAULT, take_value);
		if (conf_keys[i].kind == CONF_LIST)
			opts->flags |= CFGF_LIST;
		opts++;
	}
	*opts = end;
	*sections = end;
}

static int
parse(struct reading *r, const char *text)
{
	cfg_opt_t *opts = mem_array(2 * conf_nkeys + 1, sizeof(*opts));
	cfg_opt_t *sections = mem_array(conf_nkeys + 1, sizeof(*sections));
	cfg_t *cfg;
	int rc;

	declare(opts, sections);
	(void)pthread_mutex_lock(&parse_lock);
	parsing = r;
	cfg = cfg_init(sections, CFGF_NONE);
	(void)cfg_set_error_function(cfg, take_error);
	rc = cfg_parse_buf(cfg, text);
	(void)cfg_free(cfg);
	parsing = NULL;
	(void)pthread_mutex_unlock(&parse_lock);
	free(sections);
	free(opts);
	if (rc != CFG_SUCCESS && !r->failed)
		(void)err_set(
		    r->err, ERR_LOCAL, "%s: can't be parsed", r->file);
	return rc == CFG_SUCCESS ? 0 : -1;
}

static int
scan_and_parse(struct reading *r, char *text, size_t len)
{
	unsigned line = 0;
	size_t i;

	if (conf_scan(text, len, take_name, r, &line, r->err) == -1)
		return err_context(r->err, "%s:%u", r->file, line);
	for (i = 0; i < conf_nkeys; i++) {
		if (r->key_line[i] == 0)
			conf_value_default(&conf_keys[i], r->conf);
	}
	return parse(r, text);
}

/* A list that is set to {} where that makes no sense. */
static int
check_empty(const struct reading *r, struct err *err)
{
	const struct conf_key *k;
	const struct conf_list *l;
	size_t i;

	for (i = 0; i < conf_nkeys; i++) {
		k = &conf_keys[i];
		if (!k->not_empty || r->key_line[i] == 0)
			continue;
		l = (const void *)((const char *)r->conf + k->offset);
		if (l->n == 0)
			return err_set(err, ERR_CONFIG,
			    "%s:%u: %s: the list is empty: name at least one "
			    "(%s)",
			    r->file, r->key_line[i], k->name, k->help);
	}
	return 0;
}

/* "FILE:LINE: " of a key, or "FILE: " when it is not set. */
static int
at_key(const struct reading *r, const char *section, const char *key,
    struct err *err)
{
	const struct conf_key *k;

	k = conf_key_find(section, strlen(section), key, strlen(key));
	if (r->key_line[k - conf_keys] == 0)
		return err_context(err, "%s: %s", r->file, k->name);
	return err_context(
	    err, "%s:%u: %s", r->file, r->key_line[k - conf_keys], k->name);
}

/*
 * One posternd serves one account in one region, whose name must be known: it
 * is in most endpoints' names, and these must agree with each other and with
 * ses.region.
 */
static int
find_region(struct reading *r, struct err *err)
{
	struct conf *c = r->conf;
	const char *name;
	size_t i, len;

	for (i = 0; i < c->ses.endpoint.n; i++) {
		len = conf_endpoint_region(c->ses.endpoint.items[i], &name);
		if (len == 0)
			continue;
		if (c->ses.region[0] == '\0') {
			free(c->ses.region);
			c->ses.region = mem_strndup(name, len);
		}
		if (strlen(c->ses.region) == len &&
		    strncasecmp(c->ses.region, name, len) == 0)
			continue;
		(void)err_set(err, ERR_CONFIG,
		    "%s is in region %.*s, but the region is %s by %s: name "
		    "one region only, an account's quota is its region's",
		    c->ses.endpoint.items[i], (int)len, name, c->ses.region,
		    i == 0 ? "ses.region" : "what precedes it");
		return at_key(r, "ses", "endpoint", err);
	}
	return 0;
}

static int
check_tags(struct reading *r, struct err *err)
{
	const struct conf_list *l = &r->conf->ses.message_tags;
	size_t i, j, len;

	for (i = 0; i < l->n; i++) {
		len = strcspn(l->items[i], "=") + 1;
		for (j = 0; j < i; j++) {
			if (strncmp(l->items[i], l->items[j], len) != 0)
				continue;
			(void)err_set(err, ERR_CONFIG,
			    "\"%s\" and \"%s\" name one tag twice: keep one",
			    l->items[j], l->items[i]);
			return at_key(r, "ses", "message-tags", err);
		}
	}
	return 0;
}

/* rewrite.default, taken apart; SRS addresses need a key to be made with. */
static int
find_default(struct reading *r, struct err *err)
{
	struct conf *c = r->conf;
	const char *text = c->rewrite.dflt_text;

	c->rewrite.fixed = conf_default_fixed(text);
	if (c->rewrite.fixed != NULL)
		c->rewrite.dflt = CONF_DEFAULT_FIXED;
	else if (strcmp(text, "srs") == 0)
		c->rewrite.dflt = CONF_DEFAULT_SRS;
	else if (strcmp(text, "defer") == 0)
		c->rewrite.dflt = CONF_DEFAULT_DEFER;
	if (c->rewrite.dflt != CONF_DEFAULT_SRS ||
	    c->rewrite.secret[0] != '\0')
		return 0;
	(void)err_set(err, ERR_CONFIG,
	    "\"srs\" needs a key: name a file with one, as in rewrite { "
	    "secret = " SYSCONFDIR "/postern/rewrite-secret }");
	return at_key(r, "rewrite", "default", err);
}

static int
check_needs(struct reading *r, unsigned need, struct err *err)
{
	const struct conf *c = r->conf;

	if ((need & CONF_NEED_SES) == 0)
		return 0;
	if (c->ses.endpoint.n == 0) {
		(void)err_set(err, ERR_CONFIG,
		    "is not set: write ses { endpoint = "
		    "{email-smtp.REGION.amazonaws.com:587} } with your "
		    "account's region");
		return at_key(r, "ses", "endpoint", err);
	}
	if (c->ses.credentials[0] == '\0') {
		(void)err_set(err, ERR_CONFIG,
		    "is not set: write ses { credentials = "
		    SYSCONFDIR "/postern/ses-credentials }, a file with a line "
		    "USERNAME:PASSWORD");
		return at_key(r, "ses", "credentials", err);
	}
	if (c->ses.region[0] == '\0') {
		(void)err_set(err, ERR_CONFIG,
		    "is not set, and the name of endpoint %s does not tell "
		    "it: write ses { region = eu-west-1 } or whichever it is",
		    c->ses.endpoint.items[0]);
		return at_key(r, "ses", "region", err);
	}
	return 0;
}

static int
load(struct reading *r, unsigned need)
{
	struct buf text;
	int rc = -1;

	buf_init(&text, FILE_MAX + 4096);
	if (read_file(r->file, &text, r->err) == 0)
		rc = scan_and_parse(r, text.data, text.len);
	buf_free(&text);
	if (rc == -1 || check_empty(r, r->err) == -1 ||
	    find_region(r, r->err) == -1 || check_tags(r, r->err) == -1 ||
	    find_default(r, r->err) == -1)
		return -1;
	return check_needs(r, need, r->err);
}

struct conf *
conf_load(const char *file, unsigned need, struct err *err)
{
	struct reading r = { .file = file, .err = err };
	int rc;

	r.conf = mem_new(sizeof(*r.conf));
	r.conf->file = mem_strdup(file);
	r.conf->refs = 1;
	r.key_line = mem_array(conf_nkeys, sizeof(*r.key_line));
	r.section_line = mem_array(conf_nkeys, sizeof(*r.section_line));
	rc = load(&r, need);
	free(r.section_line);
	free(r.key_line);
	if (rc == 0)
		return r.conf;
	conf_release(r.conf);
	return NULL;
}

static bool
differs(const struct conf_key *k, const struct conf *a, const struct conf *b)
{
	struct buf x, y;
	bool differ;

	buf_init(&x, FILE_MAX);
	buf_init(&y, FILE_MAX);
	conf_value_print(k, a, &x);
	conf_value_print(k, b, &y);
	differ = strcmp(x.data, y.data) != 0;
	buf_free(&x);
	buf_free(&y);
	return differ;
}

size_t
conf_restart_keys(const struct conf *old, const struct conf *new,
    const char *names_r[], size_t max)
{
	size_t i, n = 0;

	for (i = 0; i < conf_nkeys && n < max; i++) {
		if (conf_keys[i].restart && differs(&conf_keys[i], old, new))
			names_r[n++] = conf_keys[i].name;
	}
	return n;
}

void
conf_dump(const struct conf *c, FILE *out)
{
	struct buf value;
	size_t i;

	buf_init(&value, FILE_MAX);
	for (i = 0; i < conf_nkeys; i++) {
		buf_reset(&value);
		conf_value_print(&conf_keys[i], c, &value);
		if (value.len == 0 || strcmp(value.data, "\"\"") == 0 ||
		    strcmp(value.data, "{}") == 0)
			(void)fprintf(out, "# %s: %s\n", conf_keys[i].name,
			    conf_keys[i].dflt_words != NULL
				? conf_keys[i].dflt_words
				: "none");
		else
			(void)fprintf(
			    out, "%s = %s\n", conf_keys[i].name, value.data);
	}
	buf_free(&value);
}

bool
conf_describe(size_t i, const char **section_r, const char **key_r,
    const char **default_r, const char **help_r)
{
	const struct conf_key *k;

	if (i >= conf_nkeys)
		return false;
	k = &conf_keys[i];
	*section_r = k->section;
	*key_r = k->key;
	*default_r = k->dflt != NULL ? k->dflt : k->dflt_words;
	*help_r = k->help;
	return true;
}
