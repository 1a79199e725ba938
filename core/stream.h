/*
 * stream: a connected socket with buffers, one deadline, and TLS or none.
 *
 * Code above reads lines and writes bytes and never learns whether TLS is on.
 * The descriptor is non-blocking; every call waits in poll(2) until it is
 * done or the deadline (clock_mono_us) has passed. Failures set err:
 * ERR_TIMEOUT, ERR_NET, ERR_TLS, ERR_PROTO (a line longer than its bound).
 *
 * The two directions fail separately. After a failed read one can still write
 * ("421 timed out", "500 line too long"), with a new deadline where that had
 * passed; after a failed write one can still read what the peer said before
 * it went. After a failed stream_start_tls only stream_free is of use.
 *
 * A stream belongs to one thread at a time. TLS libraries may write without
 * MSG_NOSIGNAL, so a program that uses streams ignores SIGPIPE.
 */
#ifndef CORE_STREAM_H
#define CORE_STREAM_H

#include <sys/socket.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/err.h"

struct stream;
struct tls_context;

/* Wrap a connected socket, which then belongs to the stream. */
struct stream *stream_new(int fd);

/*
 * Close without ceremony and free; NULL is fine. stream_close is the polite
 * way.
 */
void stream_free(struct stream *);

/* Flush if that is possible at once, say goodbye in TLS, then stream_free.
 * Input that nobody read is thrown away first, since it would make the kernel
 * reset the connection and the peer lose what was flushed. */
void stream_close(struct stream *);

int stream_fd(const struct stream *);

/* All later calls that need the socket fail with ERR_TIMEOUT once
 * clock_mono_us() passes this, even if it would be ready. INT64_MAX (the
 * default): never. */
void stream_deadline(struct stream *, int64_t mono_us);

/*
 * Also wake from waiting to *read* when this descriptor becomes readable: reads
 * then fail with ERR_STATE and may be called again. -1 for none (the default).
 */
void stream_wake_fd(struct stream *, int fd);

/*
 * Flush, then begin TLS, as client or server according to the context. Input
 * that arrived in clear beyond what was read is thrown away (RFC 3207 section
 * 4.2: nothing said before TLS may count after it). host is the name that a
 * client verifies, or an address in numbers; NULL in a server.
 */
int stream_start_tls(struct stream *, struct tls_context *, const char *host,
    struct err *);
bool stream_is_tls(const struct stream *);
/* Version and cipher, "TLSv1.3 TLS_AES_256_GCM_SHA384" or the library's way
 * of saying so, or "" without TLS. */
const char *stream_tls_text(const struct stream *);

/*
 * One line up to LF, at most max bytes with it. *line_r points into the
 * stream's buffer until the next call, the line end is included in *len_r as it
 * came (CRLF or LF). Returns 1, 0 at end of file (a partial last line counts as
 * end of file), -1 on failure; too long a line is ERR_PROTO, and its bytes stay
 * for stream_peek. max may differ from call to call.
 */
int stream_line(struct stream *, size_t max, const char **line_r,
    size_t *len_r, struct err *);

/*
 * Whatever input is there, at least one byte; waits only when there is none, so
 * a caller that consumes nothing gets no more. *data_r points into the stream's
 * buffer until the next call; call stream_consume for what was used. 1, 0 at
 * end of file, -1.
 */
int stream_peek(struct stream *, const char **data_r, size_t *len_r,
    struct err *);
void stream_consume(struct stream *, size_t len);

/* Bytes that have been received and not been read: when 0, it is time to
 * flush what was answered to pipelined commands. */
size_t stream_pending(const struct stream *);

/*
 * Put bytes into the output buffer; they leave when it is full or at
 * stream_flush. A failed write is remembered, so that only the flush need be
 * checked.
 */
void stream_write(struct stream *, const void *, size_t);
void stream_printf(struct stream *, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));
int stream_flush(struct stream *, struct err *);

/*
 * Whether the peer has closed its side, as far as one can see without waiting.
 * Input that came before is kept for later reads; pointers into the buffer
 * are no longer good.
 */
bool stream_peer_gone(struct stream *);

/*
 * Connect to one address (as from getaddrinfo) until the deadline. Returns the
 * socket, or -1 and err, which names the address.
 */
int stream_connect(const struct sockaddr *, socklen_t, int64_t deadline_us,
    struct err *);

#endif
