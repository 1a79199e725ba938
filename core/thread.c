/* SPDX-License-Identifier: BSD-2-Clause */
#include "config.h"

#include "core/thread.h"

#include <sys/resource.h>

#include <signal.h>

/*
 * Hundreds of sessions may be open: the usual 8 MB each would be refused under a
 * limit on address space. A TLS handshake under a sanitizer is what needs most.
 */
#define STACK_BYTES (1024 * 1024)

/* Of priorities, as nice(1) counts. */
#define LOWEST 19

/* Signals are main's business. */
static int
start(pthread_t *thread_r, const pthread_attr_t *attr, void *(*fn)(void *),
    void *arg)
{
	sigset_t all, old;
	int rc;

	(void)sigfillset(&all);
	(void)pthread_sigmask(SIG_SETMASK, &all, &old);
	rc = pthread_create(thread_r, attr, fn, arg);
	(void)pthread_sigmask(SIG_SETMASK, &old, NULL);
	return rc;
}

int
thread_start(void *(*fn)(void *), void *arg)
{
	pthread_attr_t attr;
	pthread_t thread;
	int rc;

	if (pthread_attr_init(&attr) != 0)
		return -1;
	(void)pthread_attr_setstacksize(&attr, STACK_BYTES);
	(void)pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
	rc = start(&thread, &attr, fn, arg);
	(void)pthread_attr_destroy(&attr);
	return rc == 0 ? 0 : -1;
}

int
thread_start_joined(
    pthread_t *thread_r, void *(*fn)(void *), void *arg, struct err *err)
{
	int rc = start(thread_r, NULL, fn, arg);

	return rc == 0 ? 0 : err_sys(err, ERR_LOCAL, rc, "start a thread");
}

void
thread_give_way(void)
{
#ifdef __linux__
	process_give_way();
#endif
}

/* On Linux the "process" is the calling thread. */
void
process_give_way(void)
{
	(void)setpriority(PRIO_PROCESS, 0, LOWEST);
}
