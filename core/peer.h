/*
 * peer: who is at the other end of a unix socket.
 */
#ifndef CORE_PEER_H
#define CORE_PEER_H

#include <sys/types.h>

/* The user who connected; -1 when the system does not tell. */
int peer_uid(int fd, uid_t *uid_r);

#endif
