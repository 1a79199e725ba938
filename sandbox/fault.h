/*
 * fault: what is to go wrong, where and when.
 *
 * A fault is a line of words:
 *
 *	PHASE ACTION [KEY=VALUE ...] [text=REST OF THE LINE]
 *
 * postern-sandbox(1) lists phases, actions and keys. Each fault counts the
 * occasions on which its phase is reached (and sender and recipient match) from
 *the moment it was added, and strikes on the occasions that it names. Where
 *several would strike, the one added first does; all of them count. Safe from
 *any thread.
 */
#ifndef SANDBOX_FAULT_H
#define SANDBOX_FAULT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/buf.h"
#include "core/err.h"

enum phase {
	PHASE_CONNECT,
	PHASE_TLS,
	PHASE_GREETING,
	PHASE_EHLO,
	PHASE_STARTTLS,
	PHASE_AUTH,
	PHASE_MAIL,
	PHASE_RCPT,
	PHASE_DATA,
	PHASE_BODY,
	PHASE_DOT,
	PHASE_RSET,
	PHASE_IDLE,
	PHASE_QUIT,
	PHASE_OTHER,
	PHASE_COUNT
};

enum fault_action {
	FAULT_DROP,	/* close without a word, not even TLS's */
	FAULT_RESET,	/* the same with a TCP reset */
	FAULT_STALL,	/* say nothing for ms, or for ever */
	FAULT_DELAY,	/* answer ms late */
	FAULT_GARBAGE,	/* bytes that are no reply */
	FAULT_ENDLESS,	/* a reply of ever more lines */
	FAULT_LONGLINE, /* a reply line that never ends */
	FAULT_PIECES,	/* the reply one byte at a time, ms apart */
	FAULT_TWICE,	/* the reply two times at once */
	FAULT_HALF,	/* the first half of the reply, then close */
	FAULT_REPLY,	/* this text in place of the reply */
	FAULT_LOSE,	/* do as told, then close in place of the reply */
	FAULT_COUNT
};

/* A fault that strikes, as its session needs it. */
struct fault {
	unsigned id;
	enum fault_action action;
	bool done;	      /* carry out the command before striking */
	bool close;	      /* hang up after the reply */
	int64_t ms;	      /* -1: not given */
	uint64_t after_bytes; /* in phase body: let these pass first */
	char text[1024];
};

/* What an occasion is matched by. */
struct fault_occasion {
	enum phase phase;
	const char *sender; /* NULL while there is none */
	char *const *recipients;
	size_t nrecipients;
};

struct faults;

const char *phase_name(enum phase);

struct faults *faults_new(void);
void faults_free(struct faults *);

/* 0 and the fault's number in *id_r; -1 and err (ERR_CONFIG), which says what
 * would be right. */
int faults_add(struct faults *, const char *line, unsigned *id_r, struct err *);
void faults_clear(struct faults *);

/* Count an occasion; true and *fault_r when one strikes. */
bool faults_strike(
    struct faults *, const struct fault_occasion *, struct fault *fault_r);

/* Whether one would strike now; counts nothing. */
bool faults_would_strike(
    struct faults *, const struct fault_occasion *, struct fault *fault_r);

/* All of them with their counts, as a JSON array. */
void faults_json(struct faults *, struct buf *);

#endif
