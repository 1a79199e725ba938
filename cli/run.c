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

#define OUTPUT_MAX ((size_t)64 * 1024)

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

/* What it says on stderr is wanted where it fails, but would spoil an output
 * that is read. */
static int
start(const char *path, const char *const argv[], int out_fd, bool with_stderr,
    pid_t *pid_r)
{
	posix_spawn_file_actions_t actions;
	int rc;

	(void)posix_spawn_file_actions_init(&actions);
	(void)posix_spawn_file_actions_addopen(
	    &actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
	(void)posix_spawn_file_actions_adddup2(&actions, out_fd, STDOUT_FILENO);
	if (with_stderr)
		(void)posix_spawn_file_actions_adddup2(
		    &actions, out_fd, STDERR_FILENO);
	else
		(void)posix_spawn_file_actions_addopen(
		    &actions, STDERR_FILENO, "/dev/null", O_WRONLY, 0);
	/* posix_spawn promises not to change the strings. */
	rc = posix_spawn(pid_r, path, &actions, NULL,
	    (char *const *)(uintptr_t)argv, environ);
	(void)posix_spawn_file_actions_destroy(&actions);
	return rc;
}

/* Until its output ends. -1 when the deadline comes first. */
static int
read_all(int fd, int64_t deadline_us, struct buf *out)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };
	char chunk[4096];
	int64_t left;
	ssize_t n;

	while ((left = deadline_us - clock_mono_us()) > 0) {
		if (poll(&p, 1, (int)(left / US_PER_MS) + 1) <= 0)
			continue;
		n = read(fd, chunk, sizeof(chunk));
		if (n == 0 || (n == -1 && errno != EINTR))
			return 0;
		if (n > 0)
			buf_add(out, chunk, (size_t)n);
	}
	return -1;
}

static int
wait_for(pid_t pid)
{
	int status;

	while (waitpid(pid, &status, 0) == -1) {
		if (errno != EINTR)
			return -1;
	}
	return WIFEXITED(status) && WEXITSTATUS(status) == 0 ? 0 : -1;
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
run_at(const char *path, const char *const argv[], bool with_stderr,
    struct buf *out, struct err *err)
{
	int fd[2], rc, in_time = 0;
	pid_t pid;

	if (pipe(fd) == -1)
		return err_sys(err, ERR_LOCAL, errno, "no pipe for %s", path);
	(void)fcntl(fd[0], F_SETFD, FD_CLOEXEC);
	(void)fcntl(fd[1], F_SETFD, FD_CLOEXEC);
	rc = start(path, argv, fd[1], with_stderr, &pid);
	(void)close(fd[1]);
	if (rc == 0)
		in_time = read_all(fd[0], clock_mono_us() + RUN_US, out);
	(void)close(fd[0]);
	if (rc != 0)
		return err_sys(err, ERR_LOCAL, rc, "%s can't be run", path);
	if (in_time == -1)
		(void)kill(pid, SIGKILL);
	rc = wait_for(pid);
	if (in_time == -1)
		return err_set(err, ERR_TIMEOUT,
		    "%s did not answer within %d seconds", path,
		    (int)(RUN_US / US_PER_SEC));
	if (rc == 0)
		return 0;
	last_line(out);
	return err_set(err, ERR_LOCAL, "%s failed: %s", path,
	    out->len > 0 ? out->data : "it said nothing");
}

int
run_program(const char *const argv[], struct buf *out, struct err *err)
{
	struct buf scratch;
	char *path = find(argv[0]);
	int rc;

	if (path == NULL)
		return err_set(
		    err, ERR_LOCAL, "there is no program %s here", argv[0]);
	buf_init(&scratch, OUTPUT_MAX);
	rc = run_at(path, argv, out == NULL, out != NULL ? out : &scratch, err);
	buf_free(&scratch);
	free(path);
	return rc;
}
