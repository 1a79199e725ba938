/* SPDX-License-Identifier: BSD-2-Clause */
#include "config.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/clock.h"
#include "identity/origin.h"

/*
 * sealorigin SECRET-FILE AGE-SECONDS QUEUE-ID ORIGINAL USER CLIENT SENDER FROM
 * MESSAGE-ID: the value of an X-Postern-Origin field as the milter would have
 * made it then, for tests of who reads it.
 */

int
main(int argc, char **argv)
{
	struct origin o = { .wall_us = clock_wall_us() };
	struct secret *secret;
	struct buf value;
	struct err err;

	if (argc != 10) {
		(void)fprintf(stderr, "usage: see sealorigin.c\n");
		return 2;
	}
	if ((secret = secret_load(argv[1], &err)) == NULL) {
		(void)fprintf(stderr, "%s\n", err.text);
		return 1;
	}
	o.wall_us -= strtoll(argv[2], NULL, 10) * US_PER_SEC;
	(void)snprintf(o.queue_id, sizeof(o.queue_id), "%s", argv[3]);
	origin_text(o.original, argv[4]);
	origin_text(o.user, argv[5]);
	origin_text(o.client, argv[6]);
	origin_mark(o.sender, argv[7]);
	origin_mark(o.from, argv[8]);
	origin_mark(o.message_id, argv[9]);
	buf_init(&value, 8192);
	if (origin_seal(secret, &o, &value) == -1)
		return 1;
	(void)puts(value.data);
	buf_free(&value);
	secret_release(secret);
	return fflush(stdout) == 0 ? 0 : 1;
}
