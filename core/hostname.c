/* SPDX-License-Identifier: BSD-2-Clause */
#include "config.h"

#include "core/hostname.h"

#include <stdio.h>
#include <unistd.h>

const char *
hostname(char host[HOSTNAME_SIZE])
{
	if (gethostname(host, HOSTNAME_SIZE) == -1 || host[0] == '\0')
		(void)snprintf(host, HOSTNAME_SIZE, "localhost");
	host[HOSTNAME_SIZE - 1] = '\0';
	return host;
}
