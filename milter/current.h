/*
 * current: the rules that the milter goes by at this moment. Safe from any
 * thread.
 */
#ifndef MILTER_CURRENT_H
#define MILTER_CURRENT_H

#include "identity/rules.h"

/* Put rules in force, which then belong here; the old ones are closed. */
void current_set(struct rules *);

/* As rules_get(), of those in force. */
void current_get(const char *host, struct rewrite_rules *rules_r);

#endif
