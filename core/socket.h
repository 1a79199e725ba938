/*
 * socket: listening sockets as the configuration names them:
 * unix:PATH[:MODE[:GROUP]] and inet:ADDR:PORT.
 */
#ifndef CORE_SOCKET_H
#define CORE_SOCKET_H

#include <stdbool.h>
#include <sys/types.h>
#include <sys/un.h>

#include "core/err.h"

/* unix:PATH[:MODE[:GROUP]] or inet:ADDR:PORT, taken apart. */
#define SOCKET_PATH_SIZE sizeof(((struct sockaddr_un *)0)->sun_path)
struct socket_spec {
	bool is_unix;
	char path[SOCKET_PATH_SIZE];
	mode_t mode;
	char group[64]; /* "" for the one that the process has */
	char host[256]; /* without the brackets of IPv6 */
	char port[16];
};
int socket_spec(const char *text, struct socket_spec *, struct err *);

/*
 * Let fn bind a unix socket where the specification says: a socket file nobody
 * answers is removed before (ERR_STATE when somebody does), mode and group are
 * as they should be after. fn returns 0, or -1 and err.
 */
typedef int socket_bind_fn(void *arg, const struct sockaddr_un *,
    struct err *);
int socket_bind_unix(const struct socket_spec *, socket_bind_fn *, void *arg,
    struct err *);

struct listen_socket {
	int fd;
	bool is_unix;
	char text[128]; /* unix:PATH or inet:ADDR:PORT, as bound */
	char path[SOCKET_PATH_SIZE]; /* of a unix socket */
};

/*
 * Bind and listen, non-blocking. MODE is octal (0660 without), GROUP needs root
 * or membership. A socket file nobody answers is replaced; ERR_STATE when
 * somebody does. -1 and err.
 */
int socket_listen(const char *text, struct listen_socket *, struct err *);

/* Close, and remove the socket file. */
void socket_unlisten(struct listen_socket *);

#endif
