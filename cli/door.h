/*
 * door: the sockets of postern-milter, from the side of who connects.
 */
#ifndef CLI_DOOR_H
#define CLI_DOOR_H

#include <stdbool.h>
#include <stdint.h>

#include "core/buf.h"
#include "core/err.h"
#include "core/socket.h"

/* Whether two name the same socket; of TCP, only the port tells. */
bool door_same(const struct socket_spec *, const struct socket_spec *);

/* Whether a milter is ours: own is where that listens; or one that must have
 * been meant. */
bool door_is_ours(const struct socket_spec *, const struct socket_spec *own);

/* Connect until the deadline. The socket, or -1 and err, which names it. */
int door_connect(const struct socket_spec *, int64_t deadline_us, struct err *);

/*
 * Ask a socketmap one key of the map "srs" (socketmap_table(5) of Postfix); the
 * reply as it came in answer: "OK TEXT", "NOTFOUND ", "TEMP WHY" or "PERM WHY".
 * -1 and err when there is none (ERR_PROTO: what is there is no socketmap).
 */
int door_ask_srs(const struct socket_spec *, const char *key,
    struct buf *answer, struct err *);

/*
 * Whether a milter is there: it is asked what it wants of the MTA, as at the
 * begin of each session, and no more. -1 and err (ERR_PROTO: what is there is
 * no milter).
 */
int door_try_milter(const struct socket_spec *, struct err *);

#endif
