/* SPDX-License-Identifier: BSD-2-Clause */
#include "config.h"

#include "lmtp/allow.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/*
 * The address as bytes; returns how many, 0 for a family that is none of ours.
 */
static size_t
address_bytes(const struct sockaddr_storage *addr, unsigned char out[16])
{
	const struct sockaddr_in *v4 = (const struct sockaddr_in *)addr;
	const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)addr;

	if (addr->ss_family == AF_INET) {
		memcpy(out, &v4->sin_addr, 4);
		return 4;
	}
	if (addr->ss_family != AF_INET6)
		return 0;
	memcpy(out, &v6->sin6_addr, 16);
	if (!IN6_IS_ADDR_V4MAPPED(&v6->sin6_addr))
		return 16;
	memmove(out, out + 12, 4);
	return 4;
}

static bool
in_network(const char *cidr, const unsigned char *bytes, size_t len)
{
	char text[64];
	unsigned char net[16];
	const char *slash = strchr(cidr, '/');
	size_t text_len = slash != NULL ? (size_t)(slash - cidr) : strlen(cidr);
	unsigned long bits = slash != NULL ? strtoul(slash + 1, NULL, 10)
					   : len * 8;
	unsigned char mask;

	(void)snprintf(text, sizeof(text), "%.*s", (int)text_len, cidr);
	if (inet_pton(len == 4 ? AF_INET : AF_INET6, text, net) != 1 ||
	    bits > len * 8)
		return false;
	if (memcmp(net, bytes, bits / 8) != 0)
		return false;
	if (bits % 8 == 0)
		return true;
	mask = (unsigned char)(0xff << (8 - bits % 8));
	return (net[bits / 8] & mask) == (bytes[bits / 8] & mask);
}

bool
allow_match(const struct conf_list *allow, const struct sockaddr_storage *addr)
{
	unsigned char bytes[16];
	size_t len = address_bytes(addr, bytes);

	for (size_t i = 0; len > 0 && i < allow->n; i++)
		if (in_network(allow->items[i], bytes, len))
			return true;
	return false;
}
