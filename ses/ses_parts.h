/*
 * ses_parts: what the files of ses share. ses.c has the account and the way to
 * a connection, ses_trouble.c what is in trouble: the keys under which breakers
 * know it, and what they are asked and told.
 */
#ifndef SES_SES_PARTS_H
#define SES_SES_PARTS_H

#include <pthread.h>
#include <stdbool.h>

#include "core/tls.h"
#include "ses/breaker.h"
#include "ses/credentials.h"
#include "ses/ses.h"

#define ENDPOINTS_MAX 64 /* as many items as a list in the configuration has */

struct ses {
	struct conf *conf;
	struct breakers *breakers;
	struct tls_context *tls;
	pthread_mutex_t lock; /* guards what follows */
	unsigned refs;
	unsigned trying[ENDPOINTS_MAX]; /* being made, by endpoint */
	unsigned live[ENDPOINTS_MAX];	/* connections handed out */
	bool retired;
};

/* A breaker key, as ses_key_endpoint gives it. */
void ses_key_credential(const struct credential *, char *key_r);

/*
 * May what the key names be tried? 0: yes, and it may be the probe, which is to
 * be reported. -1: result has class and cause.
 */
int ses_ask(struct ses *, const char *key, struct ses_result *);

/* Why a breaker is open, as the result of what was not tried. */
void ses_tell_trouble(const struct trouble *, struct ses_result *);

/* For the breakers, unless the account has been retired. */
void ses_fails(struct ses *, const char *key, enum ses_class,
    const char *cause);
void ses_works(struct ses *, const char *key);

#endif
