/*
 * listener: the sockets that MTAs connect to, and a thread for each who does.
 */
#ifndef LMTP_LISTENER_H
#define LMTP_LISTENER_H

#include "core/conf.h"
#include "core/err.h"
#include "lmtp/server.h"

struct listener;

/*
 * Bind all of lmtp.listen, as root where that is needed: modes and groups of
 * unix sockets are set, a socket file that a dead posternd left is replaced,
 * one that a living one answers is not (ERR_STATE). Logs `listening` with the
 * address of each, in which port 0 has become the kernel's choice.
 */
struct listener *listener_bind(const struct conf *, struct err *);

/* Accept until listener_stop, in a thread of its own. -1: no thread. */
int listener_start(struct listener *, struct server *);

/* Take no more connections. Removes socket files. */
void listener_close(struct listener *);

/*
 * Wake idle sessions, and wait until all have ended or the deadline has passed.
 */
void listener_stop(struct listener *, int64_t deadline_us);

size_t listener_sessions(struct listener *);

#endif
