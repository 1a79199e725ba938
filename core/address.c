/* SPDX-License-Identifier: BSD-2-Clause */
#include "config.h"

#include "core/address.h"

#include <idn2.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "core/buf.h"
#include "core/log.h"
#include "core/utf8.h"

/*
 * Parsing makes one text out of all the writings of a mailbox that mean the
 * same (quotes that are not needed, quoted pairs, Unicode domains), so that
 * whoever compares addresses afterwards compares bytes. What SES is known to
 * refuse is no address here: a non-ASCII local part, an address literal, a
 * domain with an underscore or whose last label is a number (SES facts 2.4).
 *
 * One leniency: unquoted dots at the ends of a local part, or two in a row, are
 * taken and put in quotes. Japanese mobile carriers handed out millions of such
 * addresses, and some MTAs pass them on as they were typed.
 */

#define LABEL_MAX 63 /* RFC 1035 section 2.3.4 */

/* A local part without its quoting. */
struct local {
	char text[ADDRESS_LOCAL_MAX];
	size_t len;
};

static enum address_fault
fault(struct err *err, enum address_fault why, const char *words)
{
	(void)err_set(err, ERR_PROTO, "%s", words);
	return why;
}

/* RFC 5322 section 3.2.3. */
static bool
is_atext(unsigned char c)
{
	if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
	    (c >= '0' && c <= '9'))
		return true;
	return c != '\0' && strchr("!#$%&'*+-/=?^_`{|}~", c) != NULL;
}

static bool
is_dot_atom(const struct local *l)
{
	bool dot = true;

	for (size_t i = 0; i < l->len; i++) {
		if (l->text[i] == '.' ? dot :
					!is_atext((unsigned char)l->text[i]))
			return false;
		dot = l->text[i] == '.';
	}
	return !dot;
}

static enum address_fault
local_add(struct local *l, unsigned char c, struct err *err)
{
	if (c >= 0x80)
		return fault(err, ADDRESS_NON_ASCII_LOCAL,
		    "the part before the @ is not ASCII, and Amazon SES takes "
		    "no others");
	if (c < ' ' || c == 0x7f)
		return fault(err, ADDRESS_SYNTAX,
		    "a control character in the address");
	if (l->len == sizeof(l->text))
		return fault(err, ADDRESS_TOO_LONG,
		    "the part before the @ is longer than 64 bytes");
	l->text[l->len++] = (char)c;
	return ADDRESS_OK;
}

/*
 * Quoted-string of RFC 5321 section 4.1.2, from its first quote; *used_r bytes
 * with both quotes.
 */
static enum address_fault
local_quoted(const char *s, size_t len, struct local *l, size_t *used_r,
    struct err *err)
{
	enum address_fault why;

	for (size_t i = 1; i < len; i++) {
		if (s[i] == '"') {
			*used_r = i + 1;
			return ADDRESS_OK;
		}
		if (s[i] == '\\' && ++i == len)
			break;
		why = local_add(l, (unsigned char)s[i], err);
		if (why != ADDRESS_OK)
			return why;
	}
	return fault(err, ADDRESS_SYNTAX, "a quoted string without its end");
}

static enum address_fault
local_plain(const char *s, size_t len, struct local *l, size_t *used_r,
    struct err *err)
{
	enum address_fault why;
	size_t i;

	for (i = 0; i < len && s[i] != '@'; i++) {
		unsigned char c = (unsigned char)s[i];

		if (c < 0x80 && c != '.' && !is_atext(c))
			return fault(err, ADDRESS_SYNTAX,
			    "a character before the @ that may only stand in "
			    "a quoted string");
		if ((why = local_add(l, c, err)) != ADDRESS_OK)
			return why;
	}
	*used_r = i;
	if (i == 0)
		return fault(err, ADDRESS_SYNTAX, "nothing before the @");
	return ADDRESS_OK;
}

/* Write the local part, in quotes where it needs them; its length, or 0 when it
 * is too long so. */
static size_t
local_write(const struct local *l, char out[ADDRESS_LOCAL_MAX])
{
	size_t n = 0;

	if (is_dot_atom(l)) {
		memcpy(out, l->text, l->len);
		return l->len;
	}
	out[n++] = '"';
	for (size_t i = 0; i < l->len; i++) {
		bool pair = l->text[i] == '"' || l->text[i] == '\\';

		if (n + pair + 2 > ADDRESS_LOCAL_MAX)
			return 0;
		if (pair)
			out[n++] = '\\';
		out[n++] = l->text[i];
	}
	out[n++] = '"';
	return n;
}

/*
 * Labels of letters, digits and inner hyphens (RFC 1035 section 2.3.1 as
 * RFC 1123 section 2.1 has it). The last one must not be a number: no such
 * top-level domain can exist (RFC 3696 section 2), and SES refuses it.
 */
static bool
is_host_name(const char *s, size_t len)
{
	size_t label = 0;
	bool number = true;

	if (len == 0 || len > ADDRESS_DOMAIN_MAX)
		return false;
	for (size_t i = 0; i < len; i++) {
		char c = s[i];

		if (c == '.' || (c == '-' && label == 0)) {
			if (label == 0 || s[i - 1] == '-')
				return false;
			label = 0;
			number = true;
			continue;
		}
		if (c < '0' || c > '9') {
			if (c != '-' && (c < 'a' || c > 'z') &&
			    (c < 'A' || c > 'Z'))
				return false;
			number = false;
		}
		if (++label > LABEL_MAX)
			return false;
	}
	return label > 0 && s[len - 1] != '-' && !number;
}

/*
 * Names in ASCII are looked at as names only, not as IDNA labels: names that
 * IDNA would not make ("r3---x.example.com") exist. For all others IDNA2008
 * with the mapping of UTS #46, since people type capitals, wide letters and
 * the ideographic full stop.
 */
static int
domain_to_ascii(const char *s, size_t len, char *out)
{
	char name[4 * ADDRESS_DOMAIN_MAX + 1];
	uint8_t *ascii = NULL;
	int rc;

	if (utf8_is_ascii(s, len)) {
		if (!is_host_name(s, len))
			return -1;
		memcpy(out, s, len);
		out[len] = '\0';
		return 0;
	}
	if (len >= sizeof(name) || !utf8_valid(s, len) ||
	    memchr(s, '\0', len) != NULL)
		return -1;
	memcpy(name, s, len);
	name[len] = '\0';
	rc = idn2_lookup_u8((const uint8_t *)name, &ascii,
	    IDN2_NFC_INPUT | IDN2_NONTRANSITIONAL);
	if (rc == IDN2_MALLOC)
		log_fatal("out of memory in libidn2");
	if (rc != IDN2_OK)
		return -1;
	len = strlen((char *)ascii);
	if (is_host_name((char *)ascii, len))
		memcpy(out, ascii, len + 1);
	else
		rc = -1;
	idn2_free(ascii);
	return rc == IDN2_OK ? 0 : -1;
}

static enum address_fault
domain_add(const char *s, size_t len, struct address *a, struct err *err)
{
	char domain[ADDRESS_DOMAIN_MAX + 1];
	size_t n;

	if (len == 0)
		return fault(err, ADDRESS_NO_DOMAIN, "no domain after the @");
	if (s[0] == '[')
		return fault(err, ADDRESS_BAD_DOMAIN,
		    "an IP address instead of a domain, and Amazon SES takes "
		    "only domains");
	if (len > ADDRESS_DOMAIN_MAX && utf8_is_ascii(s, len))
		return fault(err, ADDRESS_TOO_LONG,
		    "the domain is longer than 255 bytes");
	if (domain_to_ascii(s, len, domain) == -1)
		return fault(err, ADDRESS_BAD_DOMAIN,
		    "what stands after the @ is no domain name");
	n = strlen(domain);
	if (a->local_len + 1 + n > ADDRESS_MAX - 2)
		return fault(err, ADDRESS_TOO_LONG,
		    "the address is longer than 254 bytes");
	a->text[a->local_len] = '@';
	memcpy(a->text + a->local_len + 1, domain, n + 1);
	return ADDRESS_OK;
}

enum address_fault
address_parse(const char *s, size_t len, struct address *a, struct err *err)
{
	struct local local = { .len = 0 };
	enum address_fault why;
	size_t used = 0;

	memset(a, 0, sizeof(*a));
	if (len == 0)
		return fault(err, ADDRESS_SYNTAX, "an empty address");
	why = s[0] == '"' ? local_quoted(s, len, &local, &used, err) :
			    local_plain(s, len, &local, &used, err);
	if (why != ADDRESS_OK)
		return why;
	if (used == len)
		return fault(err, ADDRESS_NO_DOMAIN,
		    "an address without @ and domain");
	if (s[used] != '@')
		return fault(err, ADDRESS_SYNTAX,
		    "a quoted string that no @ follows");
	a->local_len = local_write(&local, a->text);
	if (a->local_len == 0)
		why = fault(err, ADDRESS_TOO_LONG,
		    "the part before the @ is longer than 64 bytes");
	else
		why = domain_add(s + used + 1, len - used - 1, a, err);
	if (why != ADDRESS_OK)
		memset(a, 0, sizeof(*a));
	return why;
}

/* The offset of a character, or len; quoted strings may hold others. */
static size_t
find_unquoted(const char *s, size_t len, char wanted)
{
	bool quoted = false;

	for (size_t i = 0; i < len; i++) {
		if (quoted && s[i] == '\\')
			i++;
		else if (s[i] == '"')
			quoted = !quoted;
		else if (s[i] == wanted && !quoted)
			return i;
	}
	return len;
}

/*
 * "<" [ A-d-l ":" ] Mailbox ">" (RFC 5321 section 4.1.2). The route must be
 * accepted and should be ignored.
 */
enum address_fault
address_parse_path(const char *s, size_t len, struct address *a,
    size_t *used_r, struct err *err)
{
	size_t end, start = 1;
	const char *colon;

	memset(a, 0, sizeof(*a));
	*used_r = 0;
	if (len == 0 || s[0] != '<')
		return fault(err, ADDRESS_SYNTAX,
		    "an address must stand in angle brackets");
	if ((end = find_unquoted(s, len, '>')) == len)
		return fault(err, ADDRESS_SYNTAX,
		    "an address without its closing angle bracket");
	*used_r = end + 1;
	if (end == 1)
		return ADDRESS_OK;
	if (s[1] == '@') {
		colon = memchr(s, ':', end);
		if (colon == NULL)
			return fault(err, ADDRESS_SYNTAX,
			    "a source route without its colon");
		start = (size_t)(colon - s) + 1;
	}
	return address_parse(s + start, end - start, a, err);
}

void
address_written(const char *s, char written_r[ADDRESS_WRITTEN_MAX + 1])
{
	size_t len = strlen(s), open = find_unquoted(s, len, '<'), at, n;
	struct address address;
	struct err ignored;
	const char *colon;

	s += open < len ? open + 1 : strspn(s, " \t");
	len = strlen(s);
	n = find_unquoted(s, len, '>');
	if (n == len) {
		at = find_unquoted(s, len, '@');
		n = at + strcspn(s + at, " \t");
	}
	if (s[0] == '@' && (colon = memchr(s, ':', n)) != NULL) {
		n -= (size_t)(colon + 1 - s);
		s = colon + 1;
	}
	if (n > ADDRESS_WRITTEN_MAX)
		for (n = ADDRESS_WRITTEN_MAX; n > 0 && (s[n] & 0xc0) == 0x80;)
			n--;
	if (address_parse(s, n, &address, &ignored) == ADDRESS_OK) {
		s = address.text;
		n = strlen(s);
	}
	memcpy(written_r, s, n);
	written_r[n] = '\0';
}

const char *
address_domain(const struct address *a)
{
	return a->text[0] == '\0' ? "" : a->text + a->local_len + 1;
}

size_t
address_local(const struct address *a, char local_r[ADDRESS_LOCAL_MAX + 1])
{
	bool quoted = a->text[0] == '"';
	size_t n = 0;

	for (size_t i = quoted; i + quoted < a->local_len; i++) {
		i += quoted && a->text[i] == '\\';
		local_r[n++] = a->text[i];
	}
	local_r[n] = '\0';
	return n;
}

enum address_fault
address_make(const char *local, size_t len, const char *domain,
    struct address *a, struct err *err)
{
	enum address_fault why;
	struct buf text;

	buf_init(&text, 2 * len + strlen(domain) + sizeof("\"\"@"));
	buf_addc(&text, '"');
	for (size_t i = 0; i < len; i++) {
		if (local[i] == '"' || local[i] == '\\')
			buf_addc(&text, '\\');
		buf_addc(&text, local[i]);
	}
	buf_addf(&text, "\"@%s", domain);
	why = address_parse(text.data, text.len, a, err);
	buf_free(&text);
	return why;
}

const char *
address_pasteable(const struct address *a)
{
	static const char plain[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
				    "abcdefghijklmnopqrstuvwxyz"
				    "0123456789.@+=_-";

	return a->text[strspn(a->text, plain)] == '\0' && a->text[0] != '-'
	    ? a->text
	    : "ADDRESS";
}

static void
lower(char *s)
{
	for (; *s != '\0'; s++)
		if (*s >= 'A' && *s <= 'Z')
			*s = (char)(*s - 'A' + 'a');
}

void
address_key(const struct address *a, struct address *key_r)
{
	*key_r = *a;
	lower(key_r->text + key_r->local_len);
}

int
address_domain_ascii(const char *domain, size_t len, char *out)
{
	if (domain_to_ascii(domain, len, out) == -1)
		return -1;
	lower(out);
	return 0;
}

bool
address_is_simulator(const struct address *a)
{
	static const char *const names[] = { "success", "bounce", "ooto",
		"complaint", "suppressionlist" };
	size_t len = strcspn(a->text, "+@");

	if (strcasecmp(address_domain(a), "simulator.amazonses.com") != 0)
		return false;
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (len == strlen(names[i]) &&
		    strncasecmp(a->text, names[i], len) == 0)
			return true;
	return false;
}
