/* SPDX-License-Identifier: BSD-2-Clause */
#include "config.h"

#include "core/peer.h"

#include <sys/socket.h>
#include <unistd.h>

/* The BSDs have getpeereid(3), Linux the socket option behind it. */
int
peer_uid(int fd, uid_t *uid_r)
{
#ifdef HAVE_GETPEEREID
	gid_t gid;

	return getpeereid(fd, uid_r, &gid);
#else
	struct ucred cred;
	socklen_t len = sizeof(cred);

	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &len) == -1)
		return -1;
	*uid_r = cred.uid;
	return 0;
#endif
}
