/* SPDX-License-Identifier: BSD-2-Clause */
#include "config.h"

#include "sandbox/endpoint.h"

#include <sys/stat.h>

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/clock.h"
#include "core/mem.h"
#include "core/tls.h"
#include "sandbox/cert.h"

#define DAY_SEC 86400
#define PEM_MAX (64 * 1024)

/* SES's own three names, localhost, 127.0.0.1 and ::1, and those asked for. */
enum { NAMES_OWN = 3, NAMES_LOCAL = 3 };

struct endpoint {
	char *dir;
	char *ca_file;
	char **names;
	size_t nnames;
	pthread_mutex_t lock;
	enum endpoint_cert shown;
	/* Made when first wanted, and kept: connections may be using any. */
	struct tls_context *tls[ENDPOINT_CERTS];
};

static const char *const kinds[ENDPOINT_CERTS] = { "good", "wrong-name",
	"expired", "not-yet-valid", "self-signed", "untrusted" };

bool
endpoint_has(const char *dir, const char *name)
{
	char *path = mem_printf("%s/%s", dir, name);
	bool there = access(path, F_OK) == 0;

	free(path);
	return there;
}

static int
write_all(int fd, const char *text)
{
	size_t len = strlen(text);
	ssize_t n;

	for (; len > 0; text += n, len -= (size_t)n)
		if ((n = write(fd, text, len)) == -1)
			return -1;
	return 0;
}

int
endpoint_write(const char *dir, const char *name, const char *text, bool secret,
    struct err *err)
{
	char *path = mem_printf("%s/%s", dir, name);
	char *tmp = mem_printf("%s.%ld", path, (long)getpid());
	int fd, rc = 0;

	fd = open(tmp, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC,
	    secret ? 0600 : 0644);
	if (fd == -1 || write_all(fd, text) == -1)
		rc = err_sys(err, ERR_LOCAL, errno, "%s", tmp);
	if (fd != -1 && close(fd) == -1 && rc == 0)
		rc = err_sys(err, ERR_LOCAL, errno, "%s", tmp);
	if (rc == 0 && rename(tmp, path) == -1)
		rc = err_sys(err, ERR_LOCAL, errno, "%s", path);
	if (rc == -1 && fd != -1)
		(void)unlink(tmp);
	free(tmp);
	free(path);
	return rc;
}

int
endpoint_read(
    const char *dir, const char *name, struct buf *out, struct err *err)
{
	char *path = mem_printf("%s/%s", dir, name), chunk[4096];
	FILE *f = fopen(path, "re");
	size_t n;
	int rc = 0;

	if (f == NULL) {
		rc = err_sys(err, ERR_LOCAL, errno, "%s", path);
		free(path);
		return rc;
	}
	while ((n = fread(chunk, 1, sizeof(chunk), f)) > 0)
		buf_add(out, chunk, n);
	if (ferror(f) || out->overflow)
		rc = err_set(err, ERR_LOCAL, "%s can't be read", path);
	(void)fclose(f);
	free(path);
	return rc;
}

/* Years on both sides: clocks are stepped in tests. */
static int
make_ca(const char *name, struct buf *cert, struct buf *key, struct err *err)
{
	int64_t now = clock_wall_us() / US_PER_SEC;
	struct cert_request r = {
		.common_name = name,
		.ca = true,
		.not_before_sec = now - INT64_C(365) * DAY_SEC,
		.not_after_sec = now + INT64_C(3650) * DAY_SEC,
	};

	return cert_make(&r, cert, key, err);
}

static int
keep_ca(const char *dir, struct err *err)
{
	struct buf cert, key;
	int rc;

	if (endpoint_has(dir, "ca.pem") && endpoint_has(dir, "ca-key.pem"))
		return 0;
	buf_init(&cert, PEM_MAX);
	buf_init(&key, PEM_MAX);
	rc = make_ca("postern-sandbox CA", &cert, &key, err);
	/* The certificate goes last: with it, both are there. */
	if (rc == 0)
		rc = endpoint_write(dir, "ca-key.pem", key.data, true, err);
	if (rc == 0)
		rc = endpoint_write(dir, "ca.pem", cert.data, false, err);
	buf_free(&cert);
	buf_free(&key);
	return rc;
}

static void
add_name(struct endpoint *e, char *name)
{
	e->names[e->nnames++] = name;
}

static void
collect_names(struct endpoint *e, const struct endpoint_config *c)
{
	e->names =
	    mem_array(NAMES_OWN + NAMES_LOCAL + c->nnames, sizeof(*e->names));
	add_name(e, mem_printf("email-smtp.%s.amazonaws.com", c->region));
	add_name(e, mem_printf("email-smtp-fips.%s.amazonaws.com", c->region));
	add_name(
	    e, mem_printf("*.email-smtp.%s.vpce.amazonaws.com", c->region));
	if (c->local_names) {
		add_name(e, mem_strdup("localhost"));
		add_name(e, mem_strdup("127.0.0.1"));
		add_name(e, mem_strdup("::1"));
	}
	for (size_t i = 0; i < c->nnames; i++)
		add_name(e, mem_strdup(c->names[i]));
}

struct endpoint *
endpoint_new(const struct endpoint_config *c, struct err *err)
{
	struct endpoint *e = mem_new(sizeof(*e));

	(void)pthread_mutex_init(&e->lock, NULL);
	e->dir = mem_strdup(c->dir);
	e->ca_file = mem_printf("%s/ca.pem", c->dir);
	collect_names(e, c);
	if (mkdir(c->dir, 0755) == -1 && errno != EEXIST)
		(void)err_sys(err, ERR_LOCAL, errno, "%s", c->dir);
	else if (keep_ca(c->dir, err) == 0 &&
		 endpoint_use(e, kinds[ENDPOINT_GOOD], err) == 0)
		return e;
	endpoint_free(e);
	return NULL;
}

void
endpoint_free(struct endpoint *e)
{
	if (e == NULL)
		return;
	for (int i = 0; i < ENDPOINT_CERTS; i++)
		tls_context_free(e->tls[i]);
	for (size_t i = 0; i < e->nnames; i++)
		free(e->names[i]);
	free(e->names);
	free(e->ca_file);
	free(e->dir);
	(void)pthread_mutex_destroy(&e->lock);
	free(e);
}

const char *
endpoint_ca_file(const struct endpoint *e)
{
	return e->ca_file;
}

static const char *const wrong_names[] = { "email-smtp.wrong.example" };

/* A request for the endpoint's certificate with the given fault. */
static void
request(
    const struct endpoint *e, enum endpoint_cert kind, struct cert_request *r)
{
	int64_t now = clock_wall_us() / US_PER_SEC;

	*r = (struct cert_request){
		.common_name = e->names[0],
		.names = (const char *const *)e->names,
		.nnames = e->nnames,
		.not_before_sec = now - INT64_C(30) * DAY_SEC,
		.not_after_sec = now + INT64_C(365) * DAY_SEC,
	};
	if (kind == ENDPOINT_WRONG_NAME) {
		r->common_name = wrong_names[0];
		r->names = wrong_names;
		r->nnames = 1;
	}
	if (kind == ENDPOINT_EXPIRED)
		r->not_after_sec = now - DAY_SEC;
	if (kind == ENDPOINT_NOT_YET)
		r->not_before_sec = now + INT64_C(30) * DAY_SEC;
}

static int
read_ca(const char *dir, struct buf *cert, struct buf *key, struct err *err)
{
	if (endpoint_read(dir, "ca.pem", cert, err) == -1)
		return -1;
	return endpoint_read(dir, "ca-key.pem", key, err);
}

/* Make the certificate; cert and key get PEM text. */
static int
make_cert(const struct endpoint *e, enum endpoint_cert kind, struct buf *cert,
    struct buf *key, struct err *err)
{
	struct buf ca_cert, ca_key;
	struct cert_request r;
	int rc = 0;

	buf_init(&ca_cert, PEM_MAX);
	buf_init(&ca_key, PEM_MAX);
	request(e, kind, &r);
	if (kind == ENDPOINT_UNTRUSTED)
		rc = make_ca("An unknown CA", &ca_cert, &ca_key, err);
	else if (kind != ENDPOINT_SELF_SIGNED)
		rc = read_ca(e->dir, &ca_cert, &ca_key, err);
	if (kind != ENDPOINT_SELF_SIGNED) {
		r.issuer_cert = ca_cert.data;
		r.issuer_key = ca_key.data;
	}
	if (rc == 0)
		rc = cert_make(&r, cert, key, err);
	buf_free(&ca_cert);
	buf_free(&ca_key);
	return rc;
}

/* core/tls.h reads files; two sandboxes on one directory use their own. */
static struct tls_context *
make_context(const struct endpoint *e, enum endpoint_cert kind, struct err *err)
{
	char *cert_name = mem_printf("cert-%ld.pem", (long)getpid());
	char *key_name = mem_printf("cert-key-%ld.pem", (long)getpid());
	char *cert_file = mem_printf("%s/%s", e->dir, cert_name);
	char *key_file = mem_printf("%s/%s", e->dir, key_name);
	struct tls_context *tls = NULL;
	struct buf cert, key;

	buf_init(&cert, PEM_MAX);
	buf_init(&key, PEM_MAX);
	if (make_cert(e, kind, &cert, &key, err) == 0 &&
	    endpoint_write(e->dir, cert_name, cert.data, false, err) == 0 &&
	    endpoint_write(e->dir, key_name, key.data, true, err) == 0)
		tls = tls_server_context(cert_file, key_file, NULL, err);
	(void)unlink(cert_file);
	(void)unlink(key_file);
	buf_free(&cert);
	buf_free(&key);
	free(cert_name);
	free(key_name);
	free(cert_file);
	free(key_file);
	return tls;
}

int
endpoint_use(struct endpoint *e, const char *kind, struct err *err)
{
	int i, rc = 0;

	for (i = 0; i < ENDPOINT_CERTS; i++)
		if (strcmp(kind, kinds[i]) == 0)
			break;
	if (i == ENDPOINT_CERTS)
		return err_set(err, ERR_CONFIG,
		    "certificate %s: good, wrong-name, expired, "
		    "not-yet-valid, self-signed or untrusted is wanted",
		    kind);
	(void)pthread_mutex_lock(&e->lock);
	if (e->tls[i] == NULL)
		e->tls[i] = make_context(e, (enum endpoint_cert)i, err);
	if (e->tls[i] != NULL)
		e->shown = (enum endpoint_cert)i;
	else
		rc = -1;
	(void)pthread_mutex_unlock(&e->lock);
	return rc;
}

struct tls_context *
endpoint_tls(struct endpoint *e)
{
	struct tls_context *tls;

	(void)pthread_mutex_lock(&e->lock);
	tls = e->tls[e->shown];
	(void)pthread_mutex_unlock(&e->lock);
	return tls;
}
