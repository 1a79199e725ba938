/* SPDX-License-Identifier: BSD-2-Clause */
#include "config.h"

#include "cli/postfix.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "cli/door.h"
#include "cli/run.h"
#include "core/clock.h"
#include "core/lines.h"
#include "core/mem.h"

/*
 * What Postfix's lists and tables have, found as Postfix finds it (its
 * match_list.c and match_ops.c).
 */

#define LIST_MAX ((size_t)1024 * 1024)
#define PROXYMAP_US (5 * US_PER_SEC)
#define FILES_MAX 8 /* one in another */
#define BLANKS ", \t\r\n"

const char *
postfix_item(const char **at, size_t *len_r)
{
	const char *item = *at + strspn(*at, BLANKS), *s;
	unsigned depth = 0;

	for (s = item; *s != '\0' && (depth > 0 || strchr(BLANKS, *s) == NULL);
	     s++) {
		depth += *s == '{';
		depth -= depth > 0 && *s == '}';
	}
	*at = s;
	*len_r = (size_t)(s - item);
	return *len_r > 0 ? item : NULL;
}

bool
postfix_has_tables(void)
{
	return run_there("postmap");
}

/* Whether a table is of that type, or made of one. */
static bool
has_type(const char *table, const char *type)
{
	const char *s;

	for (s = table; (s = strstr(s, type)) != NULL; s++) {
		if (s == table || strchr(":{" BLANKS, s[-1]) != NULL)
			return true;
	}
	return false;
}

/* postmap(1) would try proxymap(8) again and again. */
static int
try_proxymap(const char *queue, struct err *err)
{
	char *text = mem_printf("unix:%s/private/proxymap", queue);
	struct socket_spec spec;
	int fd = -1;

	if (socket_spec(text, &spec, err) == 0)
		fd = door_connect(&spec, clock_mono_us() + PROXYMAP_US, err);
	free(text);
	if (fd == -1)
		return err_context(err, "Postfix's proxymap");
	(void)close(fd);
	return 0;
}

/* Only a failure has more than warnings to say. */
static int
ask_table(const char *queue, const char *table, const char *key,
    struct buf *value_r, struct err *err)
{
	const char *const argv[] = { "postmap", "-q", key, table, NULL };
	struct buf value, said;
	int rc;

	buf_init(&value, LIST_MAX);
	rc = run_asked(
	    queue, argv, value_r != NULL ? value_r : &value, &said, err);
	if (rc > 0 && said.len > 0 && strstr(said.data, ": warning: ") == NULL)
		rc = err_set(err, ERR_LOCAL, "%s", said.data);
	else if (rc > 1)
		rc = err_set(err, ERR_LOCAL, "postmap: exit status %d", rc);
	else if (rc != -1)
		rc = rc == 0;
	buf_free(&said);
	buf_free(&value);
	return rc;
}

int
postfix_lookup(
    const char *table, const char *key, struct buf *value_r, struct err *err)
{
	struct buf queue;
	int rc;

	if (postfix_param("queue_directory", &queue, err) == -1)
		return -1;
	rc = has_type(table, "proxy:") ? try_proxymap(queue.data, err) : 0;
	if (rc == 0)
		rc = ask_table(queue.data, table, key, value_r, err);
	buf_free(&queue);
	if (rc == -1)
		return err_context(err, "%.200s%s does not answer", table,
		    strlen(table) > 200 ? "..." : "");
	while (value_r != NULL && value_r->len > 0 &&
	       value_r->data[value_r->len - 1] == '\n')
		buf_cut(value_r, value_r->len - 1);
	return rc;
}

int
postfix_lookup_first(
    const char *tables, const char *key, struct buf *value_r, struct err *err)
{
	const char *item;
	char *table;
	size_t len;
	int rc = 0;

	while (rc == 0 && (item = postfix_item(&tables, &len)) != NULL) {
		table = mem_strndup(item, len);
		rc = postfix_lookup(table, key, value_r, err);
		free(table);
	}
	return rc;
}

/* Whether a key is in a list. */
struct question {
	const char *key;
	bool names; /* of hosts or domains, whose parents may stand for them */
	bool parents; /* without a dot before them, that is */
	unsigned files;
	bool answer; /* of the first pattern that is met */
};

/* Such a table is asked for no part of a name. */
static bool
has_patterns(const char *table)
{
	static const char *const types[] = { "regexp:", "pcre:", "cidr:",
		"socketmap:", "tcp:", "fail:", "randmap:" };

	for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
		if (has_type(table, types[i]))
			return true;
	}
	return false;
}

static int
meets_table(const struct question *q, const char *table, struct err *err)
{
	bool parts = q->names && !has_patterns(table);
	const char *key = q->key;
	int rc;

	while ((rc = postfix_lookup(table, key, NULL, err)) == 0 && parts &&
	       (key = strchr(key + 1, '.')) != NULL)
		key += q->parents;
	return rc;
}

static bool
meets_name(const struct question *q, const char *name)
{
	size_t len = strlen(name), klen = strlen(q->key);

	if (strcasecmp(q->key, name) == 0)
		return true;
	return q->names && klen > len &&
	       strcasecmp(q->key + klen - len, name) == 0 &&
	       (q->parents ? q->key[klen - len - 1] : name[0]) == '.';
}

static int meets(
    struct question *q, const char *list, bool wanted, struct err *err);

static int
add_line(void *arg, char *line, size_t number, struct err *err)
{
	(void)number;
	buf_addf(arg, "%s\n", line);
	if (((struct buf *)arg)->overflow)
		return err_set(err, ERR_CONFIG, "too long to be read here");
	return 0;
}

static int
meets_file(struct question *q, const char *file, bool wanted, struct err *err)
{
	struct buf list;
	int rc;

	if (q->files == FILES_MAX)
		return err_set(err, ERR_CONFIG,
		    "%s: too many files, one in another", file);
	buf_init(&list, LIST_MAX);
	rc = lines_read(file, add_line, &list, err);
	q->files++;
	if (rc == 0)
		rc = meets(q, list.data, wanted, err);
	q->files--;
	buf_free(&list);
	return rc;
}

/* 1 where a pattern of the list is met, which has q->answer. */
static int
meets(struct question *q, const char *list, bool wanted, struct err *err)
{
	const char *item;
	char *copy, *pattern;
	size_t len;
	int rc = 0;

	while (rc == 0 && (item = postfix_item(&list, &len)) != NULL) {
		copy = mem_strndup(item, len);
		q->answer = wanted;
		for (pattern = copy; *pattern == '!'; pattern++)
			q->answer = !q->answer;
		if (*pattern == '/')
			rc = meets_file(q, pattern, q->answer, err);
		else if (*pattern != '[' && strchr(pattern, ':') != NULL)
			rc = meets_table(q, pattern, err);
		else
			rc = meets_name(q, pattern);
		free(copy);
	}
	return rc;
}

static int
ask(const char *param, struct question *q, struct err *err)
{
	struct buf list;
	struct err none;
	int rc;

	if (postfix_param(param, &list, &none) == -1)
		return 0;
	rc = meets(q, list.data, true, err);
	buf_free(&list);
	return rc == 1 ? q->answer : rc;
}

int
postfix_has_domain(const char *param, const char *domain, struct err *err)
{
	struct question style = { .key = param }, q = { .key = domain };

	q.names = strcmp(param, "relay_domains") == 0;
	if (q.names && ask("parent_domain_matches_subdomains", &style, err) > 0)
		q.parents = true;
	return ask(param, &q, err);
}
