/* SPDX-License-Identifier: BSD-2-Clause */
#include "config.h"

#include "cli/run.h"

#include <sys/wait.h>

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/clock.h"
#include "core/mem.h"

extern char **environ;

/* Daemons' and administrators' programs are often not in a user's PATH. */
#define SYSTEM_DIRS "/usr/sbin:/sbin:/usr/local/sbin:/usr/bin:/bin"

/* What is asked may ask others, as postmap(1) does for a table tcp:... */
#define RUN_US (20 * US_PER_SEC)

#define SAID_MAX ((size_t)64 * 1024)

/* The full path of a program in a new string, or NULL. */
static char *
look_in(const char *dirs, const char *program)
{
	size_t len;
	char *path;

	for (; *dirs != '\0'; dirs += len + (dirs[len] == ':')) {
		len = strcspn(dirs, ":");
		if (len == 0)
			continue;
		path = mem_printf("%.*s/%s", (int)len, dirs, program);
		if (access(path, X_OK) == 0)
			return path;
		free(path);
	}
	return NULL;
}

static char *
find(const char *program)
{
	const char *path = getenv("PATH");
	char *found = path != NULL ? look_in(path, program) : NULL;

	return found != NULL ? found : look_in(SYSTEM_DIRS, program);
}

bool
run_there(const char *program)
{
	char *path = find(program);
	bool there = path != NULL;

	free(path);
	return there;
}

/* Where a program writes to: standard output and standard error. */
struct streams {
	int ours[2], its[2];
	struct buf *bufs[2];
};

static int
open_streams(struct streams *s)
{
	int fds[2], i;

	for (i = 0; i < 2; i++) {
		if (pipe(fds) == -1)
			break;
		(void)fcntl(fds[0], F_SETFD, FD_CLOEXEC);
		(void)fcntl(fds[1], F_SETFD, FD_CLOEXEC);
		s->ours[i] = fds[0];
		s->its[i] = fds[1];
	}
	if (i == 1) {
		(void)close(s->ours[0]);
		(void)close(s->its[0]);
	}
	return i == 2 ? 0 : -1;
}

static void
close_both(const int fds[2])
{
	(void)close(fds[0]);
	(void)close(fds[1]);
}

static int
start(const char *path, const char *dir, const char *const argv[],
    const struct streams *s, pid_t *pid_r)
{
	posix_spawn_file_actions_t actions;
	int rc;

	(void)posix_spawn_file_actions_init(&actions);
	(void)posix_spawn_file_actions_addopen(
	    &actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
	(void)posix_spawn_file_actions_adddup2(
	    &actions, s->its[0], STDOUT_FILENO);
	(void)posix_spawn_file_actions_adddup2(
	    &actions, s->its[1], STDERR_FILENO);
	if (dir != NULL)
		(void)posix_spawn_file_actions_addchdir_np(&actions, dir);
	/* posix_spawn promises not to change the strings. */
	rc = posix_spawn(pid_r, path, &actions, NULL,
	    (char *const *)(uintptr_t)argv, environ);
	(void)posix_spawn_file_actions_destroy(&actions);
	return rc;
}

/* False at the end. */
static bool
read_some(int fd, struct buf *b)
{
	char chunk[4096];
	ssize_t n = read(fd, chunk, sizeof(chunk));

	if (n > 0)
		buf_add(b, chunk, (size_t)n);
	return n > 0 || (n == -1 && errno == EINTR);
}

/* Until both end. -1 when the deadline comes first. */
static int
read_all(const struct streams *s, int64_t deadline_us)
{
	struct pollfd p[2] = { { .fd = s->ours[0], .events = POLLIN },
		{ .fd = s->ours[1], .events = POLLIN } };
	int64_t left;

	while ((left = deadline_us - clock_mono_us()) > 0) {
		if (poll(p, 2, (int)(left / US_PER_MS) + 1) <= 0)
			continue;
		for (int i = 0; i < 2; i++) {
			if (p[i].revents != 0 &&
			    !read_some(p[i].fd, s->bufs[i]))
				p[i].fd = -1;
		}
		if (p[0].fd == -1 && p[1].fd == -1)
			return 0;
	}
	return -1;
}

/* The exit status; -1 where a signal ended it. */
static int
wait_for(pid_t pid)
{
	int status;

	while (waitpid(pid, &status, 0) == -1) {
		if (errno != EINTR)
			return -1;
	}
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

/* Without the last line end, for one line of an error. */
static void
last_line(struct buf *b)
{
	const char *nl;

	while (b->len > 0 && b->data[b->len - 1] == '\n')
		buf_cut(b, b->len - 1);
	nl = strrchr(b->data, '\n');
	if (nl != NULL)
		buf_drop(b, (size_t)(nl + 1 - b->data));
}

static int
run_at(const char *path, const char *dir, const char *const argv[],
    struct buf *out, struct buf *said, struct err *err)
{
	struct streams s = { .bufs = { out, said } };
	int rc, in_time = 0;
	pid_t pid;

	if (open_streams(&s) == -1)
		return err_sys(err, ERR_LOCAL, errno, "no pipe for %s", path);
	rc = start(path, dir, argv, &s, &pid);
	close_both(s.its);
	if (rc == 0)
		in_time = read_all(&s, clock_mono_us() + RUN_US);
	close_both(s.ours);
	last_line(said);
	if (rc != 0)
		return err_sys(err, ERR_LOCAL, rc, "%s can't be run%s%s", path,
		    dir != NULL ? " in " : "", dir != NULL ? dir : "");
	if (in_time == -1)
		(void)kill(pid, SIGKILL);
	rc = wait_for(pid);
	if (in_time == -1)
		return err_set(err, ERR_TIMEOUT,
		    "%s did not answer within %d seconds%s%s", path,
		    (int)(RUN_US / US_PER_SEC), said->len > 0 ? ": " : "",
		    said->data);
	if (rc == -1)
		return err_set(err, ERR_LOCAL, "a signal ended %s", path);
	return rc;
}

int
run_asked(const char *dir, const char *const argv[], struct buf *out,
    struct buf *said, struct err *err)
{
	char *path = find(argv[0]);
	int rc;

	buf_init(said, SAID_MAX);
	if (path == NULL)
		return err_set(
		    err, ERR_LOCAL, "there is no program %s here", argv[0]);
	rc = run_at(path, dir, argv, out, said, err);
	free(path);
	return rc;
}

int
run_program(const char *const argv[], struct buf *out, struct err *err)
{
	struct buf scratch, said;
	int rc;

	buf_init(&scratch, SAID_MAX);
	rc = run_asked(NULL, argv, out != NULL ? out : &scratch, &said, err);
	if (rc > 0)
		rc = err_set(err, ERR_LOCAL, "%s failed: %s", argv[0],
		    said.len > 0 ? said.data : "it said nothing");
	buf_free(&scratch);
	buf_free(&said);
	return rc;
}
