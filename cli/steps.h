/*
 * steps: what `postern init` sees to, one thing at a time.
 *
 * Each call looks first, and changes only what is not as it should be; in a dry
 * run it only tells. What was found or done is a row of the report. Content
 * that is there already is never touched.
 */
#ifndef CLI_STEPS_H
#define CLI_STEPS_H

#include <sys/types.h>

#include <stdbool.h>

#include "cli/output.h"

struct steps {
	bool dry_run;
	bool failed; /* a step could not be done */
	struct table *report;
};

void steps_init(struct steps *, bool dry_run);
void steps_free(struct steps *);

/* One of groupadd and useradd (Linux), pw (FreeBSD), addgroup and adduser
 * (busybox) does it. */
void steps_group(struct steps *, const char *group);
void steps_user(
    struct steps *, const char *user, const char *group, const char *home);
void steps_member(struct steps *, const char *user, const char *group);

/* Made with its parents; mode and owner are set right where they differ.
 * Symbolic links are refused. */
void steps_dir(struct steps *, const char *path, mode_t, const char *user,
    const char *group);

/* Made when there is none. */
void steps_file(struct steps *, const char *path, mode_t, const char *user,
    const char *group, const char *content);

#endif
