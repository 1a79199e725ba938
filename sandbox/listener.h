/*
 * listener: the ports that the sandbox listens on, and a thread for each
 * connection.
 */
#ifndef SANDBOX_LISTENER_H
#define SANDBOX_LISTENER_H

#include <stdbool.h>
#include <stddef.h>

#include "core/err.h"

struct sandbox;
struct listeners;

/*
 * Listen on both ports of each address; 0 lets the kernel choose on the first
 * address, and the others get the same. NULL and err.
 */
struct listeners *listeners_new(const char *const *addresses, size_t n,
    unsigned starttls_port, unsigned wrapper_port, struct err *);

/* The ports that were chosen. */
unsigned listeners_port(const struct listeners *, bool wrapper);

/* Begin to accept. */
int listeners_start(struct listeners *, struct sandbox *, struct err *);

/*
 * Close the ports, so that connecting is refused, and open them again.
 * Connections that exist go on.
 */
int listeners_close(struct listeners *, struct err *);
int listeners_open(struct listeners *, struct err *);

/* Stop accepting (the sandbox's stop_fd is readable), and wait for the thread.
 */
void listeners_free(struct listeners *);

#endif
