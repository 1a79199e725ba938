/* SPDX-License-Identifier: BSD-2-Clause */
#include "config.h"

#include <assert.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "identity/secret.h"
#include "milter/lookup.h"

/*
 * What any client may say to the socketmap: requests one after the other, as
 * the server takes them, and the replies.
 */

int LLVMFuzzerTestOneInput(const uint8_t *, size_t);
int LLVMFuzzerInitialize(int *, char ***);

static struct secret *secret;
static struct verified *verified;

int
LLVMFuzzerInitialize(int *argc, char ***argv)
{
	char file[] = "/tmp/f_socketmap.XXXXXX";
	struct err err;
	int fd = mkstemp(file);

	(void)argc;
	(void)argv;
	assert(fd != -1);
	assert(write(fd, "a key for this target only\n", 27) == 27);
	(void)close(fd);
	secret = secret_load(file, &err);
	(void)unlink(file);
	verified = verified_load("", &err);
	assert(secret != NULL && verified != NULL);
	return 0;
}

/* A reply is one netstring, and one of the four. */
static void
check_reply(const struct buf *out, enum lookup_status status)
{
	char *text;
	unsigned long n = strtoul(out->data, &text, 10);

	assert(!out->overflow && *text++ == ':');
	assert(text + n + 1 == out->data + out->len && text[n] == ',');
	assert(strncmp(text, status == LOOKUP_OK	   ? "OK "
			   : status == LOOKUP_NOTFOUND ? "NOTFOUND "
			   : status == LOOKUP_TEMP	   ? "TEMP "
						       : "PERM ",
		   3) == 0);
}

static void
answer(const struct lookup *l)
{
	struct conf conf = { .rewrite.srs_domain = (char[]) { "example.com" } };
	struct rewrite_rules rules = { .conf = &conf, .verified = verified,
		.secret = secret };
	char why[LOOKUP_WHY];
	struct buf out;
	enum lookup_status status;

	buf_init(&out, LOOKUP_MAX);
	status = lookup_answer(l, &rules, INT64_C(1795330631000000), &out, why);
	check_reply(&out, status);
	assert(memchr(why, '\0', sizeof(why)) != NULL);
	buf_free(&out);
}

int
LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
	/* Bounds are found by the address sanitizer, so no NUL follows. */
	char *data = malloc(len > 0 ? len : 1), *p = data;
	struct lookup l;
	size_t used;

	memcpy(data, bytes, len);
	while (lookup_parse(p, len, &l, &used) == LOOKUP_READY) {
		assert(used > 0 && used <= len);
		assert(l.name >= p && l.key + l.key_len < p + used);
		answer(&l);
		p += used;
		len -= used;
	}
	free(data);
	return 0;
}
