/*
 * reply: what SES answers, and what that means (SES facts, section 2).
 */
#ifndef SES_REPLY_H
#define SES_REPLY_H

#include <stdbool.h>

#include "core/err.h"
#include "core/stream.h"

/* Where in the dialogue a reply was, or should have been, read. */
enum ses_phase {
	SES_PHASE_CONNECT,
	SES_PHASE_TLS,
	SES_PHASE_GREETING,
	SES_PHASE_EHLO,
	SES_PHASE_AUTH,
	SES_PHASE_MAIL,
	SES_PHASE_RCPT,
	SES_PHASE_DATA,
	SES_PHASE_BODY,
	SES_PHASE_DOT,
	SES_PHASE_RSET
};
const char *ses_phase_name(enum ses_phase);

/* What to do about it; verdict.c in lmtp/ turns these into LMTP replies. */
enum ses_class {
	SES_OK,
	SES_RECONNECT,	  /* this connection is of no more use; the message is as good as before */
	SES_UNREACHABLE,  /* connect, timeout, lost before the dot, or SES too busy to talk */
	SES_TLS_TROUBLE,  /* handshake or certificate */
	SES_DOUBTFUL,	  /* no answer that can be understood after the dot */
	SES_PACE,	  /* 454: the rate */
	SES_DAY_FULL,	  /* 454: the daily quota */
	SES_TRY_AGAIN,	  /* temporary service failure: SES did not take it, ask again in a while */
	SES_DEFERRED,	  /* a 4xx nobody has seen before */
	SES_ACCOUNT,	  /* credentials, account paused, SigV2 throttle: the operator's to mend */
	SES_DENIED,	  /* IAM permission missing for an identity */
	SES_MAIL_FROM,	  /* custom MAIL FROM domain not verified */
	SES_CONFIG_SET,	  /* configuration set unknown or paused */
	SES_UNVERIFIED,	  /* a sender, or in the sandbox a recipient, is not verified */
	SES_TOO_LARGE,
	SES_REFUSED,	  /* permanent: malformed, content, address */
	SES_UNKNOWN_5XX	  /* permanent by its code, but of a wording nobody has seen before */
};
const char *ses_class_name(enum ses_class);

#define SES_TEXT_MAX 900
#define SES_ID_MAX 128

struct ses_result {
	enum ses_class class;
	enum ses_phase phase;
	unsigned code;		      /* SES's, or 0 where none came */
	char text[SES_TEXT_MAX + 1];  /* SES's words (one line, printable, cut as core/cut.h does), or what went wrong */
	char ses_id[SES_ID_MAX + 1];  /* SES_OK at the dot */
};

/* One reply; the texts of its lines are joined by LF. */
struct ses_reply {
	unsigned code;
	char text[4096];
};

/*
 * Read a reply. -1 and err: ERR_NET, ERR_TIMEOUT or ERR_TLS from the stream,
 * ERR_PROTO for what is no SMTP reply, is endless, or is followed by bytes
 * nobody asked for: after such a reply nothing on this connection can be
 * trusted to answer the question that was put.
 */
int ses_reply_read(struct stream *, struct ses_reply *, struct err *);

/*
 * Put a reply into its class. Matches the code and a part of the text, without
 * case: AWS's table and the wire differ in full stops (SES facts 2 and 14).
 * Fills the result whole.
 */
void ses_reply_classify(enum ses_phase, const struct ses_reply *,
    struct ses_result *);

/*
 * The same for a failed read or write. Before the dot nothing is lost; after it
 * SES may have the message.
 */
void ses_error_classify(enum ses_phase, const struct err *,
    struct ses_result *);

#endif
