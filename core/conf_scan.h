/*
 * conf_scan: a look at the configuration's text before libConfuse reads it.
 *
 * libConfuse lets some mistakes pass in silence (a missing closing brace, a
 * repeated section, bytes that fit no token) and puts environment variables
 * into values. What it would swallow is refused here, so that it is only ever
 * given text that means what it seems to mean.
 */
#ifndef CORE_CONF_SCAN_H
#define CORE_CONF_SCAN_H

#include <stddef.h>

#include "core/err.h"

/*
 * Called for each section as it opens (key empty) and for each key that is
 * given a value (section empty outside of sections). The names are not
 * NUL-terminated. Returns -1 and err to stop.
 */
struct conf_name {
	const char *text;
	size_t len;
};
typedef int conf_scan_fn(void *arg, const struct conf_name *section,
    const struct conf_name *key, unsigned line, struct err *);

/*
 * 0, with blanks in place of the comments; or -1 and err (ERR_CONFIG) with
 * *line_r naming the line that is wrong.
 */
int conf_scan(char *text, size_t len, conf_scan_fn *, void *arg,
    unsigned *line_r, struct err *);

#endif
