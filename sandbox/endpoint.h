/*
 * endpoint: the state directory, and the certificates that SES's endpoint
 * shows.
 *
 * On first start a CA is made and kept in the directory (ca.pem, ca-key.pem),
 * so that clients go on trusting it over restarts. Certificates for the
 * endpoint are made at every start.
 */
#ifndef SANDBOX_ENDPOINT_H
#define SANDBOX_ENDPOINT_H

#include <stdbool.h>
#include <stddef.h>

#include "core/buf.h"
#include "core/err.h"

struct tls_context;

enum endpoint_cert {
	ENDPOINT_GOOD,
	ENDPOINT_WRONG_NAME,
	ENDPOINT_EXPIRED,
	ENDPOINT_NOT_YET,
	ENDPOINT_SELF_SIGNED,
	ENDPOINT_UNTRUSTED, /* signed by a CA that nobody has */
	ENDPOINT_CERTS
};

struct endpoint_config {
	const char *dir;
	const char *region;
	const char *const *names; /* further ones to put into the certificate */
	size_t nnames;
	bool local_names; /* localhost, 127.0.0.1 and ::1 too */
};

struct endpoint;

/* Make the directory and the CA where they are missing. NULL and err. */
struct endpoint *endpoint_new(const struct endpoint_config *, struct err *);
void endpoint_free(struct endpoint *);

const char *endpoint_ca_file(const struct endpoint *);

/* Which certificate is shown from now on; good, wrong-name, expired,
 * not-yet-valid, self-signed or untrusted. */
int endpoint_use(struct endpoint *, const char *kind, struct err *);

/* The context for the next connection; lives as long as the endpoint. Safe from
 * any thread. */
struct tls_context *endpoint_tls(struct endpoint *);

/*
 * A file in the state directory, written whole or not at all; a secret one is
 * readable for nobody else. The text of one. -1 and err.
 */
int endpoint_write(const char *dir, const char *name, const char *text,
    bool secret, struct err *);
int endpoint_read(
    const char *dir, const char *name, struct buf *, struct err *);
bool endpoint_has(const char *dir, const char *name);

#endif
