/*
 * filter: what the MTA is told, by way of libmilter.
 *
 * libmilter runs a thread for each connection of the MTA and calls back; what
 * is kept belongs to one connection, and of a message nothing stays behind.
 */
#ifndef MILTER_FILTER_H
#define MILTER_FILTER_H

#include <stdint.h>

#include "core/err.h"

/*
 * Listen where milter.listen says, with mode and group. Once in a process. -1
 * and err.
 */
int filter_bind(const char *spec, struct err *);

/* unix:PATH or inet:ADDRESS:PORT, as it was bound. */
const char *filter_address(void);

/* Serve in threads; ended is called when libmilter has given up, whatever for.
 * -1 when there is no thread to be had. */
int filter_start(void (*ended)(void));

/* Remove the socket file. */
void filter_unlink(void);

/* The same, and no new connections. Wait for the messages that are under way,
 * until the deadline; returns how many are left. */
unsigned filter_stop(int64_t deadline_us);

#endif
