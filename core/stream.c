/* SPDX-License-Identifier: BSD-2-Clause */
#include "config.h"

#include "core/stream.h"

#include <sys/uio.h>

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/mem.h"
#include "core/wire.h"

/*
 * Every call first tries the socket and waits only when it has nothing to
 * give. That order matters with TLS, whose library may hold input that poll(2)
 * can't see. Only the answer to what has just been sent is never there yet.
 *
 * Invariants: in[in_pos..in_end) has been received and not been read, and
 * in[in_pos..in_seen) of that holds no LF. out[0..out_len) has been written and
 * not been sent, and is empty once broken is set.
 */

enum {
	IN_SIZE = 32 * 1024, /* two TLS records; grows for longer lines only */
	OUT_SIZE = 16 * 1024 /* the payload of a full TLS record */
};

struct stream {
	struct wire wire;
	int wake_fd;

	char *in;
	size_t in_cap;
	size_t in_pos;
	size_t in_end;
	size_t in_seen;
	bool eof;
	bool asked; /* sent since the last wait or try for input */

	bool broken;	/* nothing more can be sent, and this is why: */
	struct err why;
	size_t out_len;
	char out[OUT_SIZE];
};

struct stream *
stream_new(int fd)
{
	struct stream *s = mem_new(sizeof(*s));

	wire_init(&s->wire, fd);
	s->wake_fd = -1;
	s->in = mem_grow(NULL, IN_SIZE, 1);
	s->in_cap = IN_SIZE;
	return s;
}

void
stream_free(struct stream *s)
{
	if (s == NULL)
		return;
	wire_close(&s->wire);
	free(s->in);
	free(s);
}

int
stream_fd(const struct stream *s)
{
	return s->wire.fd;
}

void
stream_deadline(struct stream *s, int64_t mono_us)
{
	s->wire.deadline_us = mono_us;
}

void
stream_wake_fd(struct stream *s, int fd)
{
	s->wake_fd = fd;
}

bool
stream_is_tls(const struct stream *s)
{
	return wire_is_tls(&s->wire);
}

const char *
stream_tls_text(const struct stream *s)
{
	return s->wire.tls_text;
}

size_t
stream_pending(const struct stream *s)
{
	return s->in_end - s->in_pos;
}

/* Input, in place of what has been read: lines are not moved one by one, but
 * only what is left of the last one when the buffer's end comes near. */
static void
make_room(struct stream *s)
{
	if (s->in_pos == s->in_end) {
		s->in_pos = s->in_end = s->in_seen = 0;
		return;
	}
	if (s->in_pos == 0 || s->in_cap - s->in_end >= s->in_cap / 4)
		return;
	memmove(s->in, s->in + s->in_pos, s->in_end - s->in_pos);
	s->in_end -= s->in_pos;
	s->in_seen -= s->in_pos;
	s->in_pos = 0;
}

/* Receive what is there without waiting. There must be room. */
static enum tls_want
receive(struct stream *s, struct err *err)
{
	enum tls_want want;
	size_t got = 0;

	want = wire_receive(&s->wire, s->in + s->in_end,
	    s->in_cap - s->in_end, &got, err);
	if (want == TLS_DONE)
		s->in_end += got;
	if (want == TLS_EOF)
		s->eof = true;
	return want;
}

static bool
expect_none(struct stream *s)
{
	bool asked = s->asked;

	s->asked = false;
	return asked && !wire_pending(&s->wire);
}

/* Get more input, waiting for it. 1, 0 at end of file, -1. */
static int
fill(struct stream *s, struct err *err)
{
	enum tls_want want;

	make_room(s);
	while (!s->eof) {
		if (wire_in_time(&s->wire, err) == -1)
			return -1;
		want = expect_none(s) ? TLS_WANT_READ : receive(s, err);
		switch (want) {
		case TLS_DONE:
			return 1;
		case TLS_EOF:
			break;
		case TLS_FAILED:
			return -1;
		case TLS_WANT_READ:
		case TLS_WANT_WRITE:
			if (wire_wait(&s->wire, want, s->wake_fd, err) == -1)
				return -1;
			break;
		}
	}
	return 0;
}

/* Enlarge the buffer when an unfinished line occupies all of it. */
static void
make_room_for_line(struct stream *s, size_t max)
{
	make_room(s);
	if (s->in_end < s->in_cap)
		return;
	s->in_cap = s->in_cap > max / 2 ? max : s->in_cap * 2;
	s->in = mem_grow(s->in, s->in_cap, 1);
}

int
stream_line(struct stream *s, size_t max, const char **line_r, size_t *len_r,
    struct err *err)
{
	const char *lf;
	size_t len;
	int rc;

	for (;;) {
		lf = memchr(s->in + s->in_seen, '\n', s->in_end - s->in_seen);
		len = lf != NULL ? (size_t)(lf + 1 - s->in) - s->in_pos
				 : s->in_end - s->in_pos;
		/* Without its LF, max bytes are too many already. */
		if (len > max || (lf == NULL && len == max))
			return err_set(err, ERR_PROTO,
			    "a line of more than %zu bytes", max);
		if (lf != NULL)
			break;
		s->in_seen = s->in_end;
		make_room_for_line(s, max);
		if ((rc = fill(s, err)) != 1)
			return rc;
	}
	*line_r = s->in + s->in_pos;
	*len_r = len;
	s->in_pos += len;
	s->in_seen = s->in_pos;
	return 1;
}

int
stream_peek(struct stream *s, const char **data_r, size_t *len_r,
    struct err *err)
{
	int rc;

	if (s->in_pos == s->in_end && (rc = fill(s, err)) != 1)
		return rc;
	*data_r = s->in + s->in_pos;
	*len_r = s->in_end - s->in_pos;
	return 1;
}

void
stream_consume(struct stream *s, size_t len)
{
	if (len > s->in_end - s->in_pos)
		len = s->in_end - s->in_pos;
	s->in_pos += len;
	if (s->in_seen < s->in_pos)
		s->in_seen = s->in_pos;
}

/*
 * Look for the end of the input. What comes before it is kept for later
 * reads; when it fills the buffer, the end is out of sight.
 */
bool
stream_peer_gone(struct stream *s)
{
	enum tls_want want = TLS_DONE;
	struct err err;

	make_room(s);
	while (!s->eof && want == TLS_DONE && s->in_end < s->in_cap)
		want = receive(s, &err);
	return s->eof || want == TLS_FAILED;
}

/* Send the output buffer and then data, which need not be copied. */
static void
send_all(struct stream *s, const void *data, size_t len)
{
	struct iovec iov[2] = {
		{ .iov_base = s->out, .iov_len = s->out_len },
		/* sendmsg(2) only reads, but has no const to say so. */
		{ .iov_base = (void *)(uintptr_t)data, .iov_len = len },
	};

	s->broken = wire_in_time(&s->wire, &s->why) == -1 ||
	    wire_send(&s->wire, iov, &s->why) == -1;
	s->out_len = 0;
	s->asked = true;
}

static void
put(struct stream *s, const char *data, size_t len)
{
	memcpy(s->out + s->out_len, data, len);
	s->out_len += len;
}

/*
 * In clear, what does not fit goes out together with the buffer in one call.
 * In TLS the buffer is topped up, so that records are full.
 */
void
stream_write(struct stream *s, const void *bytes, size_t len)
{
	const char *data = bytes;
	size_t room = OUT_SIZE - s->out_len, whole;

	if (s->broken || len == 0)
		return;
	if (len <= room) {
		put(s, data, len);
		return;
	}
	if (!wire_is_tls(&s->wire)) {
		send_all(s, data, len);
		return;
	}
	put(s, data, room);
	whole = (len - room) / OUT_SIZE * OUT_SIZE;
	send_all(s, data + room, whole);
	if (!s->broken)
		put(s, data + room + whole, len - room - whole);
}

void
stream_printf(struct stream *s, const char *fmt, ...)
{
	size_t room = OUT_SIZE - s->out_len;
	char *text;
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(s->out + s->out_len, room, fmt, ap);
	va_end(ap);
	if (n < 0 || s->broken)
		return;
	if ((size_t)n < room) {
		s->out_len += (size_t)n;
		return;
	}
	text = mem_array((size_t)n + 1, 1);
	va_start(ap, fmt);
	(void)vsnprintf(text, (size_t)n + 1, fmt, ap);
	va_end(ap);
	stream_write(s, text, (size_t)n);
	free(text);
}

int
stream_flush(struct stream *s, struct err *err)
{
	if (!s->broken && s->out_len > 0)
		send_all(s, NULL, 0);
	if (!s->broken)
		return 0;
	*err = s->why;
	return -1;
}

int
stream_start_tls(struct stream *s, struct tls_context *ctx, const char *host,
    struct err *err)
{
	if (stream_flush(s, err) == -1)
		return -1;
	s->in_pos = s->in_end = s->in_seen = 0;
	if (wire_start_tls(&s->wire, ctx, host, err) == -1) {
		/* Nothing may follow, least of all in clear. */
		s->broken = true;
		s->why = *err;
		return -1;
	}
	return 0;
}

void
stream_close(struct stream *s)
{
	struct err err;
	struct iovec iov[2] = { { .iov_base = NULL }, { .iov_base = NULL } };

	if (s == NULL)
		return;
	if (!s->broken) {
		iov[0] = (struct iovec) { s->out, s->out_len };
		s->wire.deadline_us = 0; /* the first wait is one too many */
		s->broken = wire_send(&s->wire, iov, &err) == -1;
	}
	if (!s->broken)
		wire_goodbye(&s->wire);
	wire_shut(&s->wire, s->in, s->in_cap);
	stream_free(s);
}
