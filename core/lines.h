/*
 * lines: files of one entry a line, as operators write them.
 */
#ifndef CORE_LINES_H
#define CORE_LINES_H

#include <stddef.h>

#include "core/err.h"

/*
 * Call fn for each line of a file that has something on it, without blanks
 * around it and without its comment: # begins one at the start of a line or
 * after a blank. fn may write into the line; it returns -1 with err to stop,
 * which then is ERR_CONFIG and names file and line. 0; -1 and err also when the
 * file can't be read (ERR_LOCAL).
 */
typedef int lines_fn(void *arg, char *line, size_t number, struct err *);
int lines_read(const char *file, lines_fn *, void *arg, struct err *);

#endif
