/* SPDX-License-Identifier: BSD-2-Clause */
#include "config.h"

#include "milter/lookup.h"

#include <stdio.h>
#include <string.h>

/* Enough for LOOKUP_MAX, and for a reader to notice a length that is none. */
#define DIGITS_MAX 4

enum lookup_parse
lookup_parse(const char *data, size_t len, struct lookup *l, size_t *used_r)
{
	const char *blank, *text;
	size_t n = 0, i;

	for (i = 0; i < len && data[i] >= '0' && data[i] <= '9'; i++) {
		if (i == DIGITS_MAX)
			return LOOKUP_BAD;
		n = 10 * n + (size_t)(data[i] - '0');
	}
	if (i == len)
		return LOOKUP_MORE;
	if (i == 0 || data[i] != ':' || n > LOOKUP_MAX)
		return LOOKUP_BAD;
	text = data + i + 1;
	if (len - i - 1 < n + 1)
		return LOOKUP_MORE;
	if (text[n] != ',' || (blank = memchr(text, ' ', n)) == NULL)
		return LOOKUP_BAD;
	*l = (struct lookup) {
		.name = text,
		.name_len = (size_t)(blank - text),
		.key = blank + 1,
		.key_len = (size_t)(text + n - blank - 1),
	};
	*used_r = i + 1 + n + 1;
	return LOOKUP_READY;
}

static enum lookup_status
reply(struct buf *out, enum lookup_status status, const char *text)
{
	static const char *const words[] = { "OK ", "NOTFOUND ", "TEMP ",
		"PERM " };
	const char *word = words[status];

	buf_addf(out, "%zu:%s%s,", strlen(word) + strlen(text), word, text);
	return status;
}

enum lookup_status
lookup_answer(const struct lookup *l, const struct rewrite_rules *rules,
    int64_t wall_us, struct buf *out, char why[LOOKUP_WHY])
{
	struct address srs, original;
	struct err err;

	*why = '\0';
	if (l->name_len != 3 || memcmp(l->name, "srs", 3) != 0)
		return reply(out, LOOKUP_PERM, "the only map here is srs");
	/* MTAs also ask for parts of addresses, and for others. */
	if (rules->secret == NULL ||
	    address_parse(l->key, l->key_len, &srs, &err) != ADDRESS_OK ||
	    !srs_tagged(&srs))
		return reply(out, LOOKUP_NOTFOUND, "");
	if (rewrite_srs_domain(rules->conf, rules->verified) == NULL)
		return reply(out, LOOKUP_TEMP,
		    "no domain for SRS addresses is known now");
	switch (rewrite_srs_reverse(rules, &srs, wall_us, &original, &err)) {
	case SRS_OK:
		return reply(out, LOOKUP_OK, original.text);
	case SRS_NONE:
		break;
	case SRS_MALFORMED:
	case SRS_FORGED:
	case SRS_EXPIRED:
		(void)snprintf(why, LOOKUP_WHY, "%.*s", LOOKUP_WHY - 1,
		    err.text);
		break;
	}
	return reply(out, LOOKUP_NOTFOUND, "");
}
