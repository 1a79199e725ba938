/* SPDX-License-Identifier: BSD-2-Clause */
#include "config.h"

#include "milter/current.h"

#include <pthread.h>

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct rules *rules;

void
current_set(struct rules *new)
{
	struct rules *old;

	(void)pthread_mutex_lock(&lock);
	old = rules;
	rules = new;
	(void)pthread_mutex_unlock(&lock);
	rules_close(old);
}

void
current_get(const char *host, struct rewrite_rules *rules_r)
{
	(void)pthread_mutex_lock(&lock);
	rules_get(rules, host, rules_r);
	(void)pthread_mutex_unlock(&lock);
}
