/*
 * crowd: threads that serve a connection each, and a way to send them all away.
 *
 * Safe from any thread.
 */
#ifndef SANDBOX_CROWD_H
#define SANDBOX_CROWD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct crowd;

struct crowd *crowd_new(void);
/* All must be gone. */
void crowd_free(struct crowd *);

/* Run fn(arg) in a thread of its own, which serves this descriptor. -1 when
 * there is no thread to be had, or the crowd is closed. */
int crowd_start(struct crowd *, int fd, void (*fn)(void *), void *arg);

/* For fn: the descriptor is about to be closed. */
void crowd_leave(struct crowd *, int fd);

/* Shut down all descriptors; their threads find out. */
void crowd_send_away(struct crowd *);

/* The same, and crowd_start lets nobody in any more. */
void crowd_close(struct crowd *);

/* Wait until all threads have ended; false when the time has come. */
bool crowd_wait_empty(struct crowd *, int64_t until_mono_us);

#endif
