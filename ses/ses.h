/*
 * ses: the account as it is configured, and ready connections to it.
 *
 * What posternd's senders and `postern check` see of this folder. Tries
 * endpoints in the order of the configuration and all addresses of each,
 * credentials in the order of their file, and keeps the breakers informed.
 */
#ifndef SES_SES_H
#define SES_SES_H

#include "core/conf.h"
#include "ses/breaker.h"
#include "ses/connection.h"

struct ses;

#define SES_KEY_ACCOUNT "account"
#define SES_KEY_MAX 400

/* Loads trust anchors; conf is held. NULL and err (ERR_CONFIG). */
struct ses *ses_new(struct conf *, struct breakers *, struct err *);
struct ses *ses_hold(struct ses *);
void ses_release(struct ses *);

/*
 * Another configuration has taken its place: what it still finds out is no news
 * for the breakers.
 */
void ses_retire(struct ses *);
const struct conf *ses_conf(const struct ses *);

/*
 * A connection ready for MAIL, or NULL and result: SES_UNREACHABLE or
 * SES_TLS_TROUBLE when no endpoint could be reached (their breakers know),
 * SES_ACCOUNT when no credential was taken (the account's breaker knows). While
 * that breaker is open nothing is tried, and the result is its cause.
 */
struct connection *ses_connect(struct ses *, struct ses_result *);

/* Close what ses_connect gave. NULL is fine. */
void ses_disconnect(struct ses *, struct connection *);

/*
 * Is something known to be in trouble that mail from this sender needs? 0: no.
 * -1: result has class and cause. Claims no probe.
 */
int ses_trouble(struct ses *, const char *sender, struct ses_result *);

/* The same, asked by who is about to send: may claim the probe. */
int ses_may_send(struct ses *, struct connection *, const char *sender,
    struct ses_result *);

/* Tell the breakers what SES said to a message from this sender. */
void ses_report(struct ses *, const char *sender, const struct ses_result *);

/*
 * Whether what SES said stands in the way of all mail, not of this message
 * alone.
 */
bool ses_stops_all(struct ses *, const struct ses_result *);

/* Breaker keys; key_r holds SES_KEY_MAX bytes. */
void ses_key_endpoint(const struct endpoint *, char *key_r);

#endif
