/* SPDX-License-Identifier: BSD-2-Clause */
#include "config.h"

#include "ses/credentials.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/mem.h"

static int
parse_line(char *line, struct credentials *c, const char *file, unsigned lineno,
    struct err *err)
{
	struct credential *one;
	char *colon;
	size_t end;

	line += strspn(line, " \t");
	end = strlen(line);
	while (end > 0 && strchr(" \t\r\n", line[end - 1]) != NULL)
		line[--end] = '\0';
	if (*line == '\0' || *line == '#')
		return 0;
	if (c->n == CREDENTIALS_MAX)
		return err_set(err, ERR_CONFIG,
		    "%s:%u: more than %d credentials", file, lineno,
		    CREDENTIALS_MAX);
	one = &c->items[c->n];
	colon = strchr(line, ':');
	if (colon == NULL || colon == line || colon[1] == '\0' ||
	    (size_t)(colon - line) >= sizeof(one->user) ||
	    strlen(colon + 1) >= sizeof(one->password))
		return err_set(err, ERR_CONFIG,
		    "%s:%u: a line must be USERNAME:PASSWORD, as SES shows "
		    "them for SMTP (postern smtp-password makes one)",
		    file, lineno);
	*colon = '\0';
	memcpy(one->user, line, strlen(line) + 1);
	memcpy(one->password, colon + 1, strlen(colon + 1) + 1);
	c->n++;
	return 0;
}

static int
read_lines(FILE *f, const char *file, struct credentials *c, struct err *err)
{
	char line[512];
	unsigned lineno = 0;
	int rc = 0;

	while (rc == 0 && fgets(line, sizeof(line), f) != NULL) {
		lineno++;
		if (strchr(line, '\n') == NULL && !feof(f))
			rc = err_set(err, ERR_CONFIG, "%s:%u: line too long",
			    file, lineno);
		else
			rc = parse_line(line, c, file, lineno, err);
	}
	mem_wipe(line, sizeof(line));
	if (rc == 0 && ferror(f))
		rc = err_sys(err, ERR_LOCAL, errno, "%s", file);
	if (rc == 0 && c->n == 0)
		rc = err_set(err, ERR_CONFIG,
		    "%s: no credentials in it; a line must be "
		    "USERNAME:PASSWORD", file);
	return rc;
}

int
credentials_load(const char *file, struct credentials *c, struct err *err)
{
	struct stat st;
	FILE *f;
	int fd, rc;

	c->n = 0;
	fd = open(file, O_RDONLY | O_CLOEXEC);
	if (fd == -1)
		return err_sys(err, ERR_CONFIG, errno, "%s", file);
	if (fstat(fd, &st) == -1 || (f = fdopen(fd, "r")) == NULL) {
		rc = err_sys(err, ERR_LOCAL, errno, "%s", file);
		(void)close(fd);
		return rc;
	}
	if ((st.st_mode & (S_IRWXG | S_IRWXO)) != 0)
		rc = err_set(err, ERR_CONFIG,
		    "%s: others may access it (mode %03o); chmod 600 %s", file,
		    (unsigned)st.st_mode & 0777, file);
	else
		rc = read_lines(f, file, c, err);
	(void)fclose(f);
	if (rc == -1)
		credentials_wipe(c);
	return rc;
}

void
credentials_wipe(struct credentials *c)
{
	mem_wipe(c, sizeof(*c));
}
