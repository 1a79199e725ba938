/*
 * run: other programs, started without a shell.
 */
#ifndef CLI_RUN_H
#define CLI_RUN_H

#include <stdbool.h>

#include "core/buf.h"
#include "core/err.h"

/* Whether a program is in the PATH or in one of the system's directories. */
bool run_there(const char *program);

/*
 * Run argv (ended by NULL) and wait. Its standard output goes into out, when
 * that is not NULL, up to its ceiling. -1 and err (ERR_LOCAL) when it can't be
 * run or does not exit with 0; its own last words are in err. What goes on for
 * more than 20 seconds is killed (ERR_TIMEOUT).
 */
int run_program(const char *const argv[], struct buf *out, struct err *);

/*
 * The same for a program whose failure may be an answer, in a directory (NULL:
 * where we are): returns its exit status, and the last line of its standard
 * error in said, for the caller to free. -1 and err when it has none.
 */
int run_asked(const char *dir, const char *const argv[], struct buf *out,
    struct buf *said, struct err *);

#endif
