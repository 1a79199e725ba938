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

/* OpenSSL 3 has a type by the name of one of core/err.h's classes. */
#define ERR_STATE OPENSSL_ERR_STATE
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#undef ERR_STATE

#include "core/buf.h"
#include "core/log.h"
#include "core/mem.h"
#include "core/tls_fault.h"

/*
 * tls.h over OpenSSL 1.1.1 or 3.
 *
 * OpenSSL's error queue belongs to the thread, not to the connection: it is
 * cleared before each call, so that SSL_get_error sees only what that call left.
 * OpenSSL writes without MSG_NOSIGNAL: programs that use this ignore SIGPIPE.
 */

/* OpenSSL 1.1.1 tells of a missing close_notify in another way; see outcome(). */
#ifndef SSL_OP_IGNORE_UNEXPECTED_EOF
#define SSL_OP_IGNORE_UNEXPECTED_EOF 0
#endif

struct tls_context {
	SSL_CTX *ctx;
	bool client;

	/* The last session that a server gave us, to resume with the next
	 * connection to the same host: saves the server half of the work, and
	 * one round trip with TLS 1.2. */
	pthread_mutex_t lock;
	SSL_SESSION *session;
	char *session_host;
};

struct tls {
	SSL *ssl;
	struct tls_context *ctx;
	char *host;	  /* NULL in a server */
	bool fault;	  /* the peer's certificate was refused, and why: */
	struct err why;
};

static const char *
last_words(void)
{
	const char *words = ERR_reason_error_string(ERR_peek_error());

	return words != NULL ? words : "unknown reason";
}

/* Subject or issuer: the common name, else the organisation. */
static void
name_words(X509_NAME *name, char *text, size_t size)
{
	static const int nids[] = { NID_commonName, NID_organizationName };
	int len = -1;

	for (size_t i = 0; i < 2 && len <= 0; i++)
		len = X509_NAME_get_text_by_NID(
		    name, nids[i], text, (int)size);
	if (len <= 0)
		(void)snprintf(text, size, "(unnamed)");
}

static void
add_name(struct buf *names, const char *name)
{
	buf_addf(names, "%s%s", names->len > 0 ? ", " : "", name);
}

static void
add_general_name(struct buf *names, const GENERAL_NAME *gn)
{
	const unsigned char *data;
	char ip[INET6_ADDRSTRLEN];
	int len;

	if (gn->type != GEN_DNS && gn->type != GEN_IPADD)
		return;
	data = ASN1_STRING_get0_data(gn->d.ia5);
	len = ASN1_STRING_length(gn->d.ia5);
	if (gn->type == GEN_DNS)
		add_name(names, (const char *)data);
	else if ((len == 4 || len == 16) &&
	    inet_ntop(len == 4 ? AF_INET : AF_INET6, data, ip, sizeof(ip)) !=
		NULL)
		add_name(names, ip);
}

/* The names in a certificate, as many as a line of the log can take. */
static void
certificate_names(X509 *cert, struct buf *names)
{
	GENERAL_NAMES *list;
	char cn[128];

	list = X509_get_ext_d2i(cert, NID_subject_alt_name, NULL, NULL);
	for (int i = 0; i < sk_GENERAL_NAME_num(list); i++)
		add_general_name(names, sk_GENERAL_NAME_value(list, i));
	GENERAL_NAMES_free(list);
	if (names->len == 0 &&
	    X509_NAME_get_text_by_NID(X509_get_subject_name(cert),
		NID_commonName, cn, sizeof(cn)) > 0)
		add_name(names, cn);
}

static void
wrong_name(struct tls *t, X509 *cert)
{
	struct buf names;

	buf_init(&names, 300);
	certificate_names(cert, &names);
	(void)tls_fault_name(names.data, t->host, &t->why);
	buf_free(&names);
}

static void
explain(struct tls *t, X509 *cert, int code)
{
	char name[128], issuer[128];
	struct tm tm;

	memset(&tm, 0, sizeof(tm));
	name_words(X509_get_subject_name(cert), name, sizeof(name));
	name_words(X509_get_issuer_name(cert), issuer, sizeof(issuer));
	switch (code) {
	case X509_V_ERR_CERT_HAS_EXPIRED:
		(void)ASN1_TIME_to_tm(X509_get0_notAfter(cert), &tm);
		(void)tls_fault_expired(name, &tm, &t->why);
		break;
	case X509_V_ERR_CERT_NOT_YET_VALID:
		(void)ASN1_TIME_to_tm(X509_get0_notBefore(cert), &tm);
		(void)tls_fault_not_yet(name, &tm, &t->why);
		break;
	case X509_V_ERR_HOSTNAME_MISMATCH:
	case X509_V_ERR_IP_ADDRESS_MISMATCH:
		wrong_name(t, cert);
		break;
	case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT:
	case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY:
	case X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE:
	case X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT:
	case X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN:
	case X509_V_ERR_CERT_UNTRUSTED:
		(void)tls_fault_issuer(issuer, t->ctx->client, &t->why);
		break;
	default:
		(void)tls_fault_other(
		    name, X509_verify_cert_error_string(code), &t->why);
	}
}

/* Called for each certificate; the first that fails ends the handshake. */
static int
on_verify(int ok, X509_STORE_CTX *store)
{
	SSL *ssl;
	struct tls *t;
	X509 *cert;

	if (ok == 1)
		return 1;
	ssl = X509_STORE_CTX_get_ex_data(
	    store, SSL_get_ex_data_X509_STORE_CTX_idx());
	t = SSL_get_app_data(ssl);
	if ((cert = X509_STORE_CTX_get_current_cert(store)) == NULL)
		cert = X509_STORE_CTX_get0_cert(store);
	explain(t, cert, X509_STORE_CTX_get_error(store));
	t->fault = true;
	return 0;
}

/*
 * A session comes here only after its connection was verified. Connections
 * go on writing to theirs, so what is shared is a copy, touched under the lock
 * alone.
 */
static int
on_session(SSL *ssl, SSL_SESSION *session)
{
	struct tls *t = SSL_get_app_data(ssl);
	struct tls_context *c = t->ctx;
	SSL_SESSION *copy = SSL_SESSION_dup(session);

	(void)pthread_mutex_lock(&c->lock);
	SSL_SESSION_free(c->session);
	c->session = copy;
	free(c->session_host);
	c->session_host = mem_strdup(t->host);
	(void)pthread_mutex_unlock(&c->lock);
	return 0; /* the original stays the connection's */
}

static void
offer_session(struct tls *t)
{
	struct tls_context *c = t->ctx;
	SSL_SESSION *copy = NULL;

	(void)pthread_mutex_lock(&c->lock);
	if (c->session != NULL && strcmp(c->session_host, t->host) == 0 &&
	    SSL_SESSION_is_resumable(c->session))
		copy = SSL_SESSION_dup(c->session);
	(void)pthread_mutex_unlock(&c->lock);
	if (copy != NULL)
		(void)SSL_set_session(t->ssl, copy);
	SSL_SESSION_free(copy);
}

/* A key with a pass phrase is an error; nobody is there to type one. */
static int
no_pass_phrase(char *buf, int size, int writing, void *arg)
{
	(void)buf;
	(void)size;
	(void)writing;
	(void)arg;
	return -1;
}

static struct tls_context *
new_context(const SSL_METHOD *method, bool client)
{
	struct tls_context *c = mem_new(sizeof(*c));

	c->client = client;
	if ((c->ctx = SSL_CTX_new(method)) == NULL)
		log_fatal("OpenSSL: %s", last_words());
	(void)pthread_mutex_init(&c->lock, NULL);
	(void)SSL_CTX_set_min_proto_version(c->ctx, TLS1_2_VERSION);
	(void)SSL_CTX_set_options(c->ctx,
	    SSL_OP_IGNORE_UNEXPECTED_EOF | SSL_OP_NO_COMPRESSION |
		SSL_OP_NO_RENEGOTIATION);
	(void)SSL_CTX_set_mode(c->ctx,
	    SSL_MODE_ENABLE_PARTIAL_WRITE |
		SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
	/* One read(2) a record in place of two. */
	SSL_CTX_set_read_ahead(c->ctx, 1);
	return c;
}

void
tls_context_free(struct tls_context *c)
{
	if (c == NULL)
		return;
	SSL_CTX_free(c->ctx);
	SSL_SESSION_free(c->session);
	free(c->session_host);
	(void)pthread_mutex_destroy(&c->lock);
	free(c);
}

/*
 * OpenSSL decodes a certificate's extensions when it first needs them, and the
 * first handshakes on several threads would share that work by its own locks,
 * which the thread sanitizer cannot see. So it is done here, before any thread
 * has the certificates.
 */
static void
decode_extensions(X509_STORE *store)
{
	STACK_OF(X509_OBJECT) *objects = X509_STORE_get0_objects(store);
	X509 *cert;

	for (int i = 0; i < sk_X509_OBJECT_num(objects); i++) {
		cert = X509_OBJECT_get0_X509(sk_X509_OBJECT_value(objects, i));
		if (cert != NULL)
			(void)X509_check_purpose(cert, -1, 0);
	}
}

static int
trust_file(SSL_CTX *ctx, const char *file, struct err *err)
{
	const char *what = "file of trusted certificates";

	if (tls_check_file(what, file, err) == -1)
		return -1;
	ERR_clear_error();
	if (SSL_CTX_load_verify_locations(ctx, file, NULL) != 1)
		return err_set(err, ERR_CONFIG,
		    "%s %s holds no certificate in PEM form (%s)", what, file,
		    last_words());
	/* Whatever is in the file is trusted, be it a root or not. */
	(void)X509_STORE_set_flags(
	    SSL_CTX_get_cert_store(ctx), X509_V_FLAG_PARTIAL_CHAIN);
	decode_extensions(SSL_CTX_get_cert_store(ctx));
	return 0;
}

struct tls_context *
tls_client_context(const char *ca_file, struct err *err)
{
	struct tls_context *c = new_context(TLS_client_method(), true);

	SSL_CTX_set_verify(c->ctx, SSL_VERIFY_PEER, on_verify);
	(void)SSL_CTX_set_session_cache_mode(c->ctx,
	    SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
	SSL_CTX_sess_set_new_cb(c->ctx, on_session);
	if (ca_file == NULL) {
		(void)SSL_CTX_set_default_verify_paths(c->ctx);
	} else if (trust_file(c->ctx, ca_file, err) == -1) {
		tls_context_free(c);
		return NULL;
	}
	return c;
}

static int
load_key_pair(SSL_CTX *ctx, const char *cert_file, const char *key_file,
    struct err *err)
{
	if (tls_check_file("certificate", cert_file, err) == -1 ||
	    tls_check_file("key", key_file, err) == -1)
		return -1;
	SSL_CTX_set_default_passwd_cb(ctx, no_pass_phrase);
	ERR_clear_error();
	if (SSL_CTX_use_certificate_chain_file(ctx, cert_file) != 1)
		return err_set(err, ERR_CONFIG,
		    "%s holds no certificate in PEM form (%s)", cert_file,
		    last_words());
	if (SSL_CTX_use_PrivateKey_file(ctx, key_file, SSL_FILETYPE_PEM) != 1)
		return err_set(err, ERR_CONFIG,
		    "%s holds no key for the certificate in %s (%s)", key_file,
		    cert_file, last_words());
	return 0;
}

static int
ask_for_client(SSL_CTX *ctx, const char *client_ca, struct err *err)
{
	STACK_OF(X509_NAME) *names;

	if (trust_file(ctx, client_ca, err) == -1)
		return -1;
	if ((names = SSL_load_client_CA_file(client_ca)) != NULL)
		SSL_CTX_set_client_CA_list(ctx, names);
	SSL_CTX_set_verify(ctx,
	    SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, on_verify);
	return 0;
}

struct tls_context *
tls_server_context(const char *cert_file, const char *key_file,
    const char *client_ca, struct err *err)
{
	static const unsigned char id[] = "postern";
	struct tls_context *c = new_context(TLS_server_method(), false);

	(void)SSL_CTX_set_session_id_context(c->ctx, id, sizeof(id) - 1);
	if (load_key_pair(c->ctx, cert_file, key_file, err) == -1 ||
	    (client_ca != NULL &&
		ask_for_client(c->ctx, client_ca, err) == -1)) {
		tls_context_free(c);
		return NULL;
	}
	return c;
}

/* An address is looked for among the certificate's addresses, and is never
 * sent as SNI (RFC 6066 section 3). */
static void
set_host(SSL *ssl, char *host)
{
	X509_VERIFY_PARAM *param = SSL_get0_param(ssl);

	X509_VERIFY_PARAM_set_hostflags(
	    param, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
	if (X509_VERIFY_PARAM_set1_ip_asc(param, host) == 1)
		return;
	if (SSL_set1_host(ssl, host) != 1 ||
	    SSL_set_tlsext_host_name(ssl, host) != 1)
		log_fatal("OpenSSL can't verify the name %s", host);
}

struct tls *
tls_new(struct tls_context *c, int fd, const char *host)
{
	struct tls *t = mem_new(sizeof(*t));

	t->ctx = c;
	if ((t->ssl = SSL_new(c->ctx)) == NULL || SSL_set_fd(t->ssl, fd) != 1)
		log_fatal("OpenSSL: %s", last_words());
	SSL_set_app_data(t->ssl, t);
	if (!c->client) {
		SSL_set_accept_state(t->ssl);
		return t;
	}
	t->host = mem_strdup(host);
	SSL_set_connect_state(t->ssl);
	set_host(t->ssl, t->host);
	offer_session(t);
	return t;
}

void
tls_free(struct tls *t)
{
	if (t == NULL)
		return;
	SSL_free(t->ssl);
	free(t->host);
	free(t);
}

static enum tls_want
failed(struct tls *t, struct err *err)
{
	unsigned long code = ERR_peek_error();
	int reason = ERR_GET_LIB(code) == ERR_LIB_SSL ? ERR_GET_REASON(code)
						      : 0;

	if (t->fault)
		*err = t->why;
	else if (reason == SSL_R_UNSUPPORTED_PROTOCOL ||
	    reason == SSL_R_TLSV1_ALERT_PROTOCOL_VERSION)
		(void)tls_fault_version(last_words(), err);
	else if (reason == SSL_R_WRONG_VERSION_NUMBER)
		(void)tls_fault_no_tls(err);
	else
		(void)err_set(err, ERR_TLS, "TLS: %s", last_words());
	return TLS_FAILED;
}

static enum tls_want
outcome(struct tls *t, int rc, struct err *err)
{
	int errnum = errno;

	switch (SSL_get_error(t->ssl, rc)) {
	case SSL_ERROR_NONE:
		return TLS_DONE;
	case SSL_ERROR_WANT_READ:
		return TLS_WANT_READ;
	case SSL_ERROR_WANT_WRITE:
		return TLS_WANT_WRITE;
	case SSL_ERROR_ZERO_RETURN:
		return TLS_EOF;
	case SSL_ERROR_SYSCALL:
		/* 1.1.1 leaves errno alone at a missing close_notify. */
		if (errnum == 0)
			return TLS_EOF;
		(void)err_sys(err, ERR_NET, errnum, "connection under TLS");
		return TLS_FAILED;
	default:
		return failed(t, err);
	}
}

static void
begin(void)
{
	ERR_clear_error();
	errno = 0;
}

enum tls_want
tls_handshake(struct tls *t, struct err *err)
{
	begin();
	return outcome(t, SSL_do_handshake(t->ssl), err);
}

enum tls_want
tls_read(struct tls *t, void *data, size_t len, size_t *n_r, struct err *err)
{
	begin();
	return outcome(t, SSL_read_ex(t->ssl, data, len, n_r), err);
}

bool
tls_pending(struct tls *t)
{
	return SSL_has_pending(t->ssl) == 1;
}

enum tls_want
tls_write(struct tls *t, const void *data, size_t len, size_t *n_r,
    struct err *err)
{
	begin();
	return outcome(t, SSL_write_ex(t->ssl, data, len, n_r), err);
}

/* Nobody waits for the peer's close_notify: the socket is closed next. */
void
tls_close(struct tls *t)
{
	begin();
	if (!SSL_in_init(t->ssl))
		(void)SSL_shutdown(t->ssl);
}

void
tls_describe(struct tls *t, char *text, size_t size)
{
	(void)snprintf(text, size, "%s %s", SSL_get_version(t->ssl),
	    SSL_get_cipher_name(t->ssl));
}
