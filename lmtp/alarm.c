/* SPDX-License-Identifier: BSD-2-Clause */
#include "config.h"

#include "lmtp/alarm.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/clock.h"
#include "core/conf.h"
#include "core/log.h"
#include "core/mem.h"
#include "core/thread.h"

#define WAITING_MAX 64 /* beyond that the log has to do */
#define RUN_MAX_US (60 * US_PER_SEC)

struct alarm {
	pthread_mutex_t lock;
	pthread_cond_t more;
	char *waiting[WAITING_MAX];
	unsigned n;
};

static int
start(const char *command, int in, pid_t *pid_r)
{
	posix_spawn_file_actions_t files;
	posix_spawnattr_t attr;
	char sh[] = "sh", dash_c[] = "-c", *copy = mem_strdup(command);
	char *argv[] = { sh, dash_c, copy, NULL };
	char path[] = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:"
		      "/sbin:/bin";
	char *env[] = { path, NULL };
	sigset_t none;
	int rc;

	(void)sigemptyset(&none);
	(void)posix_spawn_file_actions_init(&files);
	(void)posix_spawn_file_actions_adddup2(&files, in, STDIN_FILENO);
	(void)posix_spawnattr_init(&attr);
	(void)posix_spawnattr_setsigmask(&attr, &none);
	(void)posix_spawnattr_setpgroup(&attr, 0);
	(void)posix_spawnattr_setflags(&attr,
	    POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETPGROUP);
	rc = posix_spawn(pid_r, "/bin/sh", &files, &attr, argv, env);
	(void)posix_spawnattr_destroy(&attr);
	(void)posix_spawn_file_actions_destroy(&files);
	free(copy);
	return rc == 0 ? 0 : -1;
}

/*
 * Wait for the command, and end it (it leads a process group) when it takes too
 * long.
 */
static void
wait_for(pid_t pid)
{
	int64_t until = clock_mono_us() + RUN_MAX_US;
	int status = 0;
	pid_t got;

	while ((got = waitpid(pid, &status, WNOHANG)) == 0 &&
	    clock_mono_us() < until)
		(void)poll(NULL, 0, 50);
	if (got == 0) {
		(void)kill(-pid, SIGKILL);
		(void)waitpid(pid, &status, 0);
	}
	if (got == 0 || !WIFEXITED(status) || WEXITSTATUS(status) != 0)
		log_warning(NULL, "alarm-command", "result",
		    got == 0 ? "ended after a minute" : "failed", "status",
		    LOG_NUM(status));
}

static void
run(const char *command, const char *words)
{
	int fds[2];
	pid_t pid;

	if (pipe(fds) == -1) {
		log_warning(NULL, "alarm-command", "result", "no pipe");
		return;
	}
	(void)fcntl(fds[0], F_SETFD, FD_CLOEXEC);
	(void)fcntl(fds[1], F_SETFD, FD_CLOEXEC);
	(void)fcntl(fds[1], F_SETFL, O_NONBLOCK);
	if (start(command, fds[0], &pid) == -1) {
		log_warning(NULL, "alarm-command", "result", "cannot start");
		(void)close(fds[0]);
		(void)close(fds[1]);
		return;
	}
	(void)close(fds[0]);
	/* Shorter than a pipe holds, so this never waits. */
	(void)!write(fds[1], words, strlen(words));
	(void)!write(fds[1], "\n", 1);
	(void)close(fds[1]);
	wait_for(pid);
}

static void *
alarm_main(void *arg)
{
	struct alarm *a = arg;
	struct conf *conf;
	char *words;

	for (;;) {
		(void)pthread_mutex_lock(&a->lock);
		while (a->n == 0)
			(void)pthread_cond_wait(&a->more, &a->lock);
		words = a->waiting[0];
		a->n--;
		memmove(a->waiting, a->waiting + 1,
		    a->n * sizeof(a->waiting[0]));
		(void)pthread_mutex_unlock(&a->lock);
		conf = conf_current();
		if (conf->daemon.alarm_command[0] != '\0')
			run(conf->daemon.alarm_command, words);
		conf_release(conf);
		free(words);
	}
	return NULL;
}

struct alarm *
alarm_new(void)
{
	struct alarm *a = mem_new(sizeof(*a));

	(void)pthread_mutex_init(&a->lock, NULL);
	(void)pthread_cond_init(&a->more, NULL);
	if (thread_start(alarm_main, a) == -1)
		log_fatal("no thread to be had for alarms");
	return a;
}

void
alarm_raise(struct alarm *a, const char *words)
{
	log_error(NULL, "alarm", "words", words);
	(void)pthread_mutex_lock(&a->lock);
	if (a->n < WAITING_MAX)
		a->waiting[a->n++] = mem_strdup(words);
	(void)pthread_cond_signal(&a->more);
	(void)pthread_mutex_unlock(&a->lock);
}
