/*
 * thread: threads that leave all signals to main.
 */
#ifndef CORE_THREAD_H
#define CORE_THREAD_H

#include <pthread.h>

#include "core/err.h"

/*
 * Start fn(arg), detached and with a stack of known size. -1 when the system
 * has no thread to give.
 */
int thread_start(void *(*fn)(void *), void *arg);

/* The same for one that is to be joined, with the system's usual stack. */
int thread_start_joined(
    pthread_t *thread_r, void *(*fn)(void *), void *arg, struct err *);

#endif
