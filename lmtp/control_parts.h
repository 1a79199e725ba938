/*
 * control_parts: what the files of control share.
 */
#ifndef LMTP_CONTROL_PARTS_H
#define LMTP_CONTROL_PARTS_H

#include <stdbool.h>

#include "core/buf.h"
#include "core/err.h"
#include "lmtp/server.h"
#include "store/prune.h"

#define CONTROL_REQUEST_MAX 4096
/* Only events come in larger lots. */
#define CONTROL_LINE_MAX (256 * 1024)

/* How long a request may wait for the journal, and a client for either of us. */
#define CONTROL_WAIT_US (30 * US_PER_SEC)

/* What a request leaves to the next, of whoever keeps the journal. */
struct control_keep {
	pthread_mutex_t lock;
	struct prune_look look;
};

struct client {
	struct control *control;
	struct control_keep *keep;
	struct server *server;
	struct stream *stream;
	bool is_keeper; /* root, or who we are */
	char who[80];
};

/* Handlers of requests: members of the answer go to out. 0, or -1 and err. */
int control_events(
    struct client *, const char *request, struct buf *out, struct err *);
int control_prune_begin(
    struct client *, const char *request, struct buf *out, struct err *);
int control_prune_messages(
    struct client *, const char *request, struct buf *out, struct err *);
int control_prune_rows(
    struct client *, const char *request, struct buf *out, struct err *);
int control_forget(
    struct client *, const char *request, struct buf *out, struct err *);
int control_scrub(
    struct client *, const char *request, struct buf *out, struct err *);

#endif
