/*
 * conf: the configuration in force, postern.conf(5).
 *
 * One table in conf_table.c drives parsing, defaults, checks, `postern check
 * --dump` and the test of the manual page. A struct conf is never changed after
 * conf_load: a reload builds a new one, and whoever uses the old one holds a
 * reference.
 */
#ifndef CORE_CONF_H
#define CORE_CONF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "core/err.h"

#define CONF_DEFAULT_FILE SYSCONFDIR "/postern/postern.conf"
#define CONF_UNLIMITED (-1)

enum conf_tls { CONF_TLS_AUTO, CONF_TLS_STARTTLS, CONF_TLS_WRAPPER };
enum conf_dkim { CONF_DKIM_DROP, CONF_DKIM_KEEP };
enum conf_default {
	CONF_DEFAULT_REJECT,
	CONF_DEFAULT_DEFER,
	CONF_DEFAULT_SRS,
	CONF_DEFAULT_FIXED
};
enum conf_doubtful { CONF_DOUBTFUL_RESEND, CONF_DOUBTFUL_HOLD };
enum conf_log { CONF_LOG_AUTO, CONF_LOG_SYSLOG, CONF_LOG_STDERR };

struct conf_list {
	char **items;
	size_t n;
};

/* Times in microseconds, sizes in bytes. */
struct conf {
	struct {
		char *user;
		char *control;
		char *alarm_command; /* "" for none */
	} daemon;
	struct {
		struct conf_list endpoint; /* HOST:PORT, as written */
		enum conf_tls tls;
		char *credentials;
		char *ca_file; /* "" for the system's */
		char *region;  /* never empty after conf_load for a program that needs ses */
		int64_t connections;
		int64_t messages_per_connection;
		char *configuration_set; /* "" for none */
		struct conf_list message_tags; /* k=v */
		struct conf_list allow_headers;
		enum conf_dkim dkim_signature;
		int64_t connect_timeout;
		int64_t command_timeout;
		int64_t data_timeout;
		int64_t idle_timeout;
	} ses;
	struct {
		double rate;   /* recipients a second, or CONF_UNLIMITED */
		int64_t daily; /* recipients a window, or CONF_UNLIMITED */
		int64_t daily_window;
	} quota;
	struct {
		char *file; /* "" for none: nothing is refused as unverified */
		bool sandbox;
	} identities;
	struct {
		char *senders; /* "" for no table */
		char *dflt_text;	/* rewrite.default as written */
		enum conf_default dflt; /* and what it says, */
		const char *fixed; /* with the address after "fixed:" or NULL */
		char *null_sender; /* "" for the built-in rule */
		char *srs_domain;  /* "" for the first verified domain */
		char *secret;	   /* "" for none; never when dflt is srs */
	} rewrite;
	struct {
		struct conf_list listen;
		struct conf_list allow;
		int64_t answer_within;
		int64_t max_sessions;
		int64_t max_message_size;
		int64_t max_recipients;
		int64_t command_timeout;
	} lmtp;
	struct {
		char *path;
		int64_t repeat_window;
		enum conf_doubtful doubtful;
	} store;
	struct {
		struct conf_list suppress; /* bounce, complaint */
	} events;
	struct {
		char *listen; /* as an item of lmtp.listen */
		char *socketmap;
	} milter;
	struct {
		enum conf_log to;
	} log;
	char *file;    /* where it was read from */
	unsigned refs; /* see conf_hold */
};

/*
 * Sections that a program can't do without (an unset required key in one is an
 * error).
 */
enum conf_need { CONF_NEED_SES = 1, CONF_NEED_LMTP = 2, CONF_NEED_STORE = 4 };

/*
 * Read and check a file. NULL and err (ERR_CONFIG) naming file, line, key and
 * what would be right, or ERR_LOCAL when the file can't be read. The result has
 * one reference.
 */
struct conf *conf_load(const char *file, unsigned need, struct err *);

/* References, from any thread; the last conf_release frees. */
struct conf *conf_hold(struct conf *);
void conf_release(struct conf *);

/*
 * The configuration in force: set swaps it (and keeps a reference of its own),
 * get returns a new reference. The only global state.
 */
void conf_set_current(struct conf *);
struct conf *conf_current(void);

/*
 * Names ("section.key") of keys that differ between two configurations and take
 * effect only at a restart, at most max of them; returns how many.
 */
size_t conf_restart_keys(const struct conf *old, const struct conf *new,
    const char *names_r[], size_t max);

/* Every key as `section.key = value`, a line each, readable by people. */
void conf_dump(const struct conf *, FILE *);

/*
 * For each key: name, default in words, and help. Returns false past the end.
 */
bool conf_describe(size_t i, const char **section_r, const char **key_r,
    const char **default_r, const char **help_r);

/* Values as written in the file: "90s", "10d", "40M", for messages. */
int conf_parse_duration(const char *, int64_t *us_r);
int conf_parse_size(const char *, int64_t *bytes_r);

#endif
