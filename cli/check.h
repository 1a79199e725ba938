/*
 * check: the findings of `postern check`, and the parts that make them.
 *
 * Each part looks at one area and says what it found. A finding that is not
 * fine has words that name its cause, and a cure. Nothing is sent and nothing
 * changed.
 */
#ifndef CLI_CHECK_H
#define CLI_CHECK_H

#include <sys/types.h>

#include <pwd.h>
#include <stdbool.h>

#include "cli/cli.h"

struct check {
	struct cli *cli;
	struct conf *conf;
	const char *area; /* of the findings that follow */
	bool area_shown;
	bool running; /* posternd is there; known after check_sockets */
	bool postfix; /* tells its settings; known after check_mta */
	unsigned warnings, wrong;
	struct buf json; /* findings so far */
};

/* Begin an area; its name is the heading. */
void check_area(struct check *, const char *area);

void check_fine(struct check *, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));
/* Works, but an operator should know. */
void check_warn(struct check *, const char *cure, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
void check_wrong(struct check *, const char *cure, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

/* The parts, in the order in which they run. */
void check_conf(struct check *);
void check_files(struct check *);
void check_identities(struct check *);
void check_rewrite(struct check *);
void check_sockets(struct check *);
void check_store(struct check *);
void check_mta(struct check *);
void check_milter(struct check *);
void check_world(struct check *);
void check_srs(struct check *);
void check_ses(struct check *);
void check_trouble(struct check *);

/*
 * Whether daemon.user may do that (R_OK, W_OK, X_OK) with a file; asked as that
 * user when we are root, otherwise as who we are. 0, or an errno value.
 */
int check_access(const struct check *, const char *path, int how);

/* The same for a certain user; only root may ask. */
int check_access_as(const struct passwd *, const char *path, int how);

/*
 * Whether Postfix's user may connect to the socket that the daemon makes at
 * path, as the key says; told when not. True as well where no socket is, or no
 * such user.
 */
bool check_door(struct check *, const char *path, const char *key,
    const char *daemon);

/* What to do where Postfix does not find postern-milter: known when it looks
 * where ours is to listen. */
const char *check_door_cure(bool known);

/*
 * Whether we, not being root, may not try a socket or not even see it; told, as
 * no permission to look whether what (words) answers.
 */
bool check_hidden(struct check *, const char *path, const char *what);

/* A table or file of that parameter of Postfix does not answer, as err says. */
void check_unanswered(struct check *, const char *param, const struct err *);

/* What to do about what SES has against the account, in its own words. */
const char *check_account_cure(const char *words);

/* What to do about what posternd has in trouble: a breaker's name and cause. */
const char *check_trouble_cure(const char *what, const char *cause);

/* A file that must be ours alone to write and the daemons' to read. */
void check_file(struct check *, const char *path);

/*
 * The file that a key names can't be used, as err says: what is in it (cure:
 * mend), that it is not there (cure: make), or that we are not let in.
 */
void check_unread(struct check *, const char *key, const struct err *,
    const char *mend, const char *make);

/* Who that was, for words. */
const char *check_user(const struct check *);

#endif
