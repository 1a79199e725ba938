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

/*
 * Let the calling thread, for the rest of its life, run where others leave time.
 * For one that holds no lock they wait for. Only on Linux do threads have
 * priorities of their own (setpriority(2)): elsewhere nothing is changed.
 */
void thread_give_way(void);

/* The same for a program that has one thread, everywhere. */
void process_give_way(void);

#endif
