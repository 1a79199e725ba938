/*
 * buf: bytes that grow up to a ceiling.
 *
 * data is always NUL-terminated (after len bytes), also when empty. An append
 * that would pass the ceiling adds nothing and sets overflow, which stays set
 * until buf_reset: callers may append many times and test once. Not for
 * several threads at once.
 */
#ifndef CORE_BUF_H
#define CORE_BUF_H

#include <stdbool.h>
#include <stddef.h>

struct buf {
	char *data;
	size_t len;
	size_t cap;
	size_t max;
	bool overflow;
};

/* An empty buffer that may grow to max bytes. Allocates nothing yet. */
void buf_init(struct buf *, size_t max);

/* Free the bytes; the buffer is empty and usable again. */
void buf_free(struct buf *);

/* Forget the bytes, keep the memory. */
void buf_reset(struct buf *);

void buf_add(struct buf *, const void *data, size_t len);
void buf_addc(struct buf *, char c);
void buf_adds(struct buf *, const char *s);
void buf_addf(struct buf *, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

/* Append text that came from elsewhere as printable ASCII, anything else in it
 * as "?". */
void buf_add_printable(struct buf *, const char *, size_t len);

/* Room for len more bytes, to be filled by the caller and counted by
 * buf_filled; NULL (and overflow) when that would pass the ceiling. */
char *buf_room(struct buf *, size_t len);
void buf_filled(struct buf *, size_t len);

/* Drop len bytes from the front. */
void buf_drop(struct buf *, size_t len);

/* Shorten to len bytes. */
void buf_cut(struct buf *, size_t len);

/* Hand the NUL-terminated bytes over to the caller, who frees them; empty after. */
char *buf_take(struct buf *);

#endif
