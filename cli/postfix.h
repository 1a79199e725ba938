/*
 * postfix: what Postfix on this host has been told, by asking its postconf(1)
 * and postmap(1).
 */
#ifndef CLI_POSTFIX_H
#define CLI_POSTFIX_H

#include <stdbool.h>
#include <stdint.h>

#include "core/buf.h"
#include "core/err.h"
#include "core/socket.h"

bool postfix_there(void);

/* The value of a parameter of main.cf, all $names in it resolved. */
int postfix_param(const char *name, struct buf *value, struct err *);

/* A parameter that is a time, in microseconds (Postfix writes 600s, 10m, 1h,
 * 5d, 1w). */
int postfix_time(const char *name, int64_t *us_r, struct err *);

/* A parameter that is a number. */
int postfix_number(const char *name, int64_t *n_r, struct err *);

/*
 * Call fn for each service for which master.cf sets a parameter, as
 * "submission/inet"; where is that with the parameter's name behind it. -1 and
 * err when that is too long.
 */
typedef void postfix_override_fn(
    void *arg, const char *where, const char *service, const char *value);
int postfix_overrides(
    const char *name, postfix_override_fn *, void *arg, struct err *);

/* The same for each service of master.cf and its command, as "smtpd -o ...". */
int postfix_services(postfix_override_fn *, void *arg, struct err *);

/*
 * Whether a service ("lmtp/unix"; "*" for any name: the first) sees the queue
 * directory as the root (master.cf).
 */
bool postfix_chrooted(const char *service);

/*
 * A socket that a service knows by this address, of len bytes: unix:PATH, with
 * the path where it really is, or inet:HOST:PORT. A new string.
 */
char *postfix_socket(const char *service, const char *address, size_t len);

/*
 * The next item of a list, and how long it is; NULL at the end. Commas and
 * blanks part items, but not within braces.
 */
const char *postfix_item(const char **at, size_t *len_r);

/* A milter in a list of them. */
struct postfix_milter {
	const char *address; /* unix:... or inet:..., and its len */
	size_t len;
	const char *action; /* its own default_action; NULL: the one for all */
};
typedef void postfix_milter_fn(void *arg, const struct postfix_milter *);

/*
 * Call fn for each milter in a value of smtpd_milters or non_smtpd_milters, or
 * in a table of smtpd_milter_maps that stands in main.cf itself (TYPE:{...}).
 */
void postfix_milters(const char *value, postfix_milter_fn *, void *arg);

/* Where a service finds a milter; false for what is no address. */
bool postfix_milter_at(const char *service, const struct postfix_milter *,
    struct socket_spec *spec_r);

/* Whether postmap(1) is there to look into tables. */
bool postfix_has_tables(void);

/*
 * Whether a table (TYPE:...) has the key, and what it says of it in *value_r
 * (initialised; NULL when that does not matter): 1 or 0. Asked in the queue
 * directory, as daemons do it, and by proxymap(8) if it says so. -1 and err,
 * with the table's name, where it does not answer.
 */
int postfix_lookup(
    const char *table, const char *key, struct buf *value_r, struct err *);

/* The same for a list of tables, up to the first that has the key. */
int postfix_lookup_first(
    const char *tables, const char *key, struct buf *value_r, struct err *);

/*
 * Whether a domain is in a list of main.cf: mydestination,
 * relay_domains, virtual_alias_domains or virtual_mailbox_domains. 1 or 0; -1
 * and err where a table or file does not answer that has to be asked first.
 */
int postfix_has_domain(const char *param, const char *domain, struct err *);

/* How many deliveries a rate keeps busy at one time when SES is far away, as far
 * as Postfix has processes for them; 1 where it has no limit. */
unsigned postfix_busy(double rate);

/*
 * The limits that keep what Postfix hands over at one time within rate x
 * within: 20 deliveries at once (Postfix's own default), or as many as
 * postfix_busy, of at most 50 recipients each.
 */
void postfix_limits(double rate, int64_t within_us, unsigned *concurrency_r,
    unsigned *recipients_r);

#endif
