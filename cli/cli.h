/*
 * cli: what the verbs of postern(1) share: options, exit codes, the
 * configuration.
 *
 * A group of verbs is a file that exports its struct verb; main.c lists them. A
 * verb takes its options with cli_options, writes through cli->out, and returns
 * an exit code.
 */
#ifndef CLI_CLI_H
#define CLI_CLI_H

#include <stdbool.h>

#include "cli/output.h"
#include "core/conf.h"
#include "core/err.h"

enum cli_exit {
	CLI_DONE = 0,
	CLI_WRONG = 1, /* something wrong was found, or not done */
	CLI_USAGE = 2,
	CLI_NOT_THERE = 3, /* what it needs can't be reached */
	CLI_TRY_AGAIN = 75 /* EX_TEMPFAIL of sysexits(3), for mail servers */
};

struct cli {
	const char *conf_file;
	const struct verb *verb;
	struct output out;
	bool help; /* --help was given */
};

struct verb {
	const char *name;
	const char *summary; /* a line in the list of verbs */
	const char *usage;   /* what follows "postern [-c FILE] ", then a text;
				ends in a line end */
	bool gives_way; /* to mail, on a busy host: it reads much, and mail
			   that flows waits for nothing that it holds */
	enum cli_exit (*run)(struct cli *, int argc, char **argv);
};

/*
 * Options of a verb, ended by one without a name and a letter. A flag has its
 * bool in flag; with value the option takes an argument. Besides these every
 * verb knows -c, --json and --help.
 */
struct cli_option {
	char letter;	  /* or 0 */
	const char *name; /* without the dashes, or NULL */
	bool *flag;
	const char **value;
};

/*
 * Take the options out of argv (argv[0] is the verb); what remains are *argc -
 * 1 operands. False when there is nothing more to do: help was wanted or
 * something was wrong, all of it said, and *exit_r set.
 */
bool cli_options(struct cli *, const struct cli_option *, int *argc,
    char **argv, enum cli_exit *exit_r);

/* The same for the options that stand before the verb: stops at the first
 * operand. */
bool cli_global_options(struct cli *, int *argc, char **argv,
    const struct cli_option *, enum cli_exit *exit_r);

/* Say on stderr what is wrong with the command line; returns CLI_USAGE. */
enum cli_exit cli_usage(const struct cli *, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

/* A time in the past that an option gave, as when_parse reads it; NULL leaves
 * *us_r as it is. -1 when it is none, and that has been said. */
int cli_time(const struct cli *, const char *option, const char *text,
    int64_t *us_r);

/* The same for --since and --until, where a period that ends before it begins
 * is none. */
int cli_period(const struct cli *, const char *since, const char *until,
    int64_t *since_us, int64_t *until_us);

/* Say on stderr what went wrong; CLI_WRONG for ERR_CONFIG and ERR_POLICY,
 * otherwise CLI_NOT_THERE. */
enum cli_exit cli_fail(const struct cli *, const struct err *);

/* The same with words for who is not let in, where being root is no cure. */
enum cli_exit cli_fail_closed(
    const struct cli *, const struct err *, const char *words);

/* Load the configuration, or say why not and set *exit_r. */
struct conf *cli_conf(struct cli *, unsigned need, enum cli_exit *exit_r);

extern const struct verb verb_check;
extern const struct verb verb_events;
extern const struct verb verb_forget;
extern const struct verb verb_identities;
extern const struct verb verb_init;
extern const struct verb verb_log;
extern const struct verb verb_metrics;
extern const struct verb verb_prune;
extern const struct verb verb_quota;
extern const struct verb verb_report;
extern const struct verb verb_rewrite;
extern const struct verb verb_show;
extern const struct verb verb_smtp_password;
extern const struct verb verb_snapshot;
extern const struct verb verb_srs;
extern const struct verb verb_status;
extern const struct verb verb_suppress;
extern const struct verb verb_verify;

#endif
