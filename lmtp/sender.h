/*
 * sender: one delivery's way through SES.
 *
 * A thread per connection. It takes the next delivery whose slot is near, runs
 * the dialogue ahead of the slot, makes `sending` durable, lets the dot go at
 * its slot, and makes what SES said durable before anybody is told.
 */
#ifndef LMTP_SENDER_H
#define LMTP_SENDER_H

#include "lmtp/server.h"

/* Start a thread: dispatch calls this (spawn). */
void sender_spawn(void *server);

/* The end: what is not journalled by then is not. */
struct sender_end {
	struct server *server;
	int64_t deadline_us;
};

/*
 * Journal a delivery that is past its dot and will not hear from SES any more.
 */
void sender_abandon(void *end, struct delivery *);

#endif
