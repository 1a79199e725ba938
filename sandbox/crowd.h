/*
 * crowd: who is connected, so that all can be sent away. Safe from any thread.
 */
#ifndef SANDBOX_CROWD_H
#define SANDBOX_CROWD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct crowd;

struct crowd *crowd_new(void);
void crowd_free(struct crowd *);

/* Enter with a descriptor; leave before it is closed; be gone when nothing of
 * the sandbox is used any more. */
void crowd_enter(struct crowd *, int fd);
void crowd_leave(struct crowd *, int fd);
void crowd_gone(struct crowd *);

size_t crowd_size(struct crowd *);

/* Shut down all connections; their threads find out. */
void crowd_send_away(struct crowd *);

/* Wait until all are gone; false when the time has come. */
bool crowd_wait_empty(struct crowd *, int64_t until_mono_us);

#endif
