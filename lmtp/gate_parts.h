/*
 * gate_parts: what the files of the gate share. gate.c has the flow and the
 * envelope, gate_senders.c From and Sender, gate_headers.c what SES refuses in
 * headers, gate_trace.c what Received fields tell.
 */
#ifndef LMTP_GATE_PARTS_H
#define LMTP_GATE_PARTS_H

#include <stdbool.h>
#include <stddef.h>

#include "core/buf.h"
#include "core/header.h"
#include "lmtp/gate.h"

struct gate_field {
	struct header_field f;
	bool dropped;
	struct buf instead; /* the field that goes in its place, or empty */
};

/* A message's header section on its way through the gate. */
struct gate {
	const struct gate_input *in;
	struct gate_output *out;
	struct gate_reply *reply;
	struct gate_field *fields;
	size_t n;
	const char *garbage; /* the first line that is no field, or NULL */
	bool from_line;	   /* an mbox "From " line was left out */
	struct buf extra;  /* fields of our own, below the others */
	struct buf quoted; /* names of fields, comma between */
	struct buf dropped;
	struct buf collapsed;
	struct buf encoded;
	struct buf folded;
};

struct gate_mailbox {
	struct header_mailbox mb; /* without spec */
	char *spec;
	struct address addr;
	enum address_fault fault;
	char why[128]; /* words for the fault */
};

/* From or Sender, taken apart; field is NULL when there is none. */
struct gate_sender {
	struct gate_field *field;
	const char *name;
	const char *wrong; /* with the field as a whole, or NULL */
	struct gate_mailbox *box;
	size_t n;
};

/* Fill the reply, with everything that is not printable ASCII as "?". Returns
 * GATE_DEFER for 4xx, GATE_REFUSE for 5xx. */
enum gate_result gate_answer(struct gate_reply *, unsigned code,
    const char *dsn, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));

/* The first field of that name that is not dropped, or NULL. */
struct gate_field *gate_field(struct gate *, const char *name);

/* Note a repair that is no list of fields. */
void gate_word(struct gate *, const char *word);

/* Put a name on one of the lists of fields, once. */
void gate_note(struct buf *list, const char *name, size_t len);

/* Split the header section into fields; all of it, also when a line is none. */
void gate_headers_read(struct gate *, const char *data, size_t len);

/* Apply the table: drop, collapse, or refuse. */
enum gate_result gate_headers_mend(struct gate *);

/* Write head, each field fit for SES, and repairs. */
enum gate_result gate_headers_write(struct gate *);

/* Queue ids of all Received fields; returns how many fields there are. */
size_t gate_trace(struct gate *);

/* Whether SES would let us send as this address, as far as we know. */
bool gate_covered(const struct gate *, const struct address *);

/* Refuse `what` <addr> by conf->rewrite.dflt: an operator may want to look
 * before mail bounces. */
enum gate_result gate_unverified(struct gate *, const char *what,
    const struct address *addr);

/* The field of that name, taken apart. */
void gate_sender_init(struct gate_sender *, struct gate *, const char *name);
void gate_sender_free(struct gate_sender *);

/* Its addresses as received, comma between. */
void gate_sender_list(const struct gate_sender *, struct buf *out);

/* Pass, replace or refuse it. For a null sender out->sender says by what. */
enum gate_result gate_sender_judge(struct gate *, struct gate_sender *);

#endif
