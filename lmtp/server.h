/*
 * server: what posternd's threads share. Filled by main before the first of
 * them starts; each part owns its lock.
 */
#ifndef LMTP_SERVER_H
#define LMTP_SERVER_H

#include <pthread.h>
#include <stdatomic.h>

#include "core/conf.h"
#include "identity/rules.h"
#include "lmtp/alarm.h"
#include "lmtp/dispatch.h"
#include "ses/ses.h"
#include "store/journal.h"
#include "store/quota.h"
#include "store/suppression.h"

struct server {
	struct journal *journal;
	struct quota *quota;
	struct suppressions *suppressions;
	struct dispatch *dispatch;
	struct breakers *breakers;
	struct alarm *alarm;

	atomic_bool day_spent; /* what was last said about it in the log */
	atomic_ullong put_off; /* recipients, at RCPT, for a full day */
	atomic_bool no_thread; /* for another sender, as the log has said */

	pthread_mutex_t lock; /* guards the two that SIGHUP replaces */
	struct ses *ses;
	struct rules *rules;
};

/* The account in force: a reference. */
struct ses *server_ses(struct server *);

/* The rules in force, as rules_get gives them. */
void server_rules(struct server *, const char *host,
    struct rewrite_rules *rules_r);

#endif
