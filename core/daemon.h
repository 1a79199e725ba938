/*
 * daemon: how the programs that stay begin: -c FILE, -t, and where their log
 * goes.
 */
#ifndef CORE_DAEMON_H
#define CORE_DAEMON_H

#include "core/conf.h"

/*
 * Read options and configuration, and open the log under the program's name
 * where log.to says. needs is a set of conf_need. Ends the process where it
 * can't go on: 0 after -t with a good file, 1 for a bad one, 2 for wrong usage.
 */
struct conf *daemon_configure(const char *program, unsigned needs, int argc,
    char **argv);

#endif
