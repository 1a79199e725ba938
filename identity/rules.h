/*
 * rules: the rewrite rules in force, from the files that operators keep them
 * in: identities.file, rewrite.senders, rewrite.secret. Each is watched for
 * changes. Safe from any thread.
 */
#ifndef IDENTITY_RULES_H
#define IDENTITY_RULES_H

#include "core/conf.h"
#include "core/err.h"
#include "identity/rewrite.h"

struct rules;

/* NULL and err when one of the files can't be read or is no good, or when the
 * table asks for SRS and there is no secret. Keeps a reference to the
 * configuration. */
struct rules *rules_open(struct conf *, struct err *);
void rules_close(struct rules *); /* NULL is fine */

/* Whether rules_open would do; 0, or -1 and err. */
int rules_test(struct conf *, struct err *);

/* What is in force now, to be given back with rules_put, which may be after
 * rules_close. host is the caller's (see rewrite.h). */
void rules_get(struct rules *, const char *host, struct rewrite_rules *rules_r);
void rules_put(struct rewrite_rules *);

#endif
