/* SPDX-License-Identifier: BSD-2-Clause */
#include "config.h"

#include "cli/steps.h"

#include <sys/stat.h>

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/run.h"
#include "core/err.h"
#include "core/mem.h"

/*
 * A file or directory is opened without following links and then changed
 * through its descriptor, so that nobody can put another in its place on the
 * way.
 */

static const struct column columns[] = { { "", "state", false },
	{ "STEP", "step", false }, { "", "note", false }, { 0 } };

void
steps_init(struct steps *s, bool dry_run)
{
	s->dry_run = dry_run;
	s->failed = false;
	s->report = table_new(columns);
}

void
steps_free(struct steps *s)
{
	table_free(s->report);
}

static void
report(struct steps *s, const char *state, enum color color, char *what,
    const char *note)
{
	table_text(s->report, state);
	table_color(s->report, color);
	table_text(s->report, what);
	table_text(s->report, note);
	free(what);
}

/* what is freed in each of these. */
static void
there(struct steps *s, char *what)
{
	report(s, "there", COLOR_DIM, what, NULL);
}

static void
done(struct steps *s, char *what, const char *note)
{
	report(s, s->dry_run ? "to do" : "done",
	    s->dry_run ? COLOR_YELLOW : COLOR_GREEN, what, note);
}

static void
failed(struct steps *s, char *what, const struct err *err)
{
	s->failed = true;
	report(s, "failed", COLOR_RED, what, err->text);
}

/* Run the first of the commands whose program is here. */
static void
run_first(struct steps *s, char *what, const char *const *const commands[])
{
	struct err err;

	while (*commands != NULL && !run_there((*commands)[0]))
		commands++;
	if (*commands == NULL) {
		(void)err_set(&err, ERR_LOCAL,
		    "no program here that does it: do it by hand");
		failed(s, what, &err);
		return;
	}
	if (!s->dry_run && run_program(*commands, NULL, &err) == -1)
		failed(s, what, &err);
	else
		done(s, what, NULL);
}

void
steps_group(struct steps *s, const char *group)
{
	const char *const linux_cmd[] = { "groupadd", "--system", group, NULL };
	const char *const bsd_cmd[] = { "pw", "groupadd", group, NULL };
	const char *const busybox_cmd[] = { "addgroup", "-S", group, NULL };
	const char *const *const commands[] = { linux_cmd, bsd_cmd, busybox_cmd,
		NULL };
	char *what = mem_printf("group %s", group);

	if (getgrnam(group) != NULL)
		there(s, what);
	else
		run_first(s, what, commands);
}

void
steps_user(
    struct steps *s, const char *user, const char *group, const char *home)
{
	static const char nologin[] = "/usr/sbin/nologin";
	const char *const linux_cmd[] = { "useradd", "--system", "--gid", group,
		"--home-dir", home, "--no-create-home", "--shell", nologin,
		"--comment", "Postern", user, NULL };
	const char *const bsd_cmd[] = { "pw", "useradd", user, "-g", group,
		"-d", home, "-s", nologin, "-c", "Postern", NULL };
	const char *const busybox_cmd[] = { "adduser", "-S", "-D", "-H", "-G",
		group, "-h", home, "-s", "/sbin/nologin", user, NULL };
	const char *const *const commands[] = { linux_cmd, bsd_cmd, busybox_cmd,
		NULL };
	char *what = mem_printf("user %s", user);

	if (getpwnam(user) != NULL)
		there(s, what);
	else
		run_first(s, what, commands);
}

static bool
is_member(const char *user, const char *group)
{
	struct group *g = getgrnam(group);
	struct passwd *p;
	char **m;

	for (m = g == NULL ? NULL : g->gr_mem; m != NULL && *m != NULL; m++) {
		if (strcmp(*m, user) == 0)
			return true;
	}
	p = getpwnam(user);
	return g != NULL && p != NULL && p->pw_gid == g->gr_gid;
}

void
steps_member(struct steps *s, const char *user, const char *group)
{
	const char *const linux_cmd[] = { "usermod", "--append", "--groups",
		group, user, NULL };
	const char *const bsd_cmd[] = { "pw", "groupmod", group, "-m", user,
		NULL };
	const char *const busybox_cmd[] = { "addgroup", user, group, NULL };
	const char *const *const commands[] = { linux_cmd, bsd_cmd, busybox_cmd,
		NULL };
	char *what = mem_printf("user %s in group %s", user, group);

	if (is_member(user, group))
		there(s, what);
	else
		run_first(s, what, commands);
}

struct owner {
	uid_t uid;
	gid_t gid;
};

/* In a dry run they may be still to be made: then nobody's numbers do. */
static int
find_owner(const struct steps *s, const char *user, const char *group,
    struct owner *o, struct err *err)
{
	struct passwd *p = getpwnam(user);
	struct group *g = getgrnam(group);

	if (!s->dry_run && (p == NULL || g == NULL))
		return err_set(err, ERR_CONFIG, "there is no %s %s",
		    p == NULL ? "user" : "group", p == NULL ? user : group);
	o->uid = p != NULL ? p->pw_uid : (uid_t)-1;
	o->gid = g != NULL ? g->gr_gid : (gid_t)-1;
	return 0;
}

static int
make_parents(const char *path, struct err *err)
{
	char *copy = mem_strdup(path), *slash = copy;
	int rc = 0;

	while (rc == 0 && (slash = strchr(slash + 1, '/')) != NULL) {
		*slash = '\0';
		if (mkdir(copy, 0755) == -1 && errno != EEXIST)
			rc = err_sys(err, ERR_LOCAL, errno,
			    "directory %s can't be made", copy);
		*slash = '/';
	}
	free(copy);
	return rc;
}

/* fchown before fchmod: a change of owner takes the setgid bit away. */
static int
set_right(int fd, const struct owner *o, mode_t mode, struct err *err)
{
	if (fchown(fd, o->uid, o->gid) == -1)
		return err_sys(
		    err, ERR_LOCAL, errno, "its owner can't be changed");
	if (fchmod(fd, mode) == -1)
		return err_sys(
		    err, ERR_LOCAL, errno, "its mode can't be changed");
	return 0;
}

/*
 * A directory that is not ours by its name (a configuration may put things into
 * /etc or /run themselves) is shared with others, whose modes we don't change.
 */
static bool
is_ours(const char *path)
{
	const char *slash = strrchr(path, '/');

	return strstr(slash != NULL ? slash : path, "postern") != NULL;
}

/* 0 and what was changed in note ("" for nothing); -1 and err. */
static int
existing_dir(const struct steps *s, const char *path, int fd, mode_t mode,
    const struct owner *o, char note[64], struct err *err)
{
	struct stat st;

	note[0] = '\0';
	if (fstat(fd, &st) == -1)
		return err_sys(err, ERR_LOCAL, errno, "it can't be looked at");
	if (st.st_uid == o->uid && st.st_gid == o->gid &&
	    (st.st_mode & 07777) == mode)
		return 0;
	if (!is_ours(path))
		return err_set(err, ERR_LOCAL,
		    "it is there, and shared with others by its name: give "
		    "Postern a directory of its own");
	(void)snprintf(note, 64, "was %04o, owner %u:%u",
	    (unsigned)(st.st_mode & 07777), (unsigned)st.st_uid,
	    (unsigned)st.st_gid);
	return s->dry_run ? 0 : set_right(fd, o, mode, err);
}

#define OPEN_DIR (O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)

static int
new_dir(const char *path, mode_t mode, const struct owner *o, struct err *err)
{
	int fd, rc;

	if (make_parents(path, err) == -1)
		return -1;
	if (mkdir(path, 0700) == -1 || (fd = open(path, OPEN_DIR)) == -1)
		return err_sys(err, ERR_LOCAL, errno, "it can't be made");
	rc = set_right(fd, o, mode, err);
	(void)close(fd);
	return rc;
}

void
steps_dir(struct steps *s, const char *path, mode_t mode, const char *user,
    const char *group)
{
	char *what = mem_printf(
	    "directory %s, %04o %s:%s", path, (unsigned)mode, user, group);
	int fd = open(path, OPEN_DIR), rc, why = errno;
	bool missing = fd == -1 && why == ENOENT;
	char note[64] = "";
	struct owner o;
	struct err err;

	rc = find_owner(s, user, group, &o, &err);
	if (rc == 0 && fd != -1)
		rc = existing_dir(s, path, fd, mode, &o, note, &err);
	else if (rc == 0 && !missing)
		rc = err_sys(&err, ERR_LOCAL, why, "it can't be opened");
	else if (rc == 0 && !s->dry_run)
		rc = new_dir(path, mode, &o, &err);
	if (fd != -1)
		(void)close(fd);
	if (rc == -1)
		failed(s, what, &err);
	else if (missing || note[0] != '\0')
		done(s, what, note[0] != '\0' ? note : NULL);
	else
		there(s, what);
}

static int
write_file(int fd, const char *content, const struct owner *o, mode_t mode,
    struct err *err)
{
	size_t len = strlen(content);

	if (write(fd, content, len) != (ssize_t)len || fsync(fd) == -1)
		return err_sys(err, ERR_LOCAL, errno, "it can't be written");
	return set_right(fd, o, mode, err);
}

/* The file is gone again when it can't be made whole. */
static int
new_file(const char *path, mode_t mode, const struct owner *o,
    const char *content, struct err *err)
{
	int fd, rc;

	fd = open(
	    path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd == -1)
		return err_sys(err, ERR_LOCAL, errno, "it can't be made");
	rc = write_file(fd, content, o, mode, err);
	(void)close(fd);
	if (rc == -1)
		(void)unlink(path);
	return rc;
}

void
steps_file(struct steps *s, const char *path, mode_t mode, const char *user,
    const char *group, const char *content)
{
	char *what = mem_printf(
	    "file %s, %04o %s:%s", path, (unsigned)mode, user, group);
	struct owner o;
	struct stat st;
	struct err err;
	int rc;

	if (lstat(path, &st) == 0) {
		free(what);
		there(s, mem_printf("file %s", path));
		return;
	}
	rc = find_owner(s, user, group, &o, &err);
	if (rc == 0 && !s->dry_run)
		rc = new_file(path, mode, &o, content, &err);
	if (rc == -1)
		failed(s, what, &err);
	else
		done(s, what, NULL);
}
