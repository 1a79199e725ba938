/* SPDX-License-Identifier: BSD-2-Clause */
#include "config.h"

#include "cli/check.h"

#include <sys/stat.h>

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cli/postfix.h"

/*
 * Whether Postfix may come in by a socket of ours: the socket's own mode, and
 * the directories above it.
 */

static bool
is_member(const struct passwd *p, gid_t gid)
{
	gid_t groups[256];
	int i, n = 256;

	if (getgrouplist(p->pw_name, p->pw_gid, groups, &n) == -1)
		return p->pw_gid == gid;
	for (i = 0; i < n; i++) {
		if (groups[i] == gid)
			return true;
	}
	return false;
}

static bool
may_connect(const struct passwd *p, const struct stat *st)
{
	if (p->pw_uid == 0)
		return true;
	if (p->pw_uid == st->st_uid)
		return (st->st_mode & S_IWUSR) != 0;
	if (is_member(p, st->st_gid))
		return (st->st_mode & S_IWGRP) != 0;
	return (st->st_mode & S_IWOTH) != 0;
}

/* Only root can look with Postfix's eyes. */
static bool
may_reach(const struct passwd *p, const char *path)
{
	return geteuid() != 0 || check_access_as(p, path, W_OK) != EACCES;
}

static bool
check_user_of(struct check *c, const struct passwd *p, const char *path,
    const char *key, const char *daemon)
{
	const struct group *g = getgrgid(p->pw_gid);
	const char *group = g != NULL ? g->gr_name : p->pw_name;
	struct stat st;
	char cure[300];

	if (lstat(path, &st) == -1 || !S_ISSOCK(st.st_mode))
		return true;
	if (!may_connect(p, &st)) {
		(void)snprintf(cure, sizeof(cure),
		    "write :0660:%s after the path in %s and restart %s", group,
		    key, daemon);
		check_wrong(c, cure, "%s: Postfix's user %s can't connect",
		    path, p->pw_name);
		return false;
	}
	if (!may_reach(p, path)) {
		(void)snprintf(cure, sizeof(cure),
		    "let group %s enter (chgrp and chmod g+x) the directory of "
		    "it; \"postern init --postfix\" makes one that fits",
		    group);
		check_wrong(c, cure,
		    "%s: Postfix's user %s can't enter a directory above it",
		    path, p->pw_name);
		return false;
	}
	return true;
}

bool
check_door(
    struct check *c, const char *path, const char *key, const char *daemon)
{
	const struct passwd *p;
	struct buf owner;
	struct err err;
	bool good;

	if (postfix_param("mail_owner", &owner, &err) == -1)
		return true;
	p = getpwnam(owner.data);
	good = p == NULL || check_user_of(c, p, path, key, daemon);
	buf_free(&owner);
	return good;
}

const char *
check_door_cure(bool known)
{
	return known ? "start postern-milter; if it runs, restart it; its log "
		       "says why it ended"
		     : "\"postern init --postfix\" makes the directory and "
		       "prints the lines for both files; then restart "
		       "postern-milter";
}

bool
check_hidden(struct check *c, const char *path, const char *what)
{
	if (geteuid() == 0 || access(path, W_OK) == 0 || errno != EACCES)
		return false;
	check_warn(c, "run this as root to see it",
	    "%s: no permission to look whether %s answers", path, what);
	return true;
}
