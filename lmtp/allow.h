/*
 * allow: who may connect over TCP (lmtp.allow).
 */
#ifndef LMTP_ALLOW_H
#define LMTP_ALLOW_H

#include <stdbool.h>
#include <sys/socket.h>

#include "core/conf.h"

/*
 * Whether the address is in one of the networks (CIDR). IPv4 that comes mapped
 * into IPv6 counts as IPv4.
 */
bool allow_match(const struct conf_list *, const struct sockaddr_storage *);

#endif
