/*
 * search/term: what a delivery can be found by, as 64 bits.
 */
#ifndef STORE_SEARCH_TERM_H
#define STORE_SEARCH_TERM_H

#include <stddef.h>
#include <stdint.h>

enum term_kind {
	TERM_SENDER = 1,
	TERM_RECIPIENT,
	TERM_DOMAIN,
	TERM_CLIENT,
	TERM_QUEUE_ID,
	TERM_SES_ID,
	TERM_MESSAGE_ID,
	TERM_REPLY_WORD
};

/*
 * Without regard to case, and domains as search_ascii has them; the numbers of kinds are part of the file's format.
 */
int64_t search_term(enum term_kind, const char *value);
int64_t search_term_len(enum term_kind, const char *value, size_t len);

/*
 * What is an address or a domain with its international domain as punycode, as
 * address_parse has it, to be freed; NULL when it is as it is. What was refused
 * is in the journal as it came.
 */
char *search_ascii(enum term_kind, const char *value, size_t len);

/* The part of the postings that holds a delivery's. */
#define SEARCH_PART_BITS 18
#define SEARCH_PART(id) ((int64_t)(id) >> SEARCH_PART_BITS)

/*
 * The next of names with blanks or commas between, which may also stand in
 * quotes: addresses of From, queue ids. *at moves on. 1 and the name, or 0 at
 * the end.
 */
int search_name(const char **at, const char **name_r, size_t *len_r);

/*
 * From "host[192.0.2.1]" what stands between the brackets, to be freed, or
 * NULL.
 */
char *search_client_address(const char *client);

#endif
