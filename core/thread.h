/*
 * thread: detached threads with a stack of known size.
 */
#ifndef CORE_THREAD_H
#define CORE_THREAD_H

/*
 * Start fn(arg) with all signals blocked (they are main's business). -1 when
 * the system has no thread to give.
 */
int thread_start(void *(*fn)(void *), void *arg);

#endif
