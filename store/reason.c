/* SPDX-License-Identifier: BSD-2-Clause */
#include "config.h"

#include "store/reason.h"

#include <stdlib.h>
#include <string.h>

#include "store/record_party.h"

#define THIS "this address"
#define SOME "an address"

/* By placeholder, without the number that recipients have. */
static const struct {
	const char *role, *words;
} marks[] = {
	{ "recipient", THIS },
	{ "address", SOME },
	{ "sender", SOME },
	{ "rewritten", SOME },
	{ "original", SOME },
	{ "from", SOME },
	{ "user", SOME },
	{ "client", SOME },
};

/* NULL when what stands between the braces is no placeholder. */
static const char *
words_for(const char *mark, size_t len)
{
	size_t role;

	for (size_t i = 0; i < sizeof(marks) / sizeof(marks[0]); i++) {
		role = strlen(marks[i].role);
		if (len < role || memcmp(mark, marks[i].role, role) != 0)
			continue;
		if (len == role ||
		    (mark[role] == ':' &&
			role + 1 + strspn(mark + role + 1, "0123456789") ==
			    len))
			return marks[i].words;
	}
	return NULL;
}

char *
reason_neutral(const char *text)
{
	const char *open, *close, *words;
	struct buf out;

	if (text == NULL)
		return NULL;
	buf_init(&out, 4 * strlen(text) + 1);
	while ((open = strchr(text, '{')) != NULL &&
	       (close = strchr(open, '}')) != NULL) {
		words = words_for(open + 1, (size_t)(close - open - 1));
		if (words == NULL) {
			buf_add(&out, text, (size_t)(open - text) + 1);
			text = open + 1;
			continue;
		}
		buf_add(&out, text, (size_t)(open - text));
		buf_adds(&out, words);
		text = close + 1;
	}
	buf_adds(&out, text);
	return buf_take(&out);
}

char *
reason_storable(const char *text, const char *address, size_t max)
{
	const struct party_name own = { .value = address, .role = "recipient" };
	char *clean = party_clean(text, max), *neutral;
	struct buf hidden;

	if (clean == NULL)
		return NULL;
	buf_init(&hidden, 4 * max);
	party_hide(clean, &own, 1, &hidden);
	neutral = reason_neutral(hidden.data);
	buf_free(&hidden);
	free(clean);
	return neutral;
}
