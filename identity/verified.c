/* SPDX-License-Identifier: BSD-2-Clause */
#include "config.h"

#include "identity/verified.h"

#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/lines.h"
#include "core/mem.h"

/*
 * One open hash table over what the lines say, addresses byte for byte and
 * domains in lower case, as SES compares them: an address is covered by itself,
 * by itself without its label, or by its domain or one above, in this order,
 * the most specific first. The order of the file is kept aside, since the first
 * entries matter for the null sender and people like to see their own order.
 */
struct verified {
	atomic_uint refs;
	char **items;
	size_t n;
	size_t *table; /* 1 + index of an item, 0 for free */
	size_t table_size; /* a power of two, at least twice n */
};

static uint64_t
hash(const char *s, size_t len)
{
	uint64_t h = UINT64_C(0xcbf29ce484222325); /* FNV-1a */

	for (size_t i = 0; i < len; i++)
		h = (h ^ (unsigned char)s[i]) * UINT64_C(0x100000001b3);
	return h ^ (h >> 32);
}

/* The place of a key, or the free one where it would go. */
static size_t
slot(const struct verified *v, const char *key, size_t len)
{
	size_t i = (size_t)hash(key, len) & (v->table_size - 1);
	const char *item;

	while (v->table[i] != 0) {
		item = v->items[v->table[i] - 1];
		if (strncmp(item, key, len) == 0 && item[len] == '\0')
			break;
		i = (i + 1) & (v->table_size - 1);
	}
	return i;
}

static const char *
find(const struct verified *v, const char *key, size_t len)
{
	size_t i = slot(v, key, len);

	return v->table[i] == 0 ? NULL : v->items[v->table[i] - 1];
}

static void
make_table(struct verified *v)
{
	for (v->table_size = 16; v->table_size < 2 * v->n;)
		v->table_size *= 2;
	v->table = mem_array(v->table_size, sizeof(*v->table));
	for (size_t i = 0; i < v->n; i++)
		v->table[slot(v, v->items[i], strlen(v->items[i]))] = i + 1;
}

static void
add(struct verified *v, const char *text)
{
	v->items = mem_grow(v->items, v->n + 1, sizeof(*v->items));
	v->items[v->n++] = mem_strdup(text);
}

static int
add_line(void *arg, char *line, size_t number, struct err *err)
{
	struct verified *v = arg;
	char domain[ADDRESS_DOMAIN_MAX + 1];
	struct address addr;
	size_t len = strlen(line);

	(void)number;
	if (strchr(line, '@') != NULL) {
		if (address_parse(line, len, &addr, err) != ADDRESS_OK)
			return err_context(err, "\"%s\" is no address", line);
		add(v, addr.text);
		return 0;
	}
	if (address_domain_ascii(line, len, domain) == -1)
		return err_set(err, ERR_CONFIG,
		    "\"%s\" is neither a domain nor an address; one of them a "
		    "line is right, as in example.com or user@example.com",
		    line);
	add(v, domain);
	return 0;
}

struct verified *
verified_load(const char *file, struct err *err)
{
	struct verified *v = mem_new(sizeof(*v));

	atomic_init(&v->refs, 1);
	if (*file != '\0' && lines_read(file, add_line, v, err) == -1) {
		verified_release(v);
		return NULL;
	}
	make_table(v);
	return v;
}

void
verified_release(struct verified *v)
{
	if (v == NULL ||
	    atomic_fetch_sub_explicit(&v->refs, 1, memory_order_acq_rel) != 1)
		return;
	for (size_t i = 0; i < v->n; i++)
		free(v->items[i]);
	free(v->items);
	free(v->table);
	free(v);
}

bool
verified_none(const struct verified *v)
{
	return v->n == 0;
}

/* The address without its label: "me+x+y@" is me+x's, and me's. */
static const char *
find_unlabelled(const struct verified *v, const struct address *a)
{
	char key[sizeof(a->text)];
	size_t tail = strlen(a->text) - a->local_len;
	const char *item;

	if (a->text[0] == '"')
		return NULL;
	memcpy(key, a->text, a->local_len);
	for (size_t len = a->local_len; len-- > 1;) {
		if (a->text[len] != '+')
			continue;
		memcpy(key + len, a->text + a->local_len, tail);
		if ((item = find(v, key, len + tail)) != NULL)
			return item;
	}
	return NULL;
}

const char *
verified_by(const struct verified *v, const struct address *a)
{
	struct address key;
	const char *item, *dot;

	if (a->text[0] == '\0')
		return NULL;
	if ((item = find(v, a->text, strlen(a->text))) != NULL ||
	    (item = find_unlabelled(v, a)) != NULL)
		return item;
	address_key(a, &key);
	for (dot = address_domain(&key); dot != NULL; dot = strchr(dot, '.')) {
		dot += *dot == '.';
		if ((item = find(v, dot, strlen(dot))) != NULL)
			return item;
	}
	return NULL;
}

int
verified_null_sender(const struct verified *v, struct address *sender_r)
{
	const char *address = NULL;
	char text[sizeof(sender_r->text)];
	struct err err;

	for (size_t i = 0; i < v->n; i++) {
		if (strchr(v->items[i], '@') != NULL) {
			if (address == NULL)
				address = v->items[i];
			continue;
		}
		(void)snprintf(text, sizeof(text), "mailer-daemon@%s",
		    v->items[i]);
		address = text;
		break;
	}
	if (address == NULL || address_parse(address, strlen(address),
				   sender_r, &err) != ADDRESS_OK)
		return -1;
	return 0;
}

const char *
verified_item(const struct verified *v, size_t i)
{
	return i < v->n ? v->items[i] : NULL;
}

static void *
load(const char *file, struct err *err)
{
	return verified_load(file, err);
}

static void
hold(void *p)
{
	struct verified *v = p;

	atomic_fetch_add_explicit(&v->refs, 1, memory_order_relaxed);
}

static void
release(void *v)
{
	verified_release(v);
}

static size_t
count(const void *v)
{
	return ((const struct verified *)v)->n;
}

const struct watched_kind verified_kind = { "identities", load, hold, release,
	count };
