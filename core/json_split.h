/*
 * json_split: a stream of bytes, cut into its JSON values.
 *
 * Objects and arrays may follow each other directly, on lines of their own, or
 * with commas or lines of anything else between. Only their structure is looked
 * at (RFC 8259: brackets, strings, escapes, commas); numbers and words are not.
 * Memory is bounded by the longest value that is taken, whatever comes.
 *
 * After a broken value, what stands in it is searched for the start of the
 * next, so that a record that was cut off takes no other with it.
 */
#ifndef CORE_JSON_SPLIT_H
#define CORE_JSON_SPLIT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Nesting beyond this is broken. */
#define JSON_SPLIT_DEPTH 64

enum json_piece_kind {
	JSON_PIECE_VALUE,  /* whole: data */
	JSON_PIECE_BROKEN, /* why it is no JSON; data up to where that shows */
	JSON_PIECE_LONG,   /* longer than max, passed over */
	JSON_PIECE_NOISE   /* data: a line, or part of one, between values */
};

struct json_piece {
	enum json_piece_kind kind;
	const char *data; /* until the callback returns; not terminated */
	size_t len;
	uint64_t offset; /* in the stream, from 0 */
	uint64_t line;	 /* from 1 */
	/*
	 * Found in a broken value: the next one perhaps, perhaps only a part of
	 * that.
	 */
	bool fragment;
	const char *why; /* for BROKEN */
};

struct json_split;

struct json_split *json_split_new(size_t max_bytes);
void json_split_free(struct json_split *);

/*
 * More of the stream. fn is told of each piece once it is known, in the
 * stream's order, and returns non-zero to stop; that is returned, else 0.
 */
typedef int json_split_fn(void *arg, const struct json_piece *);
int json_split_feed(struct json_split *, const void *, size_t len,
    json_split_fn *, void *arg);

/* The stream has ended: what is left of it is told, too. */
int json_split_end(struct json_split *, json_split_fn *, void *arg);

#endif
