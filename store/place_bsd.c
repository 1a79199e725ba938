/* SPDX-License-Identifier: BSD-2-Clause */
#include "config.h"

#include "store/place.h"

#include <sys/param.h>
#include <sys/mount.h>

#include <errno.h>
#include <stdio.h>

/* The kernel knows which of its mounts are local. */
int
place_fs_remote(const char *dir, char *name_r, size_t size, struct err *err)
{
	struct statfs fs;

	if (statfs(dir, &fs) == -1)
		return err_sys(err, ERR_LOCAL, errno, "%s", dir);
	(void)snprintf(name_r, size, "%s", fs.f_fstypename);
	return (fs.f_flags & MNT_LOCAL) == 0;
}
