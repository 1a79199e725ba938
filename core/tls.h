/*
 * tls: TLS 1.2 or newer, over a connected non-blocking socket.
 *
 * One implementation is built in (tls_openssl.c or tls_gnutls.c); both pass the
 * same tests. A client always sends SNI and always verifies chain and host
 * name: there is no way to ask otherwise. Only core/wire calls the
 * per-connection functions. Contexts may be shared by threads, connections may
 * not.
 */
#ifndef CORE_TLS_H
#define CORE_TLS_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "core/err.h"

struct tls_context;
struct tls;

/* What a read, write or handshake needs before it can go on. */
enum tls_want { TLS_DONE, TLS_WANT_READ, TLS_WANT_WRITE, TLS_EOF, TLS_FAILED };

/*
 * A client context that trusts the certificates in ca_file (PEM), or those of
 * the system when it is NULL. NULL and err (ERR_CONFIG, naming the file) on
 * failure.
 */
struct tls_context *tls_client_context(const char *ca_file, struct err *);

/*
 * A server context with a certificate chain and key in PEM files. When
 * client_ca is not NULL, peers must show a certificate from it. NULL and err on
 * failure.
 */
struct tls_context *tls_server_context(const char *cert_file,
    const char *key_file, const char *client_ca, struct err *);
void tls_context_free(struct tls_context *);

/*
 * A connection on fd (non-blocking, stays the caller's). host is the name that
 * a client sends and verifies (RFC 6125: a wildcard stands for one label), or
 * an address in numbers, which is verified and not sent; NULL in a server.
 * Never NULL. A client resumes the last session with that host, if there is
 * one.
 */
struct tls *tls_new(struct tls_context *, int fd, const char *host);
void tls_free(struct tls *);

/*
 * Each call does as much as it can without waiting. TLS_WANT_*: call again with
 * the same arguments when the socket is ready. TLS_FAILED: err says why
 * (ERR_TLS; ERR_NET when the connection under it broke), for certificates in
 * words that name the cause (expired, wrong name and the names there are,
 * unknown issuer). TLS_EOF: the peer closed; a missing close_notify counts as
 * EOF too, since SES does so.
 */
enum tls_want tls_handshake(struct tls *, struct err *);
enum tls_want tls_read(struct tls *, void *, size_t, size_t *n_r, struct err *);
enum tls_want tls_write(
    struct tls *, const void *, size_t, size_t *n_r, struct err *);

/*
 * Does the library hold input, so that waiting for the socket might be in vain?
 */
bool tls_pending(struct tls *);

/* Send close_notify if that is possible without waiting. */
void tls_close(struct tls *);

/* "TLSv1.3 TLS_AES_256_GCM_SHA384" (GnuTLS: "TLSv1.3 AES-256-GCM"), for logs
 * and Received. */
void tls_describe(struct tls *, char *text, size_t size);

#endif
