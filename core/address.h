/*
 * address: mailbox addresses as the envelope carries them (RFC 5321 section
 * 4.1.2).
 */
#ifndef CORE_ADDRESS_H
#define CORE_ADDRESS_H

#include <stdbool.h>
#include <stddef.h>

#include "core/err.h"

#define ADDRESS_LOCAL_MAX 64	/* RFC 5321 section 4.5.3.1.1 */
#define ADDRESS_DOMAIN_MAX 255	/* 4.5.3.1.2 */
#define ADDRESS_MAX 256		/* 4.5.3.1.3, with angle brackets */

/* Why a string is no address that SES would take. */
enum address_fault {
	ADDRESS_OK,
	ADDRESS_SYNTAX,
	ADDRESS_TOO_LONG,
	ADDRESS_NO_DOMAIN,
	ADDRESS_NON_ASCII_LOCAL, /* SES has no SMTPUTF8 */
	ADDRESS_BAD_DOMAIN	 /* no name, or IDNA says no; literals too */
};

struct address {
	/* local@domain; the domain begins at text[local_len + 1] */
	char text[ADDRESS_LOCAL_MAX + 1 + ADDRESS_DOMAIN_MAX + 1];
	size_t local_len;
};

/*
 * Parse `local@domain` of len bytes: dot-atom or quoted string before the @.
 * One mailbox gives one text: a quoted string that needs no quotes loses them,
 * and dots that need quotes (two in a row, at an end) get them. The domain's
 * letters stay as they are written; an international domain becomes punycode
 * (IDNA2008, through libidn2). Unless ADDRESS_OK, the text is empty and err
 * (ERR_PROTO) has words for a reply, without the address.
 */
enum address_fault address_parse(const char *, size_t len, struct address *,
    struct err *);

/*
 * The same for a path in angle brackets as MAIL and RCPT carry it, source route
 * skipped. *used_r counts the bytes up to and including the ">", also when what
 * stands between them is at fault; 0 when there is no such pair. `<>` gives an
 * empty text and ADDRESS_OK.
 */
enum address_fault address_parse_path(const char *, size_t len,
    struct address *, size_t *used_r, struct err *);

/*
 * What is kept of a path or text that is none: what looks most like an address,
 * between the angle brackets if there are any, without source route and
 * parameters; cut between characters. If this is an address, its one text.
 */
#define ADDRESS_WRITTEN_MAX 500
void address_written(const char *, char written_r[ADDRESS_WRITTEN_MAX + 1]);

/* "" for the null sender. */
const char *address_domain(const struct address *);

/* The local part as it is meant, without its quoting, NUL-terminated; its
 * length. */
size_t address_local(const struct address *, char local_r[ADDRESS_LOCAL_MAX + 1]);

/* The other way: an address of a local part without quoting, and a domain. As
 * address_parse. */
enum address_fault address_make(const char *local, size_t len,
    const char *domain, struct address *, struct err *);

/*
 * The address as part of a command that people may paste: "ADDRESS" stands in
 * for one with what a shell would act on, which local parts may well contain.
 */
const char *address_pasteable(const struct address *);

/* A key under which two writings of one mailbox are equal: domain in lower
 * case, local part as it is. */
void address_key(const struct address *, struct address *key_r);

/* Domain name in lower-case ASCII; -1 when it is none. out holds
 * ADDRESS_DOMAIN_MAX + 1. */
int address_domain_ascii(const char *domain, size_t len, char *out);

/* Whether it is one of the mailbox simulator's (SES facts section 4). */
bool address_is_simulator(const struct address *);

#endif
