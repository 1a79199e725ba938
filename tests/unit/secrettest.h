/*
 * secrettest: a secret for tests that need one.
 */
#ifndef SECRETTEST_H
#define SECRETTEST_H

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "identity/secret.h"

/* From the lines of a file; NULL when they make none. */
static inline struct secret *
secret_of(const char *lines)
{
	char file[] = "/tmp/secrettest.XXXXXX";
	int fd = mkstemp(file);
	struct secret *s = NULL;
	struct err err;

	if (fd == -1)
		return NULL;
	if (write(fd, lines, strlen(lines)) == (ssize_t)strlen(lines))
		s = secret_load(file, &err);
	(void)close(fd);
	(void)unlink(file);
	return s;
}

#endif
