/* SPDX-License-Identifier: BSD-2-Clause */
#include "config.h"

#include <stdint.h>
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

#include "core/conf.h"

/* A configuration file of any bytes is read or refused, and what was read can
 * be shown. */

int LLVMFuzzerTestOneInput(const uint8_t *, size_t);

int
LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
	static FILE *null;
	struct conf *conf;
	struct err err;
	char path[64];
	int fd;

	if (null == NULL && (null = fopen("/dev/null", "w")) == NULL)
		return 0;
	if ((fd = memfd_create("conf", MFD_CLOEXEC)) == -1)
		return 0;
	(void)snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	if (write(fd, bytes, len) == (ssize_t)len) {
		conf = conf_load(path,
		    CONF_NEED_SES | CONF_NEED_LMTP | CONF_NEED_STORE, &err);
		if (conf != NULL) {
			conf_dump(conf, null);
			conf_release(conf);
		}
	}
	(void)close(fd);
	return 0;
}
