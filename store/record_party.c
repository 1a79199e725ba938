/* SPDX-License-Identifier: BSD-2-Clause */
#include "config.h"

#include "store/record_party.h"

#include <ctype.h>
#include <stdbool.h>
#include <string.h>
#include <strings.h>

#include "core/crypto.h"
#include "core/cut.h"
#include "core/utf8.h"
#include "store/chain.h"

/*
 * Hiding leans to the safe side: what looks like an address is replaced even
 * where it is none, since what has entered the chain can't be taken out again.
 */

#define WORD_MIN_BYTES 4

char *
party_clean(const char *text, size_t max)
{
	struct buf out;
	size_t n;

	if (text == NULL)
		return NULL;
	buf_init(&out, max);
	for (; *text != '\0'; text += n > 0 ? n : 1) {
		n = utf8_printable(text);
		if (n > 0)
			buf_add(&out, text, n);
		else
			buf_adds(&out, "\xef\xbf\xbd");
	}
	if (out.overflow)
		buf_cut(&out, cut_length(out.data, out.len));
	return buf_take(&out);
}

char *
party_commit(const char *value, unsigned char *salt_r)
{
	crypto_random(salt_r, COMMITMENT_SALT_LEN);
	return chain_commitment(
	    salt_r, COMMITMENT_SALT_LEN, value, strlen(value));
}

/* RFC 5322 atext and the dot, and whatever is not ASCII. */
static bool
is_local(char c)
{
	return isalnum((unsigned char)c) || (unsigned char)c >= 0x80 ||
	    (c != '\0' && strchr("!#$%&'*+-/=?^_`{|}~.", c) != NULL);
}

static bool
is_domain(char c)
{
	return isalnum((unsigned char)c) || (unsigned char)c >= 0x80 ||
	    (c != '\0' && strchr("-.[]:_", c) != NULL);
}

struct span {
	const char *start, *end;
};

/* From an @ outwards; an empty span when no address stands around it. */
static struct span
address_around(const char *text, const char *at)
{
	struct span s = { at, at + 1 };

	if (at > text && at[-1] == '"') {
		for (s.start = at - 1; s.start > text && s.start[-1] != '"';)
			s.start--;
		if (s.start > text)
			s.start--;
	} else {
		while (s.start > text && is_local(s.start[-1]))
			s.start--;
	}
	while (is_domain(*s.end))
		s.end++;
	while (s.end > at + 1 && strchr(".:", s.end[-1]) != NULL)
		s.end--;
	if (s.start == at || s.end == at + 1)
		s.start = s.end = at;
	return s;
}

/*
 * Reply and status codes, as in "smtp; 550 5.1.1 <john@example.com>...", are no
 * name.
 */
static const char *
after_codes(const char *p)
{
	size_t len;

	for (;; p += len + 1) {
		len = strspn(p, "0123456789.");
		if (len < 3 || len > 11 || p[len] != ' ' ||
		    strchr("245", *p) == NULL)
			return p;
	}
}

/*
 * "...region US-WEST-2: John Doe <john@example.com>": the name goes too, where
 * a colon or comma tells where it begins.
 */
static struct span
with_name(const char *text, struct span s)
{
	const char *p;

	if (s.start == text || s.start[-1] != '<' || *s.end != '>')
		return s;
	for (p = s.start - 1; p > text; p--)
		if (strchr(":,;", p[-1]) != NULL) {
			s.start = after_codes(p + strspn(p, " "));
			s.end++;
			break;
		}
	return s;
}

static void
add_name(struct buf *out, const struct party_name *name)
{
	if (name->n > 0)
		buf_addf(out, "{%s:%u}", name->role, name->n);
	else
		buf_addf(out, "{%s}", name->role);
}

static void
add_label(struct buf *out, struct span address,
    const struct party_name *names, size_t n)
{
	size_t len = (size_t)(address.end - address.start);

	for (size_t i = 0; i < n; i++) {
		if (strlen(names[i].value) != len ||
		    strncasecmp(names[i].value, address.start, len) != 0)
			continue;
		add_name(out, &names[i]);
		return;
	}
	buf_adds(out, "{address}");
}

static bool
is_word(char c)
{
	return isalnum((unsigned char)c) || (unsigned char)c >= 0x80;
}

static bool
begins(struct span s, const char *with, size_t len)
{
	return (size_t)(s.end - s.start) >= len &&
	    strncasecmp(s.start, with, len) == 0;
}

/* How much at the beginning of s is an address without its @: 0 for nothing. */
static size_t
person_at(struct span s, const char *address)
{
	static const char *const joins[] = { "=", "%40" };
	const char *at = strrchr(address, '@');
	size_t local, join, domain;
	struct span rest = s;

	if (at == NULL || !begins(s, address, (size_t)(at - address)))
		return 0;
	local = (size_t)(at - address);
	domain = strlen(at + 1);
	for (size_t i = 0; i < sizeof(joins) / sizeof(*joins); i++) {
		join = strlen(joins[i]);
		rest.start = s.start + local;
		if (!begins(rest, joins[i], join))
			continue;
		rest.start += join;
		if (begins(rest, at + 1, domain))
			return local + join + domain;
	}
	rest.start = s.start + local;
	return local >= WORD_MIN_BYTES &&
		(rest.start == s.end || !is_word(*rest.start))
	    ? local
	    : 0;
}

/* What has no address in it. */
static void
add_words(struct buf *out, struct span s, const struct party_name *names,
    size_t n)
{
	const struct party_name *name = NULL;
	const char *done = s.start;
	bool in_word = false;
	size_t len;

	for (size_t i = 0; i < n; i++)
		if (names[i].in_words)
			name = &names[i];
	while (name != NULL && s.start < s.end) {
		len = in_word ? 0 : person_at(s, name->value);
		if (len > 0) {
			buf_add(out, done, (size_t)(s.start - done));
			add_name(out, name);
			done = s.start + len;
		} else
			len = 1;
		s.start += len;
		in_word = is_word(s.start[-1]);
	}
	buf_add(out, done, (size_t)(s.end - done));
}

void
party_hide(const char *text, const struct party_name *names, size_t n,
    struct buf *out)
{
	const char *at, *done = text;
	struct span address, whole;

	for (at = strchr(text, '@'); at != NULL; at = strchr(at + 1, '@')) {
		address = address_around(text, at);
		if (address.start == address.end || at < done)
			continue;
		whole = with_name(text, address);
		if (whole.start < done)
			whole.start = done;
		add_words(out, (struct span) { done, whole.start }, names, n);
		add_label(out, address, names, n);
		done = whole.end;
	}
	add_words(out, (struct span) { done, done + strlen(done) }, names, n);
}
