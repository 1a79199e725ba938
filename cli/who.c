/* SPDX-License-Identifier: BSD-2-Clause */
#include "config.h"

#include "cli/who.h"

#include <pwd.h>
#include <stdio.h>
#include <unistd.h>

const char *
who_am_i(char text[WHO_LEN])
{
	struct passwd pw, *found = NULL;
	char room[2048];

	if (getpwuid_r(getuid(), &pw, room, sizeof(room), &found) == 0 &&
	    found != NULL)
		(void)snprintf(text, WHO_LEN, "%s (uid %lu)", pw.pw_name,
		    (unsigned long)getuid());
	else
		(void)snprintf(
		    text, WHO_LEN, "uid %lu", (unsigned long)getuid());
	return text;
}
