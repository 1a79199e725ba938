/*
 * socket: listening sockets as the configuration names them:
 * unix:PATH[:MODE[:GROUP]] and inet:ADDR:PORT.
 */
#ifndef CORE_SOCKET_H
#define CORE_SOCKET_H

#include <stdbool.h>
#include <sys/types.h>

#include "core/err.h"

struct listen_socket {
	int fd;
	bool is_unix;
	char text[128]; /* unix:PATH or inet:ADDR:PORT, as bound */
	char path[108]; /* of a unix socket */
};

/*
 * Bind and listen, non-blocking. MODE is octal (0660 without), GROUP needs root
 * or membership. A socket file nobody answers is replaced; ERR_STATE when
 * somebody does. -1 and err.
 */
int socket_listen(const char *spec, struct listen_socket *, struct err *);

/* Close, and remove the socket file. */
void socket_unlisten(struct listen_socket *);

#endif
