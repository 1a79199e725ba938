/*
 * width: how many columns a text takes on a terminal.
 */
#ifndef CLI_WIDTH_H
#define CLI_WIDTH_H

#include <stddef.h>

/* As output prints it: what is not printable is a "?". wcwidth(3) would ask
 * for a UTF-8 locale, which a daemon's or an auditor's need not be. */
size_t width(const char *);

#endif
