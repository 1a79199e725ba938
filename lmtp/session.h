/*
 * session: one LMTP connection (RFC 2033), which owns at most one transaction.
 *
 * A thread each, reading straight down: a line, its verb, its reply. Replies to
 * pipelined commands leave together.
 */
#ifndef LMTP_SESSION_H
#define LMTP_SESSION_H

#include <stdbool.h>
#include <stdint.h>

#include "core/conf.h"
#include "core/stream.h"
#include "lmtp/server.h"
#include "lmtp/transaction.h"

/* What the MTA told about its own client (Postfix XFORWARD_README). */
struct xforward {
	char name[256];
	char addr[64];
	char ident[64]; /* queue id */
};

struct session {
	struct server *server;
	struct stream *stream;
	struct conf *conf; /* in force when the transaction began */
	char peer[80];	   /* "unix" or the address */
	bool is_unix;
	char lhlo[256];	   /* the name the client gave, "" before LHLO */
	struct xforward xforward;
	struct transaction *txn;
	int wake[2];	   /* a pipe: outcomes, and the wish to make room */
	bool ending;	   /* after the reply that is being written */
	unsigned faults;   /* commands that made no sense */
};

/*
 * Serve a connected client until it or we end it. fd and the wake pipe belong
 * to the session. The listener writes a byte to wake[1] to ask an idle session
 * to make room.
 */
void session_run(struct server *, int fd, const int wake[2], const char *peer,
    bool is_unix, void (*idle)(void *arg, bool is_idle), void *arg);

/* For the verbs. text has no line end. */
void session_reply(struct session *, unsigned code, const char *dsn,
    const char *fmt, ...) __attribute__((format(printf, 4, 5)));

/* A line of its own after code and "-": LHLO's capabilities. */
void session_reply_more(struct session *, unsigned code, const char *text);

/* Send what has been answered. -1: the client has gone. */
int session_flush(struct session *);

/* Throw the transaction away (RSET, LHLO, end of DATA). */
void session_reset(struct session *);

/* Empty the wake pipe. */
void session_drain_wake(struct session *);

/* The verbs, in verbs.c: handle one command line. */
void verbs_handle(struct session *, const char *line, size_t len);

/*
 * content.c: take what comes after DATA. 1: *message_r holds it; 0: it was
 * refused and all recipients have been answered; -1: the connection is of no
 * more use.
 */
int content_receive(struct session *, struct message **message_r);

/*
 * relay.c: send the message and answer each recipient. -1: the connection is of
 * no more use.
 */
int relay_message(struct session *, struct message *);

/* arrival.c: journal the refusals of a transaction that ends without DATA. */
void arrival_without_data(struct session *);

#endif
