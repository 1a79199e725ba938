/* SPDX-License-Identifier: BSD-2-Clause */
#include "config.h"

#include <signal.h>
#include <unistd.h>

/*
 * libmilter starts a thread that waits for SIGHUP, SIGTERM and SIGINT, ends the
 * milter for any of them, and cannot be told not to. Which of two threads that
 * wait gets a signal is the system's choice, so that main would have to share
 * them. But the sigwait(3) that libmilter calls is the program's if there is
 * one: this one waits for nothing, and main, which uses sigwaitinfo(2), has the
 * signals to itself.
 */
int
sigwait(const sigset_t *set, int *sig)
{
	(void)set;
	(void)sig;
	for (;;)
		(void)pause();
}
