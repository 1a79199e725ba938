/*
 * session: one client's connection, from accept to close.
 *
 * Belongs to one thread. Whoever finds that the connection has to end sets
 * over; nobody writes after that.
 */
#ifndef SANDBOX_SESSION_H
#define SANDBOX_SESSION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "sandbox/account.h"
#include "sandbox/fault.h"
#include "sandbox/path.h"
#include "sandbox/sandbox.h"

enum {
	/* RFC 5321 section 4.5.3.1.4, and RFC 4954 section 4 for AUTH. */
	SESSION_COMMAND_MAX = 512,
	SESSION_AUTH_MAX = 12288,
	/* SES takes them all and complains at the dot; memory has to end. */
	SESSION_RECIPIENTS_MAX = 1000
};

struct stream;

/* From MAIL to the reply after the dot. */
struct txn {
	bool open;
	bool body_8bit;
	char sender[PATH_ADDRESS_MAX];
	char **recipients;
	size_t nrecipients;
};

struct session {
	struct sandbox *sb;
	struct stream *stream;
	uint64_t number;
	bool wrapper;
	bool granted; /* counts against the cap on connections */
	bool over;
	bool reset;  /* end with a TCP reset */
	bool silent; /* end without a word */
	char peer[64];

	bool said_hello;	     /* since the last start of TLS */
	char user[ACCOUNT_NAME_MAX]; /* "" before AUTH */
	enum account_kind kind;
	int64_t messages; /* that got as far as a reply after the dot */
	struct txn txn;

	enum phase phase; /* of the command being served */
	bool faulty;	  /* a fault is in force for its reply: */
	struct fault fault;
	int64_t read_us; /* when the command had come in */

	size_t line_len;
	char line[SESSION_AUTH_MAX + 1]; /* the command, without its line end */
};

/* Serve a connection; closes the descriptor. */
void session_run(struct sandbox *, int fd, bool wrapper, uint64_t number);

/* Begin TLS, with what the phase's faults make of it. -1: over. */
int session_start_tls(struct session *);

void txn_reset(struct txn *);
void txn_add_recipient(struct txn *, const char *);

#endif
