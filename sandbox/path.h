/*
 * path: what stands behind MAIL and RCPT (RFC 5321 section 4.1.2), the
 * sandbox's own parser.
 */
#ifndef SANDBOX_PATH_H
#define SANDBOX_PATH_H

#include <stdbool.h>
#include <stddef.h>

#define PATH_ADDRESS_MAX 320

enum path_result {
	PATH_OK,
	PATH_SYNTAX, /* no "FROM:<...>" at all */
	PATH_LONG
};

struct path {
	char address[PATH_ADDRESS_MAX]; /* between the angle brackets, as
					   written */
	const char *params;		/* what follows, blanks skipped */
	bool
	    blank; /* "FROM: <...>": taken, though the RFC has no blank there */
};

/* keyword is "FROM" or "TO". */
enum path_result path_parse(
    const char *arg, const char *keyword, struct path *);

/* The next parameter at *params, cut off by a NUL; NULL when there are no more.
 */
char *path_param(char **params);

/* Whether SES's MAIL takes it for an address: something on both sides of an @,
 * all in ASCII. */
bool path_plausible(const char *address);

/*
 * What SES finds wrong with a recipient after the dot, as the words that
 * follow "Transaction failed: "; false when nothing.
 */
bool path_fault(const char *address, char *words, size_t size);

/* An address at the mailbox simulator's domain: the local part without its
 * label ("bounce"), or false. */
bool path_simulator(const char *address, char *local, size_t size);

#endif
