/*
 * event_read: what SES publishes, out of whatever it comes wrapped in.
 *
 * A record of event publishing or of the older notifications; bare, in the
 * envelope of SNS, of EventBridge, in what SQS gives (`aws sqs receive-message`
 * or a Lambda's), in Firehose's, in lists of these, and one in another.
 */
#ifndef STORE_EVENT_READ_H
#define STORE_EVENT_READ_H

#include <stdbool.h>
#include <stddef.h>

#include "core/err.h"
#include "store/event.h"

struct event_reader;

/* Holds a connection to SQLite, for its JSON functions. NULL and err. */
struct event_reader *event_reader_new(struct err *);
void event_reader_free(struct event_reader *);

/*
 * One call for each record found: with the event, which is the callee's to
 * event_free; or with the reason why it is none; or with neither for what SNS
 * says of itself. element counts the records of a list from 1, and is 0 where
 * there is no list. Non-zero to stop.
 */
typedef int event_read_fn(
    void *arg, unsigned element, struct event *, const char *why);

/* Read one JSON value. Returns 0, or what fn returned to stop. */
int event_read(struct event_reader *, const char *text, size_t len,
    event_read_fn *, void *arg);

/* Words that SNS is known to put between events. */
bool event_read_harmless(const char *text, size_t len);

#endif
