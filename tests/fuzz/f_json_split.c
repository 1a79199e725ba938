/* SPDX-License-Identifier: BSD-2-Clause */
#include "config.h"

#include <assert.h>
#include <stdint.h>
#include <string.h>

#include "core/json_split.h"

/*
 * Whatever comes, in whatever portions: pieces lie in the stream where they say,
 * in order, whole values do not overlap and are within their bound, and a
 * record on a line of its own at the end is found.
 */
#define MAX 64

int LLVMFuzzerTestOneInput(const uint8_t *, size_t);

static const char last[] = "\n{\"l\":1}";

struct seen {
	const uint8_t *bytes;
	size_t len;
	uint64_t end; /* of the last whole value */
	uint64_t sum; /* of all that was told */
	int found;
};

static int
see(void *arg, const struct json_piece *p)
{
	struct seen *seen = arg;

	seen->sum = seen->sum * 31 + (uint64_t)p->kind + p->offset * 7 +
	    p->len * 3 + p->line;
	if (p->kind != JSON_PIECE_VALUE)
		return 0;
	assert(p->len >= 2 && p->len <= MAX);
	assert(p->offset >= seen->end);
	seen->end = p->offset + p->len;
	assert(seen->end <= seen->len + sizeof(last) - 1);
	if (seen->end <= seen->len)
		assert(memcmp(seen->bytes + p->offset, p->data, p->len) == 0);
	seen->found |= p->offset == seen->len + 1;
	return 0;
}

static struct seen
split(const uint8_t *bytes, size_t len, size_t step)
{
	struct seen seen = { .bytes = bytes, .len = len };
	struct json_split *s = json_split_new(MAX);
	size_t n;

	for (size_t i = 0; i < len; i += n) {
		n = step < len - i ? step : len - i;
		(void)json_split_feed(s, bytes + i, n, see, &seen);
	}
	(void)json_split_feed(s, last, sizeof(last) - 1, see, &seen);
	(void)json_split_end(s, see, &seen);
	json_split_free(s);
	return seen;
}

int
LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
	struct seen whole = split(bytes, len, len + 1);
	struct seen small = split(bytes, len, 1 + len / 7);

	assert(whole.sum == small.sum);
	/* Only what is too long may take it along. */
	if (len + sizeof(last) <= MAX)
		assert(whole.found);
	return 0;
}
