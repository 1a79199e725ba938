/*
 * gate_parts: what the files of the gate share. gate.c has the flow,
 * gate_senders.c who may send, gate_headers.c what SES refuses in headers,
 * gate_trace.c what Received fields tell, gate_origin.c what the milter tells.
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

/* Fill the reply, with everything that is not printable ASCII as "?". Returns
 * GATE_DEFER for 4xx, GATE_REFUSE for 5xx. */
enum gate_result gate_answer(struct gate_reply *, unsigned code,
    const char *dsn, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));

/* The first field of that name that is not dropped, or NULL. */
struct gate_field *gate_field(struct gate *, const char *name);

/* Note a repair that is no list of fields. */
void gate_word(struct gate *, const char *word);

/* Note a repair that is a list of fields or words, unless that is empty. */
void gate_words(struct gate *, const char *key, const struct buf *list);

/* Put a name on such a list, once. One mail's repairs are a few names; an
 * attacker's are cut. */
#define GATE_LIST_MAX 250
void gate_note(struct buf *list, const char *name, size_t len);

/* Split the header section into fields; all of it, also when a line is none. */
void gate_headers_read(struct gate *, const char *data, size_t len);

/* Apply the table: drop, collapse, or refuse. */
enum gate_result gate_headers_mend(struct gate *);

/* Write head, each field fit for SES, and repairs. */
enum gate_result gate_headers_write(struct gate *);

/* Queue ids, also of all Received fields; returns how many of these there are. */
size_t gate_trace(struct gate *);

/* Open what the milter sealed, after gate_trace, and take it out. */
void gate_origin(struct gate *);

/* Pass, replace or refuse envelope sender, From and Sender. */
enum gate_result gate_senders(struct gate *);

#endif
