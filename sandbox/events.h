/*
 * events: what SES would publish about an accepted message, appended to a file.
 *
 * A JSON object a line, in the format of event publishing (facts section 6).
 * All records of a message are written at once, before the client gets its
 * reply. Safe from any thread.
 */
#ifndef SANDBOX_EVENTS_H
#define SANDBOX_EVENTS_H

#include <stdbool.h>
#include <stdint.h>

#include "core/buf.h"
#include "core/err.h"

struct events;
struct fields;
struct session;

struct events *events_open(const char *file, struct err *);
void events_close(struct events *);

/* What the records of one message tell. */
struct events_message {
	const struct session *session;
	const struct fields *fields;
	const char *id;
	const char *set; /* the configuration set in force */
	int64_t wall_us;
	bool virus;
};

/* Publish; returns how many records were written. */
unsigned events_publish(struct events *, const struct events_message *);

/* Message tags as a JSON object of arrays, {} when there are none that SES
 * would publish. */
void events_tags(const struct fields *, struct buf *);

#endif
