/* SPDX-License-Identifier: BSD-2-Clause */
#include "config.h"

#include "sandbox/account.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "core/mem.h"

/*
 * Lists are searched from front to back: a test account has a handful of
 * identities, and the benchmark of the sandbox holds that to it.
 */
struct words {
	char **items;
	size_t n;
};

struct account {
	pthread_mutex_t lock;
	struct words lists[ACCOUNT_LISTS];
	char default_set[ACCOUNT_NAME_MAX];
};

static const char *const kinds[] = {
	[ACCOUNT_GOOD] = "good",
	[ACCOUNT_BAD] = "bad",
	[ACCOUNT_SIGV2] = "sigv2",
	[ACCOUNT_UNSUBSCRIBED] = "unsubscribed",
	[ACCOUNT_TEMPORARY] = "temporary",
};

struct account *
account_new(void)
{
	struct account *a = mem_new(sizeof(*a));

	(void)pthread_mutex_init(&a->lock, NULL);
	return a;
}

static void
words_clear(struct words *w)
{
	for (size_t i = 0; i < w->n; i++)
		free(w->items[i]);
	free(w->items);
	*w = (struct words){ .items = NULL };
}

void
account_free(struct account *a)
{
	for (int i = 0; i < ACCOUNT_LISTS; i++)
		words_clear(&a->lists[i]);
	(void)pthread_mutex_destroy(&a->lock);
	free(a);
}

/* Neither names nor passwords of SES hold a colon. */
struct user {
	const char *name;
	size_t name_len;
	const char *password;
	size_t password_len;
	enum account_kind kind;
};

static int
user_parse(const char *word, struct user *u)
{
	const char *colon = strchr(word, ':'), *kind;

	if (colon == NULL)
		return -1;
	u->name = word;
	u->name_len = (size_t)(colon - word);
	u->password = colon + 1;
	u->password_len = strcspn(u->password, ":");
	u->kind = ACCOUNT_GOOD;
	kind = u->password + u->password_len;
	if (*kind == '\0')
		return 0;
	for (int i = 0; i < ACCOUNT_UNKNOWN; i++) {
		if (strcmp(kind + 1, kinds[i]) == 0) {
			u->kind = (enum account_kind)i;
			return 0;
		}
	}
	return -1;
}

/* Users are the same when their names are. */
static bool
same(enum account_list list, const char *a, const char *b)
{
	size_t len = strcspn(a, ":");

	if (list != ACCOUNT_USER)
		return strcmp(a, b) == 0;
	return len == strcspn(b, ":") && strncmp(a, b, len) == 0;
}

static size_t
find(const struct account *a, enum account_list list, const char *word)
{
	const struct words *w = &a->lists[list];
	size_t i;

	for (i = 0; i < w->n; i++)
		if (same(list, w->items[i], word))
			break;
	return i;
}

static void
put(struct account *a, enum account_list list, const char *word)
{
	struct words *w = &a->lists[list];
	size_t i = find(a, list, word);

	if (i < w->n) {
		free(w->items[i]); /* a user may get another password */
	} else {
		w->items = mem_grow(w->items, w->n + 1, sizeof(*w->items));
		w->n++;
	}
	w->items[i] = mem_strdup(word);
}

int
account_add(struct account *a, enum account_list list, const char *word,
    struct err *err)
{
	struct user u;

	if (*word == '\0' || strlen(word) >= ACCOUNT_NAME_MAX)
		return err_set(err, ERR_CONFIG,
		    "a word of 1 to %d bytes is wanted", ACCOUNT_NAME_MAX - 1);
	if (list == ACCOUNT_USER && user_parse(word, &u) == -1)
		return err_set(err, ERR_CONFIG,
		    "a user is written NAME:PASSWORD or NAME:PASSWORD:KIND, "
		    "with KIND good, bad, sigv2, unsubscribed or temporary");
	(void)pthread_mutex_lock(&a->lock);
	put(a, list, word);
	(void)pthread_mutex_unlock(&a->lock);
	return 0;
}

int
account_remove(struct account *a, enum account_list list, const char *word,
    struct err *err)
{
	struct words *w = &a->lists[list];
	size_t i;
	bool found;

	(void)pthread_mutex_lock(&a->lock);
	i = find(a, list, word);
	found = i < w->n;
	if (found) {
		free(w->items[i]);
		w->items[i] = w->items[--w->n];
	}
	(void)pthread_mutex_unlock(&a->lock);
	return found ? 0
		     : err_set(err, ERR_CONFIG, "%s is not in that list", word);
}

void
account_clear(struct account *a, enum account_list list)
{
	(void)pthread_mutex_lock(&a->lock);
	words_clear(&a->lists[list]);
	(void)pthread_mutex_unlock(&a->lock);
}

bool
account_has_users(struct account *a)
{
	bool any;

	(void)pthread_mutex_lock(&a->lock);
	any = a->lists[ACCOUNT_USER].n > 0;
	(void)pthread_mutex_unlock(&a->lock);
	return any;
}

/* A domain covers itself and what ends in "." and it, without regard to case.
 */
static bool
domain_covers(const char *domain, const char *address)
{
	const char *at = strrchr(address, '@');
	size_t want = strlen(domain), len;

	if (at == NULL)
		return false;
	len = strlen(at + 1);
	if (len < want || strcasecmp(at + 1 + len - want, domain) != 0)
		return false;
	return len == want || at[len - want] == '.';
}

/*
 * An address covers itself byte by byte, domain included, and its +label
 * forms.
 */
static bool
address_covers(const char *entry, const char *address)
{
	const char *at = strrchr(entry, '@'), *rest;
	size_t local = (size_t)(at - entry);

	if (strncmp(entry, address, local) != 0)
		return false;
	rest = address + local;
	if (*rest == '+')
		rest = strrchr(address, '@');
	return rest != NULL && strcmp(rest, at) == 0;
}

static bool
covers(const char *entry, const char *address)
{
	if (strcmp(entry, "*") == 0)
		return true;
	if (strchr(entry, '@') != NULL)
		return address_covers(entry, address);
	return domain_covers(entry, address);
}

bool
account_listed(struct account *a, enum account_list list, const char *address,
    char *entry_r)
{
	const struct words *w = &a->lists[list];
	bool found = false;

	(void)pthread_mutex_lock(&a->lock);
	for (size_t i = 0; i < w->n && !found; i++) {
		found = covers(w->items[i], address);
		if (found && entry_r != NULL)
			(void)snprintf(
			    entry_r, ACCOUNT_NAME_MAX, "%s", w->items[i]);
	}
	(void)pthread_mutex_unlock(&a->lock);
	return found;
}

bool
account_verified(struct account *a, const char *address)
{
	return account_listed(a, ACCOUNT_IDENTITY, address, NULL);
}

bool
account_suppressed(struct account *a, const char *address)
{
	const struct words *w = &a->lists[ACCOUNT_SUPPRESS];
	bool found = false;

	(void)pthread_mutex_lock(&a->lock);
	for (size_t i = 0; i < w->n && !found; i++)
		found = strcasecmp(w->items[i], address) == 0;
	(void)pthread_mutex_unlock(&a->lock);
	return found;
}

bool
account_configuration_set(struct account *a, const char *name)
{
	const struct words *w = &a->lists[ACCOUNT_CONFIGURATION_SET];
	bool found;

	(void)pthread_mutex_lock(&a->lock);
	found = w->n == 0 || find(a, ACCOUNT_CONFIGURATION_SET, name) < w->n;
	(void)pthread_mutex_unlock(&a->lock);
	return found;
}

static bool
user_is(const struct user *u, const char *name, const char *password)
{
	return strlen(name) == u->name_len &&
	       strlen(password) == u->password_len &&
	       memcmp(name, u->name, u->name_len) == 0 &&
	       memcmp(password, u->password, u->password_len) == 0;
}

enum account_kind
account_login(struct account *a, const char *user, const char *password)
{
	const struct words *w = &a->lists[ACCOUNT_USER];
	enum account_kind kind = ACCOUNT_UNKNOWN;
	struct user u;

	(void)pthread_mutex_lock(&a->lock);
	for (size_t i = 0; i < w->n; i++)
		if (user_parse(w->items[i], &u) == 0 &&
		    user_is(&u, user, password))
			kind = u.kind;
	(void)pthread_mutex_unlock(&a->lock);
	return kind;
}

void
account_set_default_configuration_set(struct account *a, const char *name)
{
	(void)pthread_mutex_lock(&a->lock);
	(void)snprintf(a->default_set, sizeof(a->default_set), "%s", name);
	(void)pthread_mutex_unlock(&a->lock);
}

void
account_default_configuration_set(struct account *a, char *out, size_t size)
{
	(void)pthread_mutex_lock(&a->lock);
	(void)snprintf(out, size, "%s", a->default_set);
	(void)pthread_mutex_unlock(&a->lock);
}
