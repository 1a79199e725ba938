/*
 * wire: the socket under a stream, TLS over it or none, and waiting for it.
 *
 * Keeps no bytes: buffers are the stream's. All but wire_wait, wire_send and
 * wire_start_tls return at once; those wait until the deadline and set err:
 * ERR_TIMEOUT, ERR_NET, ERR_TLS. One thread at a time.
 */
#ifndef CORE_WIRE_H
#define CORE_WIRE_H

#include <sys/uio.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/err.h"
#include "core/tls.h"

struct wire {
	int fd;
	int64_t deadline_us; /* clock_mono_us; INT64_MAX: never */
	struct tls *tls;     /* NULL: in clear */
	char tls_text[96];   /* stream_tls_text */
};

/* A connected socket, which is the wire's until wire_close. No deadline yet. */
void wire_init(struct wire *, int fd);
void wire_close(struct wire *);

/*
 * As client or server, whichever the context is for; host as in tls_new. 0, or
 * -1 and err: then nothing but wire_close is of use.
 */
int wire_start_tls(struct wire *, struct tls_context *, const char *host,
    struct err *);
bool wire_is_tls(const struct wire *);

/*
 * A peer that never lets us wait must not get past the deadline either, so
 * it is looked at before input and output as well as in waits. -1: it has
 * passed.
 */
int wire_in_time(const struct wire *, struct err *);

/*
 * Wait until there is what TLS (or the socket) wanted. -1 and err; that is
 * ERR_STATE when wake_fd (-1: none) became readable first.
 */
int wire_wait(struct wire *, enum tls_want, int wake_fd, struct err *);

/*
 * What is there, at most room bytes. TLS_DONE: *got_r of them, at least one;
 * TLS_EOF: the peer has closed its side; TLS_FAILED: err; else wire_wait.
 */
enum tls_want wire_receive(struct wire *, char *to, size_t room, size_t *got_r,
    struct err *);

/* Does the TLS library hold input that a wait would not see? */
bool wire_pending(const struct wire *);

/*
 * Send both parts, one after the other, all of it. They are changed on the way.
 * 0, or -1 and err: then some of it may have been sent.
 */
int wire_send(struct wire *, struct iovec[2], struct err *);

/* Tell the peer in TLS that nothing follows, if that is possible at once. */
void wire_goodbye(struct wire *);

/*
 * Before wire_close: say in TCP that nothing follows, and throw away input that
 * has come. scratch holds size bytes.
 */
void wire_shut(struct wire *, char *scratch, size_t size);

#endif
