/* SPDX-License-Identifier: BSD-2-Clause */
#include "config.h"

#include "sandbox/fields.h"

#include <stdio.h>
#include <string.h>

/*
 * Address lists of From, Sender and their like (RFC 5322 section 3.4), taken
 * apart at commas, brackets and groups. What is found between them is judged as
 * JavaMail judges it, in whose words SES complains.
 *
 * One departure that SES makes too: an unquoted display name with an "@" in it
 * counts as an address, and is checked like one.
 */
enum { TEXT_MAX = 1000 };

struct scan {
	const char *p, *end;
	char phrase[TEXT_MAX];	   /* before the bracket: the display name */
	char shown_name[TEXT_MAX]; /* the same, as written, quotes included */
	char spec[TEXT_MAX];	   /* in the bracket */
	bool has_spec;
	bool quoted; /* some of the phrase was in quotes */
};

static void
put(char *text, char c)
{
	size_t n = strlen(text);

	if (n + 1 < TEXT_MAX) {
		text[n] = c;
		text[n + 1] = '\0';
	}
}

static void
skip_comment(struct scan *s)
{
	int depth = 0;

	for (; s->p < s->end; s->p++) {
		if (*s->p == '\\' && s->p + 1 < s->end)
			s->p++;
		else if (*s->p == '(')
			depth++;
		else if (*s->p == ')' && --depth == 0)
			return;
	}
}

/* Inside of a quoted string; p stands at its closing quote afterwards. */
static void
take_quoted(struct scan *s, char *to)
{
	put(to, '"');
	put(s->shown_name, '"');
	for (s->p++; s->p < s->end && *s->p != '"'; s->p++) {
		put(to, *s->p);
		put(s->shown_name, *s->p);
		if (*s->p == '\\' && s->p + 1 < s->end)
			put(to, *++s->p);
	}
	put(to, '"');
	put(s->shown_name, '"');
	s->quoted = true;
}

/* Up to the comma or semicolon that ends this address; false at the end. */
static bool
next(struct scan *s)
{
	char *to = s->phrase;

	s->phrase[0] = s->shown_name[0] = s->spec[0] = '\0';
	s->has_spec = s->quoted = false;
	if (s->p >= s->end)
		return false;
	for (; s->p < s->end; s->p++) {
		switch (*s->p) {
		case '(':
			skip_comment(s);
			break;
		case '"':
			take_quoted(s, to);
			break;
		case '<':
			to = s->spec;
			s->has_spec = true;
			break;
		case '>':
			to = s->phrase;
			break;
		case ':':
			if (to == s->phrase) /* the name of a group */
				s->phrase[0] = s->shown_name[0] = '\0';
			else
				s->spec[0] = '\0'; /* an obsolete route */
			break;
		case ',':
		case ';':
			if (to == s->spec)
				break; /* between the hosts of a route */
			s->p++;
			return true;
		case '\r':
		case '\n':
			break;
		default:
			put(to, *s->p == '\t' ? ' ' : *s->p);
			if (to == s->phrase)
				put(s->shown_name, *s->p);
		}
	}
	return true;
}

static void
trim(char *text)
{
	size_t len = strlen(text), skip = strspn(text, " ");

	while (len > skip && text[len - 1] == ' ')
		len--;
	memmove(text, text + skip, len - skip);
	text[len - skip] = '\0';
}

static const char *
local_fault(const char *local, size_t len)
{
	if (len == 0)
		return "Missing local name";
	if (local[0] == '"')
		return NULL;
	if (local[0] == '.')
		return "Local address starts with dot";
	if (local[len - 1] == '.')
		return "Local address ends with dot";
	for (size_t i = 0; i < len; i++) {
		if ((unsigned char)local[i] <= ' ' || local[i] == 127)
			return "Local address contains control or whitespace";
		if ((unsigned char)local[i] > 127 ||
		    strchr("()<>,;:\\\"[]@", local[i]) != NULL)
			return "Local address contains illegal character";
		if (local[i] == '.' && local[i + 1] == '.')
			return "Local address contains dot-dot";
	}
	return NULL;
}

static const char *
domain_fault(const char *domain)
{
	size_t len = strlen(domain);

	if (len == 0)
		return "Missing domain";
	if (domain[0] == '.')
		return "Domain starts with dot";
	if (domain[len - 1] == '.')
		return "Domain ends with dot";
	if (strstr(domain, "..") != NULL)
		return "Domain contains dot-dot";
	for (size_t i = 0; i < len; i++) {
		if ((unsigned char)domain[i] <= ' ' || domain[i] == 127)
			return "Domain contains control or whitespace";
		if (strspn(domain + i,
			"-.abcdefghijklmnopqrstuvwxyz"
			"ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789") == 0)
			return "Domain contains illegal character";
	}
	return NULL;
}

static const char *
address_fault(const char *address)
{
	const char *at = strrchr(address, '@'), *fault;

	if (*address == '\0')
		return "Empty address";
	if (at == NULL)
		return "Missing final '@domain'";
	fault = local_fault(address, (size_t)(at - address));
	return fault != NULL ? fault : domain_fault(at + 1);
}

static bool
check(const char *address, char *words, size_t size)
{
	const char *fault = address_fault(address);

	if (fault == NULL)
		return true;
	(void)snprintf(words, size, "%s", fault);
	return false;
}

/* One address that was taken apart. */
static bool
visit(
    struct scan *s, fields_address_fn *fn, void *arg, char *words, size_t size)
{
	char shown[2 * TEXT_MAX + 4];

	if (!s->has_spec)
		return check(s->phrase, words, size) &&
		       fn(arg, s->phrase, s->phrase);
	if (!check(s->spec, words, size))
		return false;
	if (!s->quoted && strchr(s->phrase, '@') != NULL &&
	    !fn(arg, s->phrase, s->phrase))
		return false;
	(void)snprintf(shown, sizeof(shown), "%s%s<%s>", s->shown_name,
	    s->shown_name[0] != '\0' ? " " : "", s->spec);
	return fn(arg, s->spec, s->shown_name[0] != '\0' ? shown : s->spec);
}

bool
fields_addresses(const struct field *f, fields_address_fn *fn, void *arg,
    char *words, size_t size)
{
	struct scan s = { .p = f->value, .end = f->value + f->value_len };
	unsigned n = 0;

	words[0] = '\0';
	while (next(&s)) {
		trim(s.phrase);
		trim(s.shown_name);
		trim(s.spec);
		if (!s.has_spec && s.phrase[0] == '\0')
			continue; /* the end of a group, or ",," */
		n++;
		if (!visit(&s, fn, arg, words, size))
			return false;
	}
	if (n > 0)
		return true;
	(void)snprintf(words, size, "Empty address");
	return false;
}
