/*
 * connection: a session with SES that is ready for MAIL.
 *
 * TCP, TLS (always, always verified), greeting, EHLO, AUTH. One thread at a
 * time.
 */
#ifndef SES_CONNECTION_H
#define SES_CONNECTION_H

#include <stdbool.h>
#include <stdint.h>

#include "core/conf.h"
#include "core/tls.h"
#include "ses/credentials.h"
#include "ses/endpoint.h"
#include "ses/reply.h"

struct connection {
	struct stream *stream;
	const struct conf *conf;
	char name[384];	   /* HOST[ADDRESS]:PORT, for logs and the journal */
	bool offers_8bitmime;
	bool offers_size;
	bool broken;	   /* of no more use: close it without a word */
	bool mid_message;  /* between MAIL and its end: RSET before the next */
	unsigned messages; /* so far in this session */
	size_t endpoint;   /* its number in the configuration */
	bool probe;	   /* the account's breaker is open, and this one finds out */
};

/*
 * Open a session on a connected socket, which belongs to the connection from
 * here on (also on failure). result says what went wrong: SES_UNREACHABLE,
 * SES_TLS_TROUBLE, SES_ACCOUNT. conf must outlive the connection.
 */
struct connection *connection_open(int fd, const struct conf *,
    const struct endpoint *, const char *address, struct tls_context *,
    const struct credential *, struct ses_result *);

/* QUIT when that makes sense, and close. NULL is fine. */
void connection_close(struct connection *);

/*
 * Whether it has gone stale while it was idle: SES closed, or said something
 * unasked (the 451 of its idle timeout).
 */
bool connection_stale(struct connection *);

/*
 * Send one command line (without CRLF) and read its reply, both before the
 * deadline. 0, or -1 when no reply came. In each case result is filled; a
 * failure marks the connection broken. The line is never logged.
 */
int connection_command(struct connection *, enum ses_phase, const char *line,
    int64_t deadline_us, struct ses_result *);

/* Read a reply to what has been written already. */
int connection_reply(struct connection *, enum ses_phase, int64_t deadline_us,
    struct ses_reply *, struct ses_result *);

#endif
