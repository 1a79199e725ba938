/*
 * talk: what a session reads and writes, with latency, faults and the watch
 * over the client's manners.
 */
#ifndef SANDBOX_TALK_H
#define SANDBOX_TALK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct session;
enum phase;

/*
 * The next command, into s->line. 0, or -1 when the session is over: the client
 * has gone, or said nothing for the idle timeout and was told so.
 */
int talk_read(struct session *);

/* Whatever bytes are there, until stream_consume; the idle timeout runs here too.
 * 0, or -1. */
int talk_peek(struct session *, const char **data_r, size_t *len_r);

/*
 * Enter a phase. True when a fault took the place of what the caller was about
 * to do: the reply (if any) has been sent. Otherwise a fault may be in force
 * for the coming reply.
 */
bool talk_enter(struct session *, enum phase);

/*
 * Leave a phase that has no reply of its own, with a fault that waited for its
 * end. True when the session is over.
 */
bool talk_leave(struct session *);

/* talk_enter for a MAIL or RCPT that names this address, which is not part of the
 * transaction yet. */
bool talk_enter_path(struct session *, enum phase, char *address);

/* The reply, without its last CRLF. */
void talk_reply(struct session *, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

/* A reply that refuses, recorded with a reason (a constant word). */
void talk_refuse(struct session *, const char *reason, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

/* Count something that a client of SES must not do. kind is a constant word. */
void talk_violation(struct session *, const char *kind, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

/* Wait until the time, or until the client has gone or the program ends, which
 * end the session. INT64_MAX: for ever. */
void talk_pause(struct session *, int64_t until_mono_us);

/* Strike with the fault in force, in place of reply (NULL: there is none). */
void talk_strike(struct session *, const char *reply);

#endif
