/*
 * event_record: one record of SES's, unwrapped.
 */
#ifndef STORE_EVENT_RECORD_H
#define STORE_EVENT_RECORD_H

#include "store/db.h"
#include "store/event.h"

/* To be prepared on the connection that reads. */
extern const struct db_sql event_record_sql;

/*
 * What a record says; type is taken over. NULL, and the event is the caller's
 * to event_free, or why it is none.
 */
const char *event_record(
    struct db *, const char *record, char *type, struct event *);

/* A column's string, if it is one without a NUL in it; else NULL. */
const char *event_text_at(sqlite3_stmt *, int column);

/* A short word of SES's own, such as a type, to be freed; else NULL. */
char *event_name_at(sqlite3_stmt *, int column);

#endif
