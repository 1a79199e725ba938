/* SPDX-License-Identifier: BSD-2-Clause */
#include "config.h"

#include "milter/filter.h"

#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/clock.h"
#include "core/hostname.h"
#include "core/log.h"
#include "core/mem.h"
#include "core/socket.h"
#include "core/thread.h"
#include "identity/origin.h"
#include "milter/apply.h"
#include "milter/current.h"
#include "milter/submission.h"

/* What of the MTA's talk the milter can do without. */
#define LESS_TALK \
	(SMFIP_NOHELO | SMFIP_NORCPT | SMFIP_NODATA | SMFIP_NOEOH | \
	    SMFIP_NOBODY | SMFIP_NOUNKNOWN)
/* Callbacks that the MTA need not wait for; where it can't but wait, libmilter
 * answers by itself. */
#define LESS_WAITING (SMFIP_NR_CONN | SMFIP_NR_MAIL | SMFIP_NR_HDR)

/*
 * At the end, for the last word on the last message: libmilter sends it once
 * the callback has returned, and does not tell when it has.
 */
#define LAST_WORD_US (200 * US_PER_MS)

/* Descriptors of a program that has just begun. */
#define FIRST_FDS 64

struct connection {
	char *host;	  /* the MTA's own name, macro j */
	char client[128]; /* NAME [ADDRESS] of who submits */
	struct submission *mail; /* NULL between messages */
};

static struct {
	void (*ended)(void);
	struct socket_spec socket;
	char address[300];
	pthread_mutex_t lock;
	pthread_cond_t idle;
	unsigned mails; /* under way */
	bool stopping;
} filter;

static void
count_mail(int n)
{
	(void)pthread_mutex_lock(&filter.lock);
	filter.mails += (unsigned)n;
	if (filter.mails == 0)
		(void)pthread_cond_broadcast(&filter.idle);
	(void)pthread_mutex_unlock(&filter.lock);
}

static bool
is_stopping(void)
{
	bool stopping;

	(void)pthread_mutex_lock(&filter.lock);
	stopping = filter.stopping;
	(void)pthread_mutex_unlock(&filter.lock);
	return stopping;
}

static void
end_mail(struct connection *c)
{
	if (c->mail == NULL)
		return;
	submission_free(c->mail);
	c->mail = NULL;
	count_mail(-1);
}

static const char *
macro(SMFICTX *ctx, const char *name)
{
	char copy[32];

	(void)snprintf(copy, sizeof(copy), "%s", name);
	return smfi_getsymval(ctx, copy);
}

/*
 * What is kept for a connection: made when it is asked for first, since libmilter
 * takes a MAIL from a peer that never said who connected.
 */
static struct connection *
connection(SMFICTX *ctx)
{
	struct connection *c = smfi_getpriv(ctx);
	char own[HOSTNAME_SIZE];

	if (c == NULL) {
		c = mem_new(sizeof(*c));
		c->host = mem_strdup(hostname(own));
		(void)snprintf(c->client, sizeof(c->client), "?");
		(void)smfi_setpriv(ctx, c);
	}
	return c;
}

static void
want_macros(SMFICTX *ctx, int stage, const char *names)
{
	char copy[80];

	(void)snprintf(copy, sizeof(copy), "%s", names);
	(void)smfi_setsymlist(ctx, stage, copy);
}

static sfsistat
negotiate(SMFICTX *ctx, unsigned long actions, unsigned long protocol,
    unsigned long f2, unsigned long f3, unsigned long *actions_r,
    unsigned long *protocol_r, unsigned long *f2_r, unsigned long *f3_r)
{
	(void)f2;
	(void)f3;
	if (is_stopping())
		return SMFIS_REJECT;
	if ((actions & APPLY_ACTIONS) != APPLY_ACTIONS) {
		log_error(NULL, "unfit-mta", "reason",
		    "it does not let a milter change the sender", "cure",
		    "Postfix 2.6 or Sendmail 8.14, or a later one");
		return SMFIS_REJECT;
	}
	*actions_r = APPLY_ACTIONS | (actions & SMFIF_SETSYMLIST);
	*protocol_r = protocol & (LESS_TALK | LESS_WAITING);
	*f2_r = 0;
	*f3_r = 0;
	if ((actions & SMFIF_SETSYMLIST) != 0) {
		want_macros(ctx, SMFIM_CONNECT, "j");
		/* Sendmail has the queue id at MAIL and sends it only there,
		 * Postfix has it later. */
		want_macros(ctx, SMFIM_ENVFROM, "i {auth_authen} {mail_addr}");
		want_macros(ctx, SMFIM_EOM, "i");
	}
	return SMFIS_CONTINUE;
}

static sfsistat
connected(SMFICTX *ctx, char *name, struct sockaddr *addr)
{
	struct connection *c = connection(ctx);
	char number[64] = "?";
	const char *j = macro(ctx, "j");
	socklen_t len = addr == NULL ? 0 :
	    addr->sa_family == AF_INET6 ? sizeof(struct sockaddr_in6) :
					  sizeof(struct sockaddr_in);

	if (addr != NULL && addr->sa_family == AF_UNIX)
		(void)snprintf(number, sizeof(number), "local");
	else if (addr != NULL)
		(void)getnameinfo(addr, len, number, sizeof(number), NULL, 0,
		    NI_NUMERICHOST);
	/* Of a client without a name Sendmail and Postfix give the address. */
	if (name == NULL || *name == '[')
		(void)snprintf(c->client, sizeof(c->client), "[%s]", number);
	else
		(void)snprintf(c->client, sizeof(c->client), "%.60s [%s]",
		    name, number);
	if (j != NULL) {
		free(c->host);
		c->host = mem_strdup(j);
	}
	return SMFIS_NOREPLY;
}

static sfsistat
mail_from(SMFICTX *ctx, char **args)
{
	struct connection *c = connection(ctx);

	end_mail(c);
	c->mail = submission_new(args[0], macro(ctx, "{mail_addr}"));
	count_mail(1);
	return SMFIS_NOREPLY;
}

static sfsistat
field(SMFICTX *ctx, char *name, char *value)
{
	struct connection *c = connection(ctx);

	if (c->mail != NULL)
		submission_field(c->mail, name, value);
	return SMFIS_NOREPLY;
}

static int
add_origin(SMFICTX *ctx, struct connection *c, const char *id,
    const struct secret *secret, const struct submission_outcome *o)
{
	const char *user = macro(ctx, "{auth_authen}");
	struct origin origin = { .wall_us = clock_wall_us() };

	if (secret == NULL)
		return 0;
	submission_origin(c->mail, o, &origin);
	origin_text(origin.user, user != NULL ? user : "");
	origin_text(origin.client, c->client);
	return apply_origin(ctx, secret, &origin, id);
}

static void
log_change(struct connection *c, const char *id,
    const struct submission_outcome *o)
{
	struct buf from;

	if (!o->new_sender && !o->fields.from_replaced &&
	    !o->fields.sender_replaced)
		return;
	buf_init(&from, 1000);
	submission_from(c->mail, &from);
	log_info(id, "rewritten", "sender", submission_sender(c->mail), "to",
	    o->new_sender ? o->sender.text : NULL, "why",
	    o->new_sender ? o->why : NULL, "from",
	    o->fields.from_replaced ? from.data : NULL, "client", c->client);
	buf_free(&from);
}

static sfsistat
judge(SMFICTX *ctx, struct connection *c, const struct rewrite_rules *rules)
{
	const char *id = macro(ctx, "i");
	struct submission_outcome o;
	sfsistat rc = SMFIS_CONTINUE;

	submission_judge(c->mail, rules, clock_wall_us(), &o);
	if (o.code != 0) {
		rc = apply_refusal(ctx, &o);
		log_info(id, o.code < 500 ? "deferred" : "refused", "sender",
		    submission_sender(c->mail), "client", c->client, "reply",
		    o.text);
	} else if (apply_outcome(ctx, &o) == -1 ||
	    add_origin(ctx, c, id, rules->secret, &o) == -1) {
		rc = SMFIS_TEMPFAIL;
		log_error(id, "not-changed", "reason",
		    "the MTA does not take the change");
	} else {
		log_change(c, id, &o);
	}
	submission_outcome_free(&o);
	return rc;
}

static sfsistat
end_of_message(SMFICTX *ctx)
{
	struct connection *c = connection(ctx);
	struct rewrite_rules rules;
	sfsistat rc;

	if (c->mail == NULL)
		return SMFIS_TEMPFAIL;
	current_get(c->host, &rules);
	rc = judge(ctx, c, &rules);
	rules_put(&rules);
	end_mail(c);
	return rc;
}

static sfsistat
aborted(SMFICTX *ctx)
{
	end_mail(connection(ctx));
	return SMFIS_CONTINUE;
}

/* May be the only callback ever called. */
static sfsistat
closed(SMFICTX *ctx)
{
	struct connection *c = smfi_getpriv(ctx);

	if (c == NULL)
		return SMFIS_CONTINUE;
	end_mail(c);
	free(c->host);
	free(c);
	(void)smfi_setpriv(ctx, NULL);
	return SMFIS_CONTINUE;
}

static int
open_socket(const char *conn, struct err *err)
{
	char *copy = mem_strdup(conn);
	int rc = MI_FAILURE;

	if (smfi_setconn(copy) == MI_SUCCESS)
		rc = smfi_opensocket(false);
	free(copy);
	return rc == MI_SUCCESS ? 0 : err_set(err, ERR_CONFIG,
	    "libmilter can't listen there, and has told syslog why");
}

static int
open_unix(void *arg, const struct sockaddr_un *un, struct err *err)
{
	char conn[sizeof(un->sun_path) + 8];

	(void)arg;
	(void)snprintf(conn, sizeof(conn), "unix:%s", un->sun_path);
	(void)snprintf(filter.address, sizeof(filter.address), "%s", conn);
	return open_socket(conn, err);
}

/*
 * At the end of a message several small packets are written, and the second
 * would wait for the peer's delayed acknowledgement, 40 ms. libmilter keeps its
 * socket to itself; but it is the only one that listens by now, and what is
 * accepted from it inherits the option.
 */
static void
send_at_once(void)
{
	int yes, one = 1;
	socklen_t len;

	for (int fd = 0; fd < FIRST_FDS; fd++) {
		len = sizeof(yes);
		if (getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &yes,
			&len) == 0 && yes != 0)
			(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one,
			    sizeof(one));
	}
}

/* libmilter writes PORT@HOST, and has a name of its own for IPv6. */
static int
open_inet(const struct socket_spec *spec, struct err *err)
{
	char conn[sizeof(spec->host) + sizeof(spec->port) + 16];
	bool v6 = strchr(spec->host, ':') != NULL;

	(void)snprintf(conn, sizeof(conn), v6 ? "inet6:%s@[%s]" : "inet:%s@%s",
	    spec->port, spec->host);
	(void)snprintf(filter.address, sizeof(filter.address),
	    v6 ? "inet:[%s]:%s" : "inet:%s:%s", spec->host, spec->port);
	if (open_socket(conn, err) == -1)
		return -1;
	send_at_once();
	return 0;
}

int
filter_bind(const char *spec, struct err *err)
{
	static char name[] = "postern-milter";
	static const struct smfiDesc desc = {
		.xxfi_name = name,
		.xxfi_version = SMFI_VERSION,
		.xxfi_flags = APPLY_ACTIONS | SMFIF_SETSYMLIST,
		.xxfi_connect = connected,
		.xxfi_envfrom = mail_from,
		.xxfi_header = field,
		.xxfi_eom = end_of_message,
		.xxfi_abort = aborted,
		.xxfi_close = closed,
		.xxfi_negotiate = negotiate,
	};

	(void)pthread_mutex_init(&filter.lock, NULL);
	clock_cond_init(&filter.idle);
	if (smfi_register(desc) != MI_SUCCESS)
		return err_set(err, ERR_LOCAL,
		    "libmilter is older than 8.14, or not what it was when "
		    "this was built");
	if (socket_spec(spec, &filter.socket, err) == -1)
		return -1;
	if (filter.socket.is_unix)
		return socket_bind_unix(&filter.socket, open_unix, NULL, err);
	return open_inet(&filter.socket, err);
}

const char *
filter_address(void)
{
	return filter.address;
}

static void *
filter_main(void *arg)
{
	(void)smfi_main();
	filter.ended();
	return arg;
}

int
filter_start(void (*ended)(void))
{
	filter.ended = ended;
	return thread_start(filter_main, NULL);
}

void
filter_unlink(void)
{
	if (filter.socket.is_unix)
		(void)unlink(filter.socket.path);
}

/*
 * Not by smfi_stop(), which takes seconds until libmilter has looked up from its
 * socket.
 */
unsigned
filter_stop(int64_t deadline_us)
{
	unsigned left;

	filter_unlink();
	(void)pthread_mutex_lock(&filter.lock);
	filter.stopping = true;
	while (filter.mails > 0)
		if (clock_cond_wait(&filter.idle, &filter.lock,
			deadline_us) == -1)
			break;
	left = filter.mails;
	(void)pthread_mutex_unlock(&filter.lock);
	clock_sleep_until(clock_mono_us() + LAST_WORD_US);
	return left;
}
