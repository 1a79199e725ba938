/* SPDX-License-Identifier: BSD-2-Clause */
#include "config.h"

#include "identity/verified.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "core/log.h"
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

/* Text without comment and blanks around it. A # inside an address is none. */
static char *
strip(char *line)
{
	char *end = line + strcspn(line, "\r\n");

	for (char *p = line; p < end; p++)
		if (*p == '#' && (p == line || p[-1] == ' ' || p[-1] == '\t'))
			end = p;
	while (*line == ' ' || *line == '\t')
		line++;
	while (end > line && (end[-1] == ' ' || end[-1] == '\t'))
		end--;
	if (end < line)
		end = line;
	*end = '\0';
	return line;
}

static int
add_line(struct verified *v, char *line, struct err *err)
{
	char domain[ADDRESS_DOMAIN_MAX + 1];
	struct address addr;
	size_t len;

	line = strip(line);
	if ((len = strlen(line)) == 0)
		return 0;
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

static int
add_file(struct verified *v, FILE *fp, const char *file, struct err *err)
{
	char *line = NULL;
	size_t cap = 0, number = 0;
	ssize_t len;
	int rc = 0;

	while (rc == 0 && (len = getline(&line, &cap, fp)) != -1) {
		number++;
		if (strlen(line) != (size_t)len)
			rc = err_set(err, ERR_CONFIG, "a NUL in the line");
		else
			rc = add_line(v, line, err);
		if (rc == -1) {
			err->class = ERR_CONFIG;
			(void)err_context(err, "%s:%zu", file, number);
		}
	}
	if (rc == 0 && ferror(fp))
		rc = err_sys(err, ERR_LOCAL, errno, "read %s", file);
	free(line);
	return rc;
}

struct verified *
verified_load(const char *file, struct err *err)
{
	struct verified *v = mem_new(sizeof(*v));
	FILE *fp;
	int rc = 0;

	atomic_init(&v->refs, 1);
	if (*file != '\0') {
		if ((fp = fopen(file, "re")) == NULL) {
			rc = err_sys(err, ERR_LOCAL, errno, "open %s", file);
		} else {
			rc = add_file(v, fp, file, err);
			(void)fclose(fp);
		}
	}
	if (rc == -1) {
		verified_release(v);
		return NULL;
	}
	make_table(v);
	return v;
}

struct verified *
verified_hold(struct verified *v)
{
	atomic_fetch_add_explicit(&v->refs, 1, memory_order_relaxed);
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

/* What tells that a file is not the one that was read: chmod included, which
 * may be what makes it readable. */
struct stamp {
	dev_t dev;
	ino_t ino;
	off_t size;
	struct timespec mtime;
	struct timespec ctime;
	int errnum; /* why there is none */
};

struct verified_file {
	char *file;
	pthread_mutex_t lock; /* covers what follows */
	struct stamp stamp;   /* of the last attempt to read it */
	struct verified *set;
};

static void
take_stamp(const char *file, struct stamp *st)
{
	struct stat sb;

	memset(st, 0, sizeof(*st));
	if (*file == '\0')
		return;
	if (stat(file, &sb) == -1) {
		st->errnum = errno;
		return;
	}
	st->dev = sb.st_dev;
	st->ino = sb.st_ino;
	st->size = sb.st_size;
	st->mtime = sb.st_mtim;
	st->ctime = sb.st_ctim;
}

static bool
same_time(const struct timespec *a, const struct timespec *b)
{
	return a->tv_sec == b->tv_sec && a->tv_nsec == b->tv_nsec;
}

static bool
same_stamp(const struct stamp *a, const struct stamp *b)
{
	return a->errnum == b->errnum && a->dev == b->dev &&
	    a->ino == b->ino && a->size == b->size &&
	    same_time(&a->mtime, &b->mtime) && same_time(&a->ctime, &b->ctime);
}

struct verified_file *
verified_file_open(const char *file, struct err *err)
{
	struct verified_file *vf = mem_new(sizeof(*vf));

	take_stamp(file, &vf->stamp);
	if ((vf->set = verified_load(file, err)) == NULL) {
		free(vf);
		return NULL;
	}
	vf->file = mem_strdup(file);
	(void)pthread_mutex_init(&vf->lock, NULL);
	return vf;
}

/*
 * The stamp is taken before the file is read: a change in between is read now
 * and once more at the next look, but never missed.
 */
static void
refresh(struct verified_file *vf)
{
	struct verified *fresh;
	struct stamp now;
	struct err err;

	take_stamp(vf->file, &now);
	if (same_stamp(&now, &vf->stamp))
		return;
	vf->stamp = now;
	if ((fresh = verified_load(vf->file, &err)) == NULL) {
		log_error(NULL, "identities-not-read", "reason", err.text,
		    "in-force", "the identities read before");
		return;
	}
	verified_release(vf->set);
	vf->set = fresh;
	log_info(NULL, "identities-read", "file", vf->file, "n",
	    LOG_NUM(fresh->n));
}

struct verified *
verified_file_get(struct verified_file *vf)
{
	struct verified *v;

	(void)pthread_mutex_lock(&vf->lock);
	refresh(vf);
	v = verified_hold(vf->set);
	(void)pthread_mutex_unlock(&vf->lock);
	return v;
}

void
verified_file_close(struct verified_file *vf)
{
	if (vf == NULL)
		return;
	verified_release(vf->set);
	(void)pthread_mutex_destroy(&vf->lock);
	free(vf->file);
	free(vf);
}
