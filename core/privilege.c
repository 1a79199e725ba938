/* SPDX-License-Identifier: BSD-2-Clause */
#include "config.h"

#include "core/privilege.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <sys/resource.h>
#include <unistd.h>

#include "core/log.h"

static struct passwd *
find_user(const char *user, struct err *err)
{
	struct passwd *pw;

	errno = 0;
	pw = getpwnam(user);
	if (pw == NULL)
		(void)err_set(err, ERR_CONFIG,
		    "daemon.user: no user %s; postern init makes it", user);
	else if (pw->pw_uid == 0)
		(void)err_set(err, ERR_CONFIG,
		    "daemon.user: must not be root");
	else
		return pw;
	return NULL;
}

int
privilege_group(const char *user, struct err *err)
{
	struct passwd *pw;

	if (geteuid() != 0)
		return 0;
	if ((pw = find_user(user, err)) == NULL)
		return -1;
	if (setegid(pw->pw_gid) == -1)
		return err_sys(err, ERR_LOCAL, errno, "group of %s", user);
	return 0;
}

int
privilege_drop(const char *user, struct err *err)
{
	struct passwd *pw;

	if (geteuid() != 0)
		return 0;
	if ((pw = find_user(user, err)) == NULL)
		return -1;
	if (initgroups(user, pw->pw_gid) == -1 || setgid(pw->pw_gid) == -1 ||
	    setuid(pw->pw_uid) == -1)
		return err_sys(err, ERR_LOCAL, errno, "become user %s", user);
	if (setuid(0) != -1)
		return err_set(err, ERR_LOCAL,
		    "become user %s: root could be had back", user);
	return 0;
}

void
privilege_descriptors(unsigned long wanted, const char *hint)
{
	struct rlimit limit, more;

	if (getrlimit(RLIMIT_NOFILE, &limit) == -1 || limit.rlim_cur >= wanted)
		return;
	more = limit;
	more.rlim_cur = wanted;
	if (more.rlim_max < wanted)
		more.rlim_max = wanted;
	if (setrlimit(RLIMIT_NOFILE, &more) == 0)
		return;
	limit.rlim_cur = limit.rlim_max;
	(void)setrlimit(RLIMIT_NOFILE, &limit);
	log_warning(NULL, "descriptors", "limit",
	    LOG_NUM((long long)limit.rlim_max), "wanted",
	    LOG_NUM((long long)wanted), "hint", hint);
}
