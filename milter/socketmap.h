/*
 * socketmap: a server for lookups (see lookup.h), which an MTA does when it
 * decides about a recipient: before any milter could.
 */
#ifndef MILTER_SOCKETMAP_H
#define MILTER_SOCKETMAP_H

#include "core/err.h"

/* Listen where milter.socketmap says. -1 and err. */
int socketmap_bind(const char *spec, struct err *);

/* unix:PATH or inet:ADDRESS:PORT, as it was bound. */
const char *socketmap_address(void);

/* Serve in threads. -1 when there is none to be had. */
int socketmap_start(void);

/* Remove the socket file. */
void socketmap_unlink(void);

#endif
