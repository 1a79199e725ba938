/*
 * session: one LMTP connection (RFC 2033), which owns at most one transaction.
 *
 * A thread each, reading straight down: a line, its verb, its reply. Replies to
 * pipelined commands leave together.
 */
#ifndef LMTP_SESSION_H
#define LMTP_SESSION_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "core/conf.h"
#include "core/stream.h"
#include "lmtp/server.h"
#include "lmtp/transaction.h"

/*
 * A client that trickles may not hold a session for ever: beyond what it is
 * allowed at first, content has to come this fast on average.
 */
#define BYTES_PER_SEC_MIN 1000

/* What a session and the listener tell each other about its place. */
struct place {
	_Atomic int64_t spare_at; /* clock_mono_us: from then on another may
				     have it; INT64_MAX while we owe answers */
	atomic_int asked;	  /* an enum ask */
};

enum ask {
	ASK_NOTHING,
	ASK_ROOM, /* others wait: leave when the time for that has come */
	ASK_END	  /* posternd ends: leave when there is no transaction */
};

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
	uint64_t received; /* bytes of its content so far */
	int64_t since_us;  /* greeting, last answer to a message, first MAIL after */
	bool tried;	   /* a MAIL since the last answer to a message */
	struct place *place;
	int wake[2];	   /* a pipe: outcomes, and what the listener asks */
	bool ending;	   /* after the reply that is being written */
	unsigned faults;   /* commands that made no sense */
};

/*
 * Serve a connected client until it or we end it. fd belongs to the session;
 * place and the wake pipe outlive it. The listener asks by setting place->asked
 * and writing a byte to wake[1].
 */
void session_run(struct server *, int fd, const int wake[2], const char *peer,
    bool is_unix, struct place *);

/* For the verbs. text has no line end. */
void session_reply(struct session *, unsigned code, const char *dsn,
    const char *fmt, ...) __attribute__((format(printf, 4, 5)));

/* A line of its own after code and "-": LHLO's capabilities. */
void session_reply_more(struct session *, unsigned code, const char *text);

/*
 * Send what has been answered. -1: the client has gone, or does not read what
 * it is told.
 */
int session_flush(struct session *);

/* Throw the transaction away (RSET, LHLO, end of DATA). */
void session_reset(struct session *);

/*
 * Before waiting for the client: whether the session leaves instead, having
 * said so, because its place is wanted and has been held long enough.
 */
bool session_leaves(struct session *);

/* A transaction begins; a message has been answered. */
void session_begins(struct session *);
void session_has_answered(struct session *);

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

/* arrival.c: journal the refusals of a transaction that ends without DATA.
 * Whether there were any. */
bool arrival_without_data(struct session *);

#endif
