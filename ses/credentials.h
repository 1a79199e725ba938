/*
 * credentials: SMTP user names and passwords for SES, from a file that only
 * we may read.
 */
#ifndef SES_CREDENTIALS_H
#define SES_CREDENTIALS_H

#include <stddef.h>

#include "core/err.h"

#define CREDENTIALS_MAX 8

struct credential {
	char user[128];
	char password[128];
};

struct credentials {
	struct credential items[CREDENTIALS_MAX];
	size_t n;
};

/*
 * One USERNAME:PASSWORD a line, # comments. ERR_CONFIG (file and line) for
 * anything else, for an empty file, and when group or others may access it.
 */
int credentials_load(const char *file, struct credentials *, struct err *);

/* Overwrite the secrets. */
void credentials_wipe(struct credentials *);

#endif
