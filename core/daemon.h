/*
 * daemon: how the programs that stay begin: -c FILE, -t, and where their log
 * goes.
 */
#ifndef CORE_DAEMON_H
#define CORE_DAEMON_H

#include "core/conf.h"

/* What the configuration names, read as at a start, for -t. 0, or -1 and err. */
typedef int daemon_test_fn(struct conf *, struct err *);

/*
 * Read options and configuration, and open the log under the program's name
 * where log.to says. needs is a set of conf_need. Ends the process where it
 * can't go on: 0 after -t with good files, 1 for bad ones, 2 for wrong usage.
 */
struct conf *daemon_configure(const char *program, unsigned needs,
    daemon_test_fn *, int argc, char **argv);

#endif
