/*
 * endpoint: where SES is, and a TCP connection to it.
 */
#ifndef SES_ENDPOINT_H
#define SES_ENDPOINT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#include "core/conf.h"
#include "core/err.h"

#define ENDPOINT_ADDRESSES_MAX 16

struct endpoint {
	char host[256];
	char port[6];
	bool wrapper; /* TLS from the first byte */
};

struct endpoint_address {
	struct sockaddr_storage addr;
	socklen_t len;
	char text[64]; /* numeric */
	bool failed;   /* not to be tried again in this round */
};

struct endpoint_addresses {
	struct endpoint_address items[ENDPOINT_ADDRESSES_MAX];
	size_t n;
};

/* The i-th configured endpoint; false past the last. */
bool endpoint_get(const struct conf *, size_t i, struct endpoint *);

/*
 * Look the name up, addresses in the order of RFC 6724. ERR_NET. The resolver
 * has its own deadlines (resolv.conf), which are the only ones here.
 */
int endpoint_resolve(const struct endpoint *, struct endpoint_addresses *,
    struct err *);

/*
 * Connect to the first address that answers among those not marked failed. They
 * are tried in order, but the next one gets its chance when the one before has
 * failed or stayed silent for 250 ms (RFC 8305), so that an unreachable family
 * costs milliseconds. Marks those that failed. Returns a non-blocking socket
 * and *which_r; -1 and err when none is left or the deadline passed.
 */
int endpoint_connect(struct endpoint_addresses *, int64_t deadline_us,
    size_t *which_r, struct err *);

#endif
