/* SPDX-License-Identifier: BSD-2-Clause */
#include "config.h"

#include "store/place.h"

#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>

#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

/*
 * Numbers from <linux/magic.h> and the file systems' own sources. Cluster file
 * systems are among them: they keep locks, but no memory shared between hosts.
 */
static const struct {
	uint32_t magic;
	const char *name;
} remote[] = {
	{ 0x00006969, "nfs" },
	{ 0x0000517b, "smb" },
	{ 0xff534d42, "cifs" },
	{ 0xfe534d42, "smb3" },
	{ 0x01021997, "9p" },
	{ 0x00c36400, "ceph" },
	{ 0x0bd00bd0, "lustre" },
	{ 0x5346414f, "afs" },
	{ 0x6b414653, "afs" },
	{ 0x73757245, "coda" },
	{ 0x0000564c, "ncp" },
	{ 0x47504653, "gpfs" },
	{ 0x7461636f, "ocfs2" },
	{ 0x01161970, "gfs2" },
	{ 0x19830326, "beegfs" },
	{ 0xaad7aaea, "panfs" },
	{ 0x786f4256, "vboxsf" },
};

#define FUSE_MAGIC 0x65735546u

/* FUSE stands for anything; these are known to lie on a local disk. */
static const char *const fuse_local[] = { "fuseblk", "fuse.fuse-overlayfs" };

/*
 * The type of the mount with this device number, from lines like "36 35 98:0
 * /mnt1 /mnt2 rw,noatime - ext3 /dev/root rw" (proc_pid_mountinfo(5)).
 */
static void
mount_type(dev_t dev, char *name, size_t size)
{
	char line[4096], *sep, *end;
	unsigned major_no, minor_no;
	FILE *f;

	(void)snprintf(name, size, "fuse");
	f = fopen("/proc/self/mountinfo", "re");
	if (f == NULL)
		return;
	while (fgets(line, sizeof(line), f) != NULL) {
		if (sscanf(line, "%*u %*u %u:%u ", &major_no, &minor_no) != 2 ||
		    makedev(major_no, minor_no) != dev ||
		    (sep = strstr(line, " - ")) == NULL)
			continue;
		sep += 3;
		if ((end = strchr(sep, ' ')) != NULL)
			*end = '\0';
		(void)snprintf(name, size, "%s", sep);
	}
	(void)fclose(f);
}

static int
fuse_remote(const char *dir, char *name_r, size_t size)
{
	struct stat st;

	if (stat(dir, &st) == -1)
		return 1;
	mount_type(st.st_dev, name_r, size);
	for (size_t i = 0; i < sizeof(fuse_local) / sizeof(*fuse_local); i++)
		if (strcmp(name_r, fuse_local[i]) == 0)
			return 0;
	return 1;
}

int
place_fs_remote(const char *dir, char *name_r, size_t size, struct err *err)
{
	struct statfs fs;
	uint32_t magic;

	if (statfs(dir, &fs) == -1)
		return err_sys(err, ERR_LOCAL, errno, "%s", dir);
	magic = (uint32_t)fs.f_type;
	(void)snprintf(name_r, size, "fuse");
	if (magic == FUSE_MAGIC)
		return fuse_remote(dir, name_r, size);
	for (size_t i = 0; i < sizeof(remote) / sizeof(*remote); i++)
		if (remote[i].magic == magic) {
			(void)snprintf(name_r, size, "%s", remote[i].name);
			return 1;
		}
	return 0;
}
