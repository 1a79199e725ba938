/*
 * cert: make certificates, with the TLS library that is built in
 * (cert_openssl.c or cert_gnutls.c).
 *
 * Keys are on the curve P-256: a handshake costs little, so that the sandbox
 * keeps up. All text is PEM. A failure inside the library sets err (ERR_TLS).
 */
#ifndef SANDBOX_CERT_H
#define SANDBOX_CERT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/buf.h"
#include "core/err.h"

struct cert_request {
	const char *common_name;
	bool ca; /* may it sign others? */
	/* Subject alternative names: host names, and IPv4 or IPv6 addresses. */
	const char *const *names;
	size_t nnames;
	int64_t not_before_sec, not_after_sec; /* since the epoch */
	const char *issuer_cert, *issuer_key;  /* NULL: it signs itself */
};

/* Make a key and a certificate for it. cert_r and key_r get PEM text. */
int cert_make(const struct cert_request *, struct buf *cert_r,
    struct buf *key_r, struct err *);

#endif
