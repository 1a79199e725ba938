/* SPDX-License-Identifier: BSD-2-Clause */
#include "config.h"

#include "identity/secret.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/mem.h"

/* The keys as they stand in the file are gone once they are read. */

struct keys {
	unsigned char srs[CRYPTO_KEY_LEN];
	unsigned char origin[CRYPTO_KEY_LEN];
};

struct secret {
	atomic_uint refs;
	struct keys keys[SECRET_KEYS_MAX];
	size_t n;
};

static int
take_line(struct secret *s, const char *line, struct err *err)
{
	size_t len = strcspn(line, "\r\n");
	struct keys *k;

	while (len > 0 && (line[len - 1] == ' ' || line[len - 1] == '\t'))
		len--;
	if (len == 0 || line[0] == '#')
		return 0;
	if (len < SECRET_KEY_MIN)
		return err_set(err, ERR_CONFIG,
		    "a key must have at least %d characters; openssl rand -hex "
		    "32 makes a good one", SECRET_KEY_MIN);
	if (s->n == SECRET_KEYS_MAX)
		return err_set(err, ERR_CONFIG,
		    "more than %d keys: take out the oldest, at the end",
		    SECRET_KEYS_MAX);
	k = &s->keys[s->n++];
	crypto_hkdf_sha256(line, len, "postern srs", k->srs, sizeof(k->srs));
	crypto_hkdf_sha256(line, len, "postern origin", k->origin,
	    sizeof(k->origin));
	return 0;
}

static int
read_lines(struct secret *s, FILE *f, const char *file, struct err *err)
{
	char line[SECRET_KEY_MAX + sizeof("\r\n")];
	unsigned number = 0;
	int rc = 0;

	while (rc == 0 && fgets(line, sizeof(line), f) != NULL) {
		number++;
		if (strchr(line, '\n') == NULL && !feof(f))
			rc = err_set(err, ERR_CONFIG,
			    "the line is too long, or has a NUL in it");
		else
			rc = take_line(s, line, err);
		if (rc == -1)
			(void)err_context(err, "%s:%u", file, number);
	}
	mem_wipe(line, sizeof(line));
	if (rc == 0 && ferror(f))
		rc = err_sys(err, ERR_LOCAL, errno, "read %s", file);
	if (rc == 0 && s->n == 0)
		rc = err_set(err, ERR_CONFIG,
		    "%s: no key in it: write one of at least %d characters; "
		    "openssl rand -hex 32 makes a good one", file,
		    SECRET_KEY_MIN);
	return rc;
}

static int
load(struct secret *s, const char *file, struct err *err)
{
	struct stat st;
	FILE *f = fopen(file, "re");
	int rc;

	if (f == NULL)
		return err_sys(err, ERR_LOCAL, errno, "open %s", file);
	/* Without a buffer, no copy of the keys stays in one. */
	(void)setvbuf(f, NULL, _IONBF, 0);
	if (fstat(fileno(f), &st) == -1)
		rc = err_sys(err, ERR_LOCAL, errno, "%s", file);
	else if ((st.st_mode & S_IRWXO) != 0)
		rc = err_set(err, ERR_CONFIG,
		    "%s: others may access it (mode %03o); chmod 640 %s", file,
		    (unsigned)st.st_mode & 0777, file);
	else
		rc = read_lines(s, f, file, err);
	(void)fclose(f);
	return rc;
}

struct secret *
secret_load(const char *file, struct err *err)
{
	struct secret *s = mem_new(sizeof(*s));

	atomic_init(&s->refs, 1);
	if (load(s, file, err) == 0)
		return s;
	secret_release(s);
	return NULL;
}

void
secret_release(struct secret *s)
{
	if (s == NULL ||
	    atomic_fetch_sub_explicit(&s->refs, 1, memory_order_acq_rel) != 1)
		return;
	mem_wipe(s, sizeof(*s));
	free(s);
}

size_t
secret_count(const struct secret *s)
{
	return s->n;
}

const unsigned char *
secret_srs_key(const struct secret *s, size_t i)
{
	return s->keys[i].srs;
}

const unsigned char *
secret_origin_key(const struct secret *s, size_t i)
{
	return s->keys[i].origin;
}

static void *
watched_load(const char *file, struct err *err)
{
	return secret_load(file, err);
}

static void
watched_hold(void *p)
{
	struct secret *s = p;

	atomic_fetch_add_explicit(&s->refs, 1, memory_order_relaxed);
}

static void
watched_release(void *s)
{
	secret_release(s);
}

static size_t
watched_count(const void *s)
{
	return secret_count(s);
}

const struct watched_kind secret_kind = { "secret", watched_load,
	watched_hold, watched_release, watched_count };
