/* SPDX-License-Identifier: BSD-2-Clause */
#include "config.h"

#include "core/tls.h"

#include <sys/socket.h>

#include <netinet/in.h>

#include <arpa/inet.h>
#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <gnutls/gnutls.h>
#include <gnutls/x509.h>

#include "core/buf.h"
#include "core/log.h"
#include "core/mem.h"
#include "core/tls_fault.h"

/*
 * tls.h over GnuTLS 3.6 or newer.
 */

static const char priorities[] = "NORMAL:-VERS-ALL:+VERS-TLS1.3:+VERS-TLS1.2";

struct tls_context {
	gnutls_certificate_credentials_t cred;
	gnutls_priority_t prio;
	gnutls_datum_t ticket_key; /* server */
	bool client;
	bool ask_client; /* server: peers must show a certificate */

	/* The last session that a server gave us, to resume with the next
	 * connection to the same host: saves the server half of the work, and
	 * one round trip with TLS 1.2. */
	pthread_mutex_t lock;
	gnutls_datum_t session;
	char *session_host;
};

struct tls {
	gnutls_session_t session;
	struct tls_context *ctx;
	char *host; /* NULL in a server */
};

/* For what can only fail when memory or the library itself is broken. */
static void
need(int rc)
{
	if (rc < 0)
		log_fatal("GnuTLS: %s", gnutls_strerror(rc));
}

static struct tls_context *
new_context(bool client)
{
	struct tls_context *c = mem_new(sizeof(*c));

	c->client = client;
	(void)pthread_mutex_init(&c->lock, NULL);
	need(gnutls_certificate_allocate_credentials(&c->cred));
	need(gnutls_priority_init(&c->prio, priorities, NULL));
	return c;
}

void
tls_context_free(struct tls_context *c)
{
	if (c == NULL)
		return;
	gnutls_certificate_free_credentials(c->cred);
	gnutls_priority_deinit(c->prio);
	gnutls_free(c->ticket_key.data);
	gnutls_free(c->session.data);
	free(c->session_host);
	(void)pthread_mutex_destroy(&c->lock);
	free(c);
}

static int
trust_file(struct tls_context *c, const char *file, struct err *err)
{
	const char *what = "file of trusted certificates";
	int n;

	if (tls_check_file(what, file, err) == -1)
		return -1;
	n = gnutls_certificate_set_x509_trust_file(
	    c->cred, file, GNUTLS_X509_FMT_PEM);
	if (n <= 0)
		return err_set(err, ERR_CONFIG,
		    "%s %s holds no certificate in PEM form (%s)", what, file,
		    gnutls_strerror(n));
	return 0;
}

/* Without certificates of the system every server is of an unknown issuer,
 * which the handshake will say; it is no reason not to start. */
struct tls_context *
tls_client_context(const char *ca_file, struct err *err)
{
	struct tls_context *c = new_context(true);

	if (ca_file == NULL) {
		(void)gnutls_certificate_set_x509_system_trust(c->cred);
	} else if (trust_file(c, ca_file, err) == -1) {
		tls_context_free(c);
		return NULL;
	}
	return c;
}

static int
load_key_pair(struct tls_context *c, const char *cert_file,
    const char *key_file, struct err *err)
{
	int rc;

	if (tls_check_file("certificate", cert_file, err) == -1 ||
	    tls_check_file("key", key_file, err) == -1)
		return -1;
	rc = gnutls_certificate_set_x509_key_file(
	    c->cred, cert_file, key_file, GNUTLS_X509_FMT_PEM);
	if (rc < 0)
		return err_set(err, ERR_CONFIG,
		    "%s and %s are no pair of certificate and key in PEM form "
		    "(%s)",
		    cert_file, key_file, gnutls_strerror(rc));
	return 0;
}

struct tls_context *
tls_server_context(const char *cert_file, const char *key_file,
    const char *client_ca, struct err *err)
{
	struct tls_context *c = new_context(false);

	c->ask_client = client_ca != NULL;
	need(gnutls_session_ticket_key_generate(&c->ticket_key));
	if (load_key_pair(c, cert_file, key_file, err) == -1 ||
	    (client_ca != NULL && trust_file(c, client_ca, err) == -1)) {
		tls_context_free(c);
		return NULL;
	}
	return c;
}

static void
offer_session(struct tls *t)
{
	struct tls_context *c = t->ctx;

	(void)pthread_mutex_lock(&c->lock);
	if (c->session.data != NULL && strcmp(c->session_host, t->host) == 0)
		(void)gnutls_session_set_data(
		    t->session, c->session.data, c->session.size);
	(void)pthread_mutex_unlock(&c->lock);
}

/* Asked before the ticket is there, gnutls_session_get_data2 would wait for it. */
static void
keep_session(struct tls *t)
{
	struct tls_context *c = t->ctx;
	gnutls_datum_t data;

	if ((gnutls_session_get_flags(t->session) &
		GNUTLS_SFLAGS_SESSION_TICKET) == 0 ||
	    gnutls_session_get_data2(t->session, &data) < 0)
		return;
	(void)pthread_mutex_lock(&c->lock);
	gnutls_free(c->session.data);
	c->session = data;
	free(c->session_host);
	c->session_host = mem_strdup(t->host);
	(void)pthread_mutex_unlock(&c->lock);
}

/* An address is never sent as SNI (RFC 6066 section 3). */
static bool
is_address(const char *host)
{
	struct in6_addr addr;

	return inet_pton(AF_INET, host, &addr) == 1 ||
	    inet_pton(AF_INET6, host, &addr) == 1;
}

static void
init_client(struct tls *t, const char *host)
{
	t->host = mem_strdup(host);
	need(gnutls_init(
	    &t->session, GNUTLS_CLIENT | GNUTLS_NONBLOCK | GNUTLS_NO_SIGNAL));
	if (!is_address(host))
		need(gnutls_server_name_set(
		    t->session, GNUTLS_NAME_DNS, host, strlen(host)));
	gnutls_session_set_verify_cert(t->session, t->host, 0);
	offer_session(t);
}

static void
init_server(struct tls *t)
{
	struct tls_context *c = t->ctx;

	need(gnutls_init(
	    &t->session, GNUTLS_SERVER | GNUTLS_NONBLOCK | GNUTLS_NO_SIGNAL));
	need(gnutls_session_ticket_enable_server(t->session, &c->ticket_key));
	if (!c->ask_client)
		return;
	gnutls_certificate_server_set_request(t->session, GNUTLS_CERT_REQUIRE);
	gnutls_session_set_verify_cert(t->session, NULL, 0);
}

struct tls *
tls_new(struct tls_context *c, int fd, const char *host)
{
	struct tls *t = mem_new(sizeof(*t));

	t->ctx = c;
	if (c->client)
		init_client(t, host);
	else
		init_server(t);
	need(gnutls_priority_set(t->session, c->prio));
	need(gnutls_credentials_set(
	    t->session, GNUTLS_CRD_CERTIFICATE, c->cred));
	gnutls_handshake_set_timeout(t->session, 0); /* the stream's deadline */
	gnutls_transport_set_int(t->session, fd);
	return t;
}

void
tls_free(struct tls *t)
{
	if (t == NULL)
		return;
	gnutls_deinit(t->session);
	free(t->host);
	free(t);
}

static void
add_name(struct buf *names, const char *name)
{
	buf_addf(names, "%s%s", names->len > 0 ? ", " : "", name);
}

/* The names in a certificate, as many as a line of the log can take. */
static void
certificate_names(gnutls_x509_crt_t cert, struct buf *names)
{
	char text[256], ip[INET6_ADDRSTRLEN];
	size_t len;
	int type;

	for (unsigned i = 0;; i++) {
		len = sizeof(text);
		type = gnutls_x509_crt_get_subject_alt_name(
		    cert, i, text, &len, NULL);
		if (type == GNUTLS_E_SHORT_MEMORY_BUFFER)
			continue;
		if (type < 0)
			break;
		if (type == GNUTLS_SAN_DNSNAME)
			add_name(names, text);
		else if (type == GNUTLS_SAN_IPADDRESS &&
		    (len == 4 || len == 16) &&
		    inet_ntop(len == 4 ? AF_INET : AF_INET6, text, ip,
			sizeof(ip)) != NULL)
			add_name(names, ip);
	}
	len = sizeof(text);
	if (names->len == 0 &&
	    gnutls_x509_crt_get_dn_by_oid(cert, GNUTLS_OID_X520_COMMON_NAME, 0,
		0, text, &len) == 0)
		add_name(names, text);
}

static int
wrong_name(gnutls_x509_crt_t cert, const char *host, struct err *err)
{
	struct buf names;

	buf_init(&names, 300);
	certificate_names(cert, &names);
	(void)tls_fault_name(names.data, host, err);
	buf_free(&names);
	return -1;
}

typedef int dn_by_oid_fn(gnutls_x509_crt_t, const char *oid, unsigned index,
    unsigned raw, void *text, size_t *size);

/* Subject or issuer: the common name, else the organisation. */
static void
name_words(gnutls_x509_crt_t cert, dn_by_oid_fn *get, char *text, size_t size)
{
	size_t len = size;

	if (get(cert, GNUTLS_OID_X520_COMMON_NAME, 0, 0, text, &len) == 0)
		return;
	len = size;
	if (get(cert, GNUTLS_OID_X520_ORGANIZATION_NAME, 0, 0, text, &len) != 0)
		(void)snprintf(text, size, "(unnamed)");
}

/* All that was wrong comes as one set of bits; without trust in the issuer the rest
 * means nothing, so that comes first. */
static int
explain(struct tls *t, gnutls_x509_crt_t cert, unsigned status,
    struct err *err)
{
	char name[128], issuer[128];
	gnutls_datum_t words;
	struct tm tm;
	time_t when;

	name_words(cert, gnutls_x509_crt_get_dn_by_oid, name, sizeof(name));
	name_words(cert, gnutls_x509_crt_get_issuer_dn_by_oid, issuer,
	    sizeof(issuer));
	if (status & GNUTLS_CERT_SIGNER_NOT_FOUND)
		return tls_fault_issuer(issuer, t->ctx->client, err);
	if (status & GNUTLS_CERT_UNEXPECTED_OWNER)
		return wrong_name(cert, t->host, err);
	if (status & GNUTLS_CERT_EXPIRED) {
		when = gnutls_x509_crt_get_expiration_time(cert);
		return tls_fault_expired(name, gmtime_r(&when, &tm), err);
	}
	if (status & GNUTLS_CERT_NOT_ACTIVATED) {
		when = gnutls_x509_crt_get_activation_time(cert);
		return tls_fault_not_yet(name, gmtime_r(&when, &tm), err);
	}
	need(gnutls_certificate_verification_status_print(
	    status, GNUTLS_CRT_X509, &words, 0));
	(void)tls_fault_other(name, (const char *)words.data, err);
	gnutls_free(words.data);
	return -1;
}

/* Whether it is this certificate of the chain that the status is about. */
static bool
is_culprit(gnutls_x509_crt_t cert, unsigned status, bool last)
{
	time_t now = time(NULL);

	if (status & GNUTLS_CERT_SIGNER_NOT_FOUND)
		return last;
	if (status & GNUTLS_CERT_UNEXPECTED_OWNER)
		return true;
	if (status & GNUTLS_CERT_EXPIRED)
		return gnutls_x509_crt_get_expiration_time(cert) < now;
	if (status & GNUTLS_CERT_NOT_ACTIVATED)
		return gnutls_x509_crt_get_activation_time(cert) > now;
	return true;
}

static void
explain_chain(struct tls *t, struct err *err)
{
	unsigned status = gnutls_session_get_verify_cert_status(t->session);
	unsigned n = 0;
	const gnutls_datum_t *der;
	gnutls_x509_crt_t cert;
	bool found = false;

	(void)err_set(err, ERR_TLS, "TLS: the certificate is not valid");
	der = gnutls_certificate_get_peers(t->session, &n);
	for (unsigned i = 0; i < n && !found; i++) {
		need(gnutls_x509_crt_init(&cert));
		if (gnutls_x509_crt_import(
			cert, &der[i], GNUTLS_X509_FMT_DER) == 0 &&
		    is_culprit(cert, status, i == n - 1)) {
			(void)explain(t, cert, status, err);
			found = true;
		}
		gnutls_x509_crt_deinit(cert);
	}
}

static enum tls_want
failed(struct tls *t, int rc, struct err *err)
{
	const char *words = gnutls_strerror(rc);
	gnutls_alert_description_t alert;

	switch (rc) {
	case GNUTLS_E_CERTIFICATE_VERIFICATION_ERROR:
		explain_chain(t, err);
		break;
	case GNUTLS_E_UNSUPPORTED_VERSION_PACKET:
		(void)tls_fault_version(words, err);
		break;
	case GNUTLS_E_UNEXPECTED_PACKET:
	case GNUTLS_E_UNEXPECTED_PACKET_LENGTH:
	case GNUTLS_E_RECORD_OVERFLOW:
		(void)tls_fault_no_tls(err);
		break;
	case GNUTLS_E_PUSH_ERROR:
	case GNUTLS_E_PULL_ERROR:
		(void)err_sys(err, ERR_NET, errno, "connection under TLS");
		break;
	case GNUTLS_E_FATAL_ALERT_RECEIVED:
		alert = gnutls_alert_get(t->session);
		words = gnutls_alert_get_name(alert);
		if (alert == GNUTLS_A_PROTOCOL_VERSION)
			(void)tls_fault_version(words, err);
		else
			(void)err_set(err, ERR_TLS, "TLS: the peer says: %s",
			    words != NULL ? words : "unknown alert");
		break;
	default:
		(void)err_set(err, ERR_TLS, "TLS: %s", words);
	}
	return TLS_FAILED;
}

static bool
is_end(int rc)
{
	return rc == GNUTLS_E_PREMATURE_TERMINATION ||
	    rc == GNUTLS_E_SESSION_EOF;
}

/*
 * What is neither fatal nor done wants another try: when the socket is ready
 * again, and at once (which a wait for sending amounts to) after a warning.
 */
static enum tls_want
outcome(struct tls *t, ssize_t rc, struct err *err)
{
	if (rc >= 0)
		return TLS_DONE;
	if (is_end((int)rc))
		return TLS_EOF;
	if (gnutls_error_is_fatal((int)rc))
		return failed(t, (int)rc, err);
	if (rc == GNUTLS_E_AGAIN &&
	    gnutls_record_get_direction(t->session) == 0)
		return TLS_WANT_READ;
	return TLS_WANT_WRITE;
}

/* A refusal should reach the peer as an alert, for its log too. */
enum tls_want
tls_handshake(struct tls *t, struct err *err)
{
	int rc = gnutls_handshake(t->session);
	enum tls_want want = outcome(t, rc, err);

	if (want == TLS_FAILED)
		(void)gnutls_alert_send_appropriate(t->session, rc);
	return want;
}

enum tls_want
tls_read(struct tls *t, void *data, size_t len, size_t *n_r, struct err *err)
{
	ssize_t n = gnutls_record_recv(t->session, data, len);

	if (n == 0)
		return TLS_EOF;
	if (n > 0)
		*n_r = (size_t)n;
	return outcome(t, n, err);
}

bool
tls_pending(struct tls *t)
{
	return gnutls_record_check_pending(t->session) > 0;
}

enum tls_want
tls_write(struct tls *t, const void *data, size_t len, size_t *n_r,
    struct err *err)
{
	ssize_t n = gnutls_record_send(t->session, data, len);

	if (n > 0)
		*n_r = (size_t)n;
	return outcome(t, n, err);
}

/* Nobody waits for the peer's close_notify: the socket is closed next. */
void
tls_close(struct tls *t)
{
	if (t->ctx->client)
		keep_session(t);
	(void)gnutls_bye(t->session, GNUTLS_SHUT_WR);
}

void
tls_describe(struct tls *t, char *text, size_t size)
{
	const char *version =
	    gnutls_protocol_get_name(gnutls_protocol_get_version(t->session));

	/* GnuTLS says TLS1.3, everybody else (and many a log reader) TLSv1.3. */
	if (version == NULL || strncmp(version, "TLS", 3) != 0)
		version = "TLS?";
	(void)snprintf(text, size, "TLSv%s %s", version + 3,
	    gnutls_cipher_get_name(gnutls_cipher_get(t->session)));
}
