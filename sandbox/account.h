/*
 * account: who may log in, and which identities the account has verified.
 *
 * Lists of words that may change while the sandbox runs. Safe from any thread.
 * Shares no code with identity/: this is the judge of that code.
 */
#ifndef SANDBOX_ACCOUNT_H
#define SANDBOX_ACCOUNT_H

#include <stdbool.h>
#include <stddef.h>

#include "core/err.h"

enum account_list {
	ACCOUNT_IDENTITY, /* verified domain or address; "*" is anything */
	ACCOUNT_DENY,	  /* identities that the IAM policy leaves out */
	ACCOUNT_MAIL_FROM_BROKEN, /* domains whose custom MAIL FROM has no MX */
	ACCOUNT_SUPPRESS, /* recipients on the account's suppression list */
	ACCOUNT_CONFIGURATION_SET, /* those that exist; none listed: any name
				      does */
	ACCOUNT_USER,		   /* NAME:PASSWORD[:KIND] */
	ACCOUNT_LISTS
};

/* What becomes of somebody who logs in with the right password. */
enum account_kind {
	ACCOUNT_GOOD,
	ACCOUNT_BAD,	      /* 535, as after a key was deactivated */
	ACCOUNT_SIGV2,	      /* may log in, and is throttled at the dot */
	ACCOUNT_UNSUBSCRIBED, /* 535 Account not subscribed to SES */
	ACCOUNT_TEMPORARY,    /* 454 Temporary authentication failure */
	ACCOUNT_UNKNOWN	      /* no such user, or the wrong password */
};

#define ACCOUNT_NAME_MAX 320

struct account;

struct account *account_new(void);
void account_free(struct account *);

/* A word that is there already is not added twice. -1 and err (ERR_CONFIG) for
 * a word that can't be. */
int account_add(
    struct account *, enum account_list, const char *, struct err *);
/* For users the name is enough. -1 and err when it is not there. */
int account_remove(
    struct account *, enum account_list, const char *, struct err *);
void account_clear(struct account *, enum account_list);
bool account_has_users(struct account *);

/* By SES's rules, facts section 3.2. */
bool account_verified(struct account *, const char *address);

/* Whether an identity that covers the address is on that list; entry_r
 * (ACCOUNT_NAME_MAX) names it. */
bool account_listed(
    struct account *, enum account_list, const char *address, char *entry_r);

bool account_suppressed(struct account *, const char *address);
bool account_configuration_set(struct account *, const char *name);

enum account_kind account_login(
    struct account *, const char *user, const char *password);

/* The set that applies to a message that names none; "" for none. */
void account_set_default_configuration_set(struct account *, const char *);
void account_default_configuration_set(
    struct account *, char *out, size_t size);

#endif
