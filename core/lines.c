/* SPDX-License-Identifier: BSD-2-Clause */
#include "config.h"

#include "core/lines.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Text without comment and blanks around it. A # inside an address is none. */
static char *
strip(char *line)
{
	char *end = line + strcspn(line, "\r\n");

	for (char *p = line; p < end; p++)
		if (*p == '#' && (p == line || p[-1] == ' ' || p[-1] == '\t'))
			end = p;
	while (*line == ' ' || *line == '\t')
		line++;
	while (end > line && (end[-1] == ' ' || end[-1] == '\t'))
		end--;
	if (end < line)
		end = line;
	*end = '\0';
	return line;
}

static int
read_all(FILE *fp, const char *file, lines_fn *fn, void *arg, struct err *err)
{
	char *line = NULL, *text;
	size_t cap = 0, number = 0;
	ssize_t len;
	int rc = 0;

	while (rc == 0 && (len = getline(&line, &cap, fp)) != -1) {
		number++;
		if (strlen(line) != (size_t)len)
			rc = err_set(err, ERR_CONFIG, "a NUL in the line");
		else if (*(text = strip(line)) != '\0')
			rc = fn(arg, text, number, err);
		if (rc == -1) {
			err->class = ERR_CONFIG;
			(void)err_context(err, "%s:%zu", file, number);
		}
	}
	if (rc == 0 && ferror(fp))
		rc = err_sys(err, ERR_LOCAL, errno, "read %s", file);
	free(line);
	return rc;
}

int
lines_read(const char *file, lines_fn *fn, void *arg, struct err *err)
{
	FILE *fp = fopen(file, "re");
	int rc;

	if (fp == NULL)
		return err_sys(err, ERR_LOCAL, errno, "open %s", file);
	rc = read_all(fp, file, fn, arg, err);
	(void)fclose(fp);
	return rc;
}
