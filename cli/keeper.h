/*
 * keeper: whoever writes the journal for us: ourselves with the store's lock
 * while posternd is down, else posternd.
 */
#ifndef CLI_KEEPER_H
#define CLI_KEEPER_H

#include "cli/cli.h"
#include "cli/who.h"
#include "core/buf.h"
#include "core/conf.h"
#include "core/err.h"
#include "store/journal.h"

struct keeper {
	const struct conf *conf;
	struct journal *journal; /* NULL: it is posternd */
	int alone_fd;		 /* -1: others may prune and erase */
	char who[WHO_LEN];
};

/* -1 and err when neither can be: why we can't, or what posternd says. */
int keeper_open(struct keeper *, const struct conf *, struct err *);
void keeper_close(struct keeper *);

/*
 * Be the only one who prunes or erases, until keeper_close. ERR_STATE with the
 * other's pid when there is one.
 */
int keeper_alone(struct keeper *, struct err *);

/*
 * Run job with the keeper open and alone, and close it: 0 or more from job, or
 * -1 when something failed, which was told, and *status_r says how to exit.
 */
int keeper_run(struct keeper *, struct cli *, const struct conf *,
    int (*job)(void *arg, struct err *), void *arg, enum cli_exit *status_r);

/* For what may take its turn in the journal: a clock_mono_us time. */
int64_t keeper_deadline(void);

/* Have posternd do it: as control_ask. The request is emptied. */
int keeper_ask(struct keeper *, struct buf *request, struct buf *answer,
    struct err *);

#endif
