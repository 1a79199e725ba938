/*
 * watched: what has been read from a file, read anew when the file changes.
 *
 * For the lists that operators edit while daemons run. A look costs a stat, and
 * holds nobody else up: who comes while another looks gets what was read before.
 * Another file, renamed into place, is read by the next look. One that is
 * written in place is half of it at times, and an empty list is one that allows
 * all: it is read when it has stayed the same for a second.
 *
 * A bad new file leaves what was read before in force and is reported once for
 * each change (log, error). One that can't be read (ERR_LOCAL) is tried again
 * at each look, and that is reported once. Safe from any thread.
 */
#ifndef IDENTITY_WATCHED_H
#define IDENTITY_WATCHED_H

#include <stddef.h>

#include "core/err.h"

/* What kind of file: how it is read into an object whose references are
 * counted. A file named "" is none, for load as well. */
struct watched_kind {
	const char *name; /* in log lines: "identities" */
	void *(*load)(const char *file, struct err *);
	void (*hold)(void *);
	void (*release)(void *);
	size_t (*count)(const void *); /* entries, for the log */
};

struct watched;

/* NULL and err, which names the file, when it can't be read now. */
struct watched *watched_open(const struct watched_kind *, const char *file,
    struct err *);

/* A reference to the newest good object, for the caller to release. */
void *watched_get(struct watched *);

void watched_close(struct watched *); /* NULL is fine */

#endif
