/* SPDX-License-Identifier: BSD-2-Clause */
#include "config.h"

#include "core/message.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/buf.h"
#include "core/mem.h"

/*
 * What comes in is what some client took for SMTP's data; what is kept must
 * read the same to every next hop, however it treats bare CR and LF. Hence the
 * invariants of the kept bytes, which the fuzz target checks:
 *
 *  - there is no NUL, which some servers pass over (RFC 5322 section 4 and
 *    RFC 2045 section 2.8 have none);
 *  - each CR is followed by LF and each LF preceded by CR;
 *  - they are empty or end in CRLF;
 *  - no line is a dot alone.
 *
 * A dot that begins a line comes in two kinds. After a true CRLF it is the
 * client's stuffing (RFC 5321 section 4.5.2) and stays, since the next hop
 * takes it away as we would have to. Where a line begins only because we mended
 * something before it (a bare LF turned into CRLF, a bare CR or a NUL taken
 * from the start of a line), the client could not know, the dot is content, and
 * we stuff it. A client's dot that only bare CR or LF or a NUL follow is deleted
 * as the RFC says: what is left of its line begins anew, as a mended one.
 */
enum state {
	LINE_START,    /* after CRLF, or at the very beginning */
	MENDED_START,  /* at the start of a line that we made */
	INSIDE,	       /* in a line that has something in it */
	CR_AT_START,   /* a CR is held back, the line is empty so far */
	CR_INSIDE,     /* a CR is held back */
	DOT,	       /* a dot is held back, first in a line after CRLF */
	DOT_CR,	       /* dot and CR are held back */
	END	       /* CRLF "." CRLF was seen */
};

#define MEMORY_MAX (1024 * 1024) /* kept in memory; beyond, in a file */
#define READ_MAX (256 * 1024)

struct message {
	atomic_uint refs;
	char *dir;
	struct sha256 *sha; /* under way; NULL after message_end */
	unsigned char digest[SHA256_LEN];
	enum state state;
	bool eight_bit;
	bool discarded; /* nothing is kept: failure, or too large */
	bool failed;
	struct err err; /* why it failed */
	unsigned bare, nuls;
	uint64_t stored;  /* bytes of the stored form */
	uint64_t stuffed; /* lines of it that begin with a stuffing dot */
	struct buf mem;	  /* all of it, or what the file does not have yet */
	int fd;		  /* -1 while memory suffices */
	struct buf header; /* a copy, where mem can't be pointed into */
	const char *head;
	size_t head_len;
	uint64_t body_off;
};

struct message *
message_new(const char *dir, const char *salt)
{
	struct message *m = mem_new(sizeof(*m));

	atomic_init(&m->refs, 1);
	m->dir = mem_strdup(dir);
	m->fd = -1;
	m->sha = sha256_new();
	sha256_add(m->sha, salt, strlen(salt) + 1);
	buf_init(&m->mem, MEMORY_MAX);
	buf_init(&m->header, MESSAGE_HEADER_MAX);
	return m;
}

struct message *
message_hold(struct message *m)
{
	atomic_fetch_add_explicit(&m->refs, 1, memory_order_relaxed);
	return m;
}

static void
forget(struct message *m)
{
	buf_free(&m->mem);
	if (m->fd != -1)
		(void)close(m->fd);
	m->fd = -1;
}

void
message_release(struct message *m)
{
	if (m == NULL ||
	    atomic_fetch_sub_explicit(&m->refs, 1, memory_order_acq_rel) != 1)
		return;
	if (m->sha != NULL)
		sha256_end(m->sha, m->digest);
	forget(m);
	buf_free(&m->header);
	free(m->dir);
	free(m);
}

void
message_discard(struct message *m)
{
	m->discarded = true;
	forget(m);
}

static void
fail(struct message *m, const char *what)
{
	bool full = errno == ENOSPC || errno == EDQUOT || errno == EFBIG;

	m->failed = true;
	(void)err_sys(&m->err, full ? ERR_FULL : ERR_LOCAL, errno,
	    "%s a temporary file in %s", what, m->dir);
	message_discard(m);
}

/*
 * A file without a name: a crash leaves nothing behind, and no other process
 * gets at the content. Where the system can't do that, the name is gone as soon
 * as there is one.
 */
static int
open_file(struct message *m)
{
	char *name;

#ifdef O_TMPFILE
	m->fd = open(m->dir, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
	if (m->fd != -1)
		return 0;
#endif
	name = mem_printf("%s/.postern-XXXXXX", m->dir);
	m->fd = mkostemp(name, O_CLOEXEC);
	if (m->fd != -1 && unlink(name) == -1)
		fail(m, "unlink");
	else if (m->fd == -1)
		fail(m, "create");
	free(name);
	return m->fd == -1 ? -1 : 0;
}

static int
write_file(struct message *m, const char *data, size_t len)
{
	ssize_t n;

	sha256_add(m->sha, data, len);
	while (len > 0) {
		n = write(m->fd, data, len);
		if (n == -1 && errno == EINTR)
			continue;
		if (n == -1) {
			fail(m, "write");
			return -1;
		}
		data += n;
		len -= (size_t)n;
	}
	return 0;
}

/*
 * Find the header section in the first bytes of the stored form, which hold all
 * of it unless it is too large. Where a line of it begins with a dot, a copy
 * without stuffing is made: nobody who looks for a field by name should have to
 * know about dots.
 */
static void
find_header(struct message *m)
{
	const char *data = m->mem.data, *end, *dot;
	size_t len = m->mem.len;

	if (len >= 2 && memcmp(data, "\r\n", 2) == 0)
		len = 2;
	else if ((end = memmem(data, len, "\r\n\r\n", 4)) != NULL)
		len = (size_t)(end - data) + 4;
	if (len > MESSAGE_HEADER_MAX)
		return;
	m->body_off = len;
	m->head = data;
	m->head_len = len;
	if (m->fd == -1 && *data != '.' && memmem(data, len, "\n.", 2) == NULL)
		return;
	for (end = data + len; data < end; data = dot) {
		if (*data == '.')
			data++;
		dot = memmem(data, (size_t)(end - data), "\n.", 2);
		dot = dot == NULL ? end : dot + 1;
		buf_add(&m->header, data, (size_t)(dot - data));
	}
	m->head = m->header.data;
	m->head_len = m->header.len;
}

/* Memory is full: let the file have it. */
static int
spill(struct message *m)
{
	if (m->fd == -1) {
		if (open_file(m) == -1)
			return -1;
		find_header(m);
	}
	if (write_file(m, m->mem.data, m->mem.len) == -1)
		return -1;
	buf_reset(&m->mem);
	return 0;
}

static bool
any_8bit(const char *p, size_t len)
{
	uint64_t word, all = 0;

	for (; len >= sizeof(word); p += sizeof(word), len -= sizeof(word)) {
		memcpy(&word, p, sizeof(word));
		all |= word;
	}
	for (; len > 0; p++, len--)
		all |= (unsigned char)*p & UINT64_C(0x80);
	return (all & UINT64_C(0x8080808080808080)) != 0;
}

/* Keep bytes of the stored form. */
static void
keep(struct message *m, const char *p, size_t len)
{
	size_t n;

	m->stored += len;
	m->eight_bit = m->eight_bit || any_8bit(p, len);
	for (; len > 0 && !m->discarded; p += n, len -= n) {
		if (m->mem.len == MEMORY_MAX && spill(m) == -1)
			return;
		n = MEMORY_MAX - m->mem.len;
		n = n < len ? n : len;
		buf_add(&m->mem, p, n);
	}
}

static void
keep_dot(struct message *m)
{
	m->stuffed++;
	keep(m, ".", 1);
}

/*
 * From the start of a line: how many bytes are whole lines that can be kept as
 * they are, which is nearly everything that real clients send.
 */
static size_t
good_lines(struct message *m, const char *data, size_t len)
{
	const char *p = data, *end = data + len, *cr, *lf;

	for (; p < end; p = lf + 1) {
		lf = memchr(p, '\n', (size_t)(end - p));
		if (lf == NULL)
			break;
		cr = memchr(p, '\r', (size_t)(lf - p));
		if (cr == NULL || cr + 1 != lf ||
		    memchr(p, '\0', (size_t)(lf - p)) != NULL)
			break;
		if (*p == '.') {
			if (cr == p + 1)
				break;
			m->stuffed++;
		}
	}
	return (size_t)(p - data);
}

/* How many bytes there are before the next CR, LF or NUL. */
static size_t
run(const char *p, size_t len)
{
	size_t n;

	for (n = 0; n < len && p[n] != '\r' && p[n] != '\n' && p[n] != '\0';
	     n++)
		;
	return n;
}

/* Some bytes when none is held back; returns how many. */
static size_t
feed_text(struct message *m, const char *p, size_t len)
{
	size_t n;

	if (m->state == LINE_START && (n = good_lines(m, p, len)) > 0) {
		keep(m, p, n);
		return n;
	}
	if (*p == '\r') {
		m->state = m->state == INSIDE ? CR_INSIDE : CR_AT_START;
		return 1;
	}
	if (*p == '\n') {
		m->bare++;
		keep(m, "\r\n", 2);
		m->state = MENDED_START;
		return 1;
	}
	if (*p == '\0') {
		m->nuls++;
		m->state = m->state == INSIDE ? INSIDE : MENDED_START;
		return 1;
	}
	if (*p == '.' && m->state == LINE_START) {
		m->state = DOT;
		return 1;
	}
	if (*p == '.' && m->state == MENDED_START)
		keep_dot(m);
	n = run(p, len);
	keep(m, p, n);
	m->state = INSIDE;
	return n;
}

/* The byte after something that was held back; returns 1 when it was taken, 0
 * when it is to be looked at again in the new state. */
static size_t
feed_held(struct message *m, char c)
{
	if (m->state == DOT && c == '\r') {
		m->state = DOT_CR;
		return 1;
	}
	if (m->state == DOT && c != '\n' && c != '\0') {
		keep_dot(m);
		m->state = INSIDE;
		return 0;
	}
	if (m->state == DOT) {
		m->state = MENDED_START;
		return 0;
	}
	if (c != '\n') {
		m->bare++;
		m->state = m->state == CR_INSIDE ? INSIDE : MENDED_START;
		return 0;
	}
	if (m->state == DOT_CR) {
		m->state = END;
		return 1;
	}
	keep(m, "\r\n", 2);
	m->state = LINE_START;
	return 1;
}

int
message_feed(struct message *m, const char *data, size_t len, size_t *used_r,
    struct err *err)
{
	bool failed = m->failed;
	size_t i = 0;

	while (i < len && m->state != END && m->failed == failed) {
		if (m->state == LINE_START || m->state == MENDED_START ||
		    m->state == INSIDE)
			i += feed_text(m, data + i, len - i);
		else
			i += feed_held(m, data[i]);
	}
	*used_r = i;
	if (m->failed != failed) {
		*err = m->err;
		return -1;
	}
	return m->state == END;
}

int
message_end(struct message *m, struct err *err)
{
	if (m->fd != -1)
		(void)spill(m);
	if (m->failed) {
		*err = m->err;
		return -1;
	}
	if (m->discarded)
		return err_set(err, ERR_FULL, "the message is too large");
	if (m->fd == -1) {
		sha256_add(m->sha, m->mem.data, m->mem.len);
		find_header(m);
	} else {
		buf_free(&m->mem);
	}
	sha256_end(m->sha, m->digest);
	m->sha = NULL;
	return 0;
}

uint64_t
message_size(const struct message *m)
{
	return m->stored - m->stuffed;
}

bool
message_8bit(const struct message *m)
{
	return m->eight_bit;
}

unsigned
message_bare(const struct message *m)
{
	return m->bare;
}

void
message_digest(const struct message *m, unsigned char out[SHA256_LEN])
{
	memcpy(out, m->digest, SHA256_LEN);
}

const char *
message_header(const struct message *m, size_t *len_r)
{
	*len_r = m->head_len;
	return m->head;
}

unsigned
message_nuls(const struct message *m)
{
	return m->nuls;
}

uint64_t
message_body_off(const struct message *m)
{
	return m->body_off;
}

int
message_read(const struct message *m, uint64_t off, char *scratch,
    const char **data_r, size_t *len_r, struct err *err)
{
	ssize_t n;

	if (off >= m->stored)
		return 0;
	if (m->fd == -1) {
		*data_r = m->mem.data + off;
		*len_r = m->stored - off < READ_MAX ?
		    (size_t)(m->stored - off) :
		    READ_MAX;
		return 1;
	}
	do
		n = pread(m->fd, scratch, MESSAGE_CHUNK, (off_t)off);
	while (n == -1 && errno == EINTR);
	if (n == -1)
		return err_sys(err, ERR_LOCAL, errno,
		    "read a temporary file in %s", m->dir);
	if (n == 0)
		return err_set(err, ERR_LOCAL,
		    "a temporary file in %s is shorter than it was", m->dir);
	*data_r = scratch;
	*len_r = (size_t)n;
	return 1;
}
