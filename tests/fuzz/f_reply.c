/* SPDX-License-Identifier: BSD-2-Clause */
#include "config.h"

#include <assert.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/clock.h"
#include "core/stream.h"
#include "ses/reply.h"

/*
 * Whatever a server says, in any phase: it is understood or refused, words that
 * go on into replies and logs are printable, and nothing is ever accepted
 * without a 250 at the dot.
 */

int LLVMFuzzerTestOneInput(const uint8_t *, size_t);

static void
check(const struct ses_result *r)
{
	assert(memchr(r->text, '\0', sizeof(r->text)) != NULL);
	assert(memchr(r->ses_id, '\0', sizeof(r->ses_id)) != NULL);
	for (const char *p = r->text; *p != '\0'; p++)
		assert((unsigned char)*p >= ' ' && *p != 0x7f);
	for (const char *p = r->ses_id; *p != '\0'; p++)
		assert((unsigned char)*p > ' ' && *p != 0x7f);
	if (r->class == SES_OK)
		assert(r->code / 100 == 2 || r->code / 100 == 3);
	(void)ses_class_name(r->class);
	(void)ses_phase_name(r->phase);
}

static void
read_replies(struct stream *stream)
{
	struct ses_reply reply;
	struct ses_result result;
	struct err err;

	while (ses_reply_read(stream, &reply, &err) == 0) {
		for (int p = SES_PHASE_CONNECT; p <= SES_PHASE_RSET; p++) {
			ses_reply_classify((enum ses_phase)p, &reply, &result);
			check(&result);
		}
	}
	for (int p = SES_PHASE_CONNECT; p <= SES_PHASE_RSET; p++) {
		ses_error_classify((enum ses_phase)p, &err, &result);
		check(&result);
		assert(result.class != SES_OK);
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
	struct stream *stream;
	int fds[2];

	/* What does not fit into the socket would block. */
	if (len > 16384 || socketpair(AF_UNIX, SOCK_STREAM, 0, fds) == -1)
		return 0;
	if (write(fds[1], bytes, len) == (ssize_t)len) {
		(void)close(fds[1]);
		stream = stream_new(fds[0]);
		stream_deadline(stream, clock_mono_us() + 5 * US_PER_SEC);
		read_replies(stream);
		stream_free(stream);
	} else {
		(void)close(fds[0]);
		(void)close(fds[1]);
	}
	return 0;
}
