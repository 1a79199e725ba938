/* SPDX-License-Identifier: BSD-2-Clause */
#include "config.h"

#include "store/search/words.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>

#include "core/json.h"

#define VALUE_MAX_BYTES ((size_t)64 * 1024)

static bool
in_word(unsigned char c)
{
	return isalnum(c) || c >= 0x80;
}

int
search_word(const char **at, const char **word_r, size_t *len_r)
{
	const char *p = *at, *end;

	while (*p != '\0' && !in_word((unsigned char)*p))
		p++;
	for (end = p; in_word((unsigned char)*end) ||
		      (*end != '\0' && end > p && strchr(".-_", *end) != NULL &&
			  in_word((unsigned char)end[1]));
	     end++)
		;
	*word_r = p;
	*len_r = (size_t)(end - p);
	*at = end;
	return end > p;
}

static bool
has_word(const char *text, const char *wanted, size_t wanted_len)
{
	const char *word;
	size_t len;

	while (search_word(&text, &word, &len))
		if (len == wanted_len && strncasecmp(word, wanted, len) == 0)
			return true;
	return false;
}

bool
search_has_words(const char *text, const char *wanted)
{
	const char *word;
	size_t len;

	while (search_word(&wanted, &word, &len))
		if (!has_word(text, word, len))
			return false;
	return true;
}

static bool
is_good_news(const char *detail)
{
	enum json_type type;
	struct buf value;
	struct err err;
	bool good;

	buf_init(&value, VALUE_MAX_BYTES);
	good = json_get(detail, "type", &type, &value, &err) == 0 &&
	       (strcasecmp(value.data, "send") == 0 ||
		   strcasecmp(value.data, "delivery") == 0);
	buf_free(&value);
	return good;
}

void
search_row_words(const char *event, const char *detail, struct buf *out)
{
	static const char *const keys[] = { "code", "dsn", "reply", "type",
		"kind", "subtype", "text" };
	bool told = strcmp(event, "event") == 0 && !is_good_news(detail);
	enum json_type type;
	struct buf value;
	struct err err;

	if (!told && strcmp(event, "deferred") != 0 &&
	    strcmp(event, "refused") != 0 && strcmp(event, "doubtful") != 0)
		return;
	buf_init(&value, VALUE_MAX_BYTES);
	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++)
		if (json_get(detail, keys[i], &type, &value, &err) == 0 &&
		    (type == JSON_STRING || type == JSON_NUMBER))
			buf_addf(out, "%s ", value.data);
	buf_free(&value);
}
