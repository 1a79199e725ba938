/* SPDX-License-Identifier: BSD-2-Clause */
#include "config.h"

#include "cli/keeper.h"

#include <string.h>
#include <unistd.h>

#include "cli/control.h"
#include "core/log.h"
#include "store/place.h"

#define ANSWER_MAX_BYTES 65536
#define WAIT_US (30 * US_PER_SEC)

int
keeper_open(struct keeper *k, const struct conf *conf, struct err *err)
{
	struct err asking;
	struct buf answer;
	int rc;

	memset(k, 0, sizeof(*k));
	k->conf = conf;
	k->alone_fd = -1;
	(void)who_am_i(k->who);
	/*
	 * What the journal has to tell its operators is not for this terminal.
	 */
	log_open("postern", LOG_TO_SYSLOG);
	if (journal_open(conf->store.path, false, "postern", &k->journal,
		err) == 0)
		return 0;
	k->journal = NULL;
	buf_init(&answer, ANSWER_MAX_BYTES);
	rc = control_op(conf, "status", WAIT_US, &answer, &asking);
	buf_free(&answer);
	if (rc == -1 && err->class == ERR_STATE)
		*err = asking;
	return rc;
}

void
keeper_close(struct keeper *k)
{
	journal_close(k->journal);
	k->journal = NULL;
	if (k->alone_fd != -1)
		(void)close(k->alone_fd);
	k->alone_fd = -1;
}

int
keeper_alone(struct keeper *k, struct err *err)
{
	return store_lock_keeping(k->conf->store.path, &k->alone_fd, err);
}

int
keeper_run(struct keeper *k, struct cli *cli, const struct conf *conf,
    int (*job)(void *arg, struct err *), void *arg, enum cli_exit *status_r)
{
	struct err err;
	int rc;

	*status_r = CLI_DONE;
	if (keeper_open(k, conf, &err) == -1) {
		*status_r = cli_fail(cli, &err);
		return -1;
	}
	rc = keeper_alone(k, &err);
	if (rc == 0)
		rc = job(arg, &err);
	keeper_close(k);
	if (rc == -1) {
		(void)cli_fail(cli, &err);
		*status_r = err.class == ERR_STATE || err.class == ERR_POLICY
		    ? CLI_WRONG
		    : CLI_NOT_THERE;
	}
	return rc;
}

int64_t
keeper_deadline(void)
{
	return clock_mono_us() + WAIT_US;
}

int
keeper_ask(struct keeper *k, struct buf *request, struct buf *answer,
    struct err *err)
{
	int rc;

	rc = request->overflow
	    ? err_set(err, ERR_POLICY, "too long a request")
	    : control_ask(
		  k->conf, request->data, CONTROL_WITHIN_US, answer, err);
	buf_reset(request);
	return rc;
}
