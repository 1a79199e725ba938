/* SPDX-License-Identifier: BSD-2-Clause */
#include "config.h"

#include "core/conf_check.h"

#include <sys/socket.h>
#include <sys/un.h>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "core/address.h"

/*
 * Pure functions over one word each. They see printable text only and at most
 * CONF_VALUE_MAX bytes of it, since conf_value_set has looked before.
 */

#define LOWER "abcdefghijklmnopqrstuvwxyz"
#define UPPER "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
#define DIGIT "0123456789"

#define HOST_MAX 253 /* RFC 1035 section 2.3.4, without the root's dot */
#define TAG_MAX 256  /* SES facts section 4 */
#define SET_MAX 64
#define TAG_CHARS LOWER UPPER DIGIT "_-"

static bool
only(const char *s, size_t len, const char *chars)
{
	size_t i;

	for (i = 0; i < len; i++) {
		if (s[i] == '\0' || strchr(chars, s[i]) == NULL)
			return false;
	}
	return true;
}

int
conf_check_user(const char *s, struct err *err)
{
	size_t len = strlen(s);

	if (len == 0 || len > 32 || s[0] == '-' ||
	    !only(s, len, LOWER UPPER DIGIT "_.-"))
		return err_set(err, ERR_CONFIG,
		    "\"%s\" is no user name: write one as in /etc/passwd, "
		    "such as postern",
		    s);
	return 0;
}

int
conf_check_path(const char *s, struct err *err)
{
	if (s[0] != '/')
		return err_set(err, ERR_CONFIG,
		    "\"%s\" is no full path: write it from the first /", s);
	return 0;
}

int
conf_check_socket(const char *s, struct err *err)
{
	size_t max = sizeof(((struct sockaddr_un *)0)->sun_path) - 1;

	if (conf_check_path(s, err) == -1)
		return -1;
	if (strlen(s) > max)
		return err_set(err, ERR_CONFIG,
		    "\"%s\" is too long for a socket: at most %zu bytes", s,
		    max);
	return 0;
}

int
conf_check_command(const char *s, struct err *err)
{
	if (s[0] != '/' && s[0] != '\0')
		return err_set(err, ERR_CONFIG,
		    "\"%s\" does not begin with a full path: write "
		    "\"/path/of/program arguments\"",
		    s);
	return 0;
}

static bool
is_port(const char *s)
{
	size_t len = strlen(s);

	return len > 0 && len <= 5 && only(s, len, DIGIT) && s[0] != '0' &&
	       atol(s) <= 65535;
}

static bool
is_host(const char *s, size_t len)
{
	if (len == 0 || len > HOST_MAX || s[0] == '-' || s[0] == '.')
		return false;
	return only(s, len, LOWER UPPER DIGIT ".-_");
}

static bool
is_address(int family, const char *s, size_t len)
{
	char text[INET6_ADDRSTRLEN];
	unsigned char bin[16];

	if (len == 0 || len >= sizeof(text))
		return false;
	memcpy(text, s, len);
	text[len] = '\0';
	return inet_pton(family, text, bin) == 1;
}

/*
 * The end of the host in HOST, HOST:PORT, [IPv6] and [IPv6]:PORT, where *host_r
 * and *len_r get the host without brackets; NULL when it is no host.
 */
static const char *
host_end(const char *s, const char **host_r, size_t *len_r)
{
	const char *end;

	if (s[0] == '[') {
		end = strchr(s, ']');
		if (end == NULL ||
		    !is_address(AF_INET6, s + 1, (size_t)(end - s - 1)))
			return NULL;
		*host_r = s + 1;
		*len_r = (size_t)(end - s - 1);
		return end + 1;
	}
	*host_r = s;
	*len_r = strcspn(s, ":");
	return is_host(s, *len_r) ? s + *len_r : NULL;
}

int
conf_check_endpoint(const char *s, struct err *err)
{
	const char *host, *end;
	size_t len;

	end = host_end(s, &host, &len);
	if (end == NULL || (*end != '\0' && *end != ':') ||
	    strchr(end + (*end == ':'), ':') != NULL)
		return err_set(err, ERR_CONFIG,
		    "\"%s\" is no endpoint: write HOST or HOST:PORT, such as "
		    "email-smtp.eu-west-1.amazonaws.com:587 (an IPv6 address "
		    "in brackets)",
		    s);
	if (*end == ':' && !is_port(end + 1))
		return err_set(err, ERR_CONFIG,
		    "\"%s\" has no port from 1 to 65535 after the colon: SES "
		    "listens on 587, 2587 and 25 (STARTTLS), 465 and 2465",
		    s);
	return 0;
}

int
conf_check_region(const char *s, struct err *err)
{
	size_t len = strlen(s);

	if (len == 0 || len > 32 || !only(s, len, LOWER DIGIT "-"))
		return err_set(err, ERR_CONFIG,
		    "\"%s\" is no region: write its code, such as eu-west-1",
		    s);
	return 0;
}

size_t
conf_endpoint_region(const char *s, const char **region_r)
{
	size_t host_len = strcspn(s, ":"), len;
	const char *after;

	if (strncasecmp(s, "vpce-", 5) == 0) {
		len = strcspn(s, ".");
		if (len >= host_len)
			return 0;
		s += len + 1;
		host_len -= len + 1;
		after = ".vpce.amazonaws.com";
	} else
		after = ".amazonaws.com";
	if (strncasecmp(s, "email-smtp.", 11) == 0)
		len = 11;
	else if (strncasecmp(s, "email-smtp-fips.", 16) == 0)
		len = 16;
	else
		return 0;
	*region_r = s + len;
	host_len -= len;
	len = strcspn(*region_r, ".:");
	if (len == 0 || len + strlen(after) != host_len ||
	    strncasecmp(*region_r + len, after, strlen(after)) != 0)
		return 0;
	return len;
}

int
conf_check_tag_name(const char *s, struct err *err)
{
	size_t len = strlen(s);

	if (len > SET_MAX || !only(s, len, TAG_CHARS))
		return err_set(err, ERR_CONFIG,
		    "\"%s\" is no name of a configuration set: up to %d of "
		    "A-Z a-z 0-9 _ -",
		    s, SET_MAX);
	return 0;
}

int
conf_check_tag(const char *s, struct err *err)
{
	size_t name = strcspn(s, "="), value;

	value = s[name] == '=' ? strlen(s + name + 1) : 0;
	if (name == 0 || name > TAG_MAX || value == 0 || value > TAG_MAX ||
	    !only(s, name, TAG_CHARS) || !only(s + name + 1, value, TAG_CHARS))
		return err_set(err, ERR_CONFIG,
		    "\"%s\" is no message tag: write \"NAME=VALUE\" in "
		    "quotes, each up to %d of A-Z a-z 0-9 _ -",
		    s, TAG_MAX);
	if (name == 7 && strncasecmp(s, "postern", 7) == 0)
		return err_set(err, ERR_CONFIG,
		    "the tag \"postern\" carries Postern's own ids: choose "
		    "another name");
	return 0;
}

int
conf_check_ses_header(const char *s, struct err *err)
{
	size_t len = strlen(s);

	if (strncasecmp(s, "X-SES-", 6) != 0 || len == 6 || len > 76 ||
	    !only(s, len, LOWER UPPER DIGIT "-"))
		return err_set(err, ERR_CONFIG,
		    "\"%s\" is no header that begins with X-SES-: write a "
		    "name without its colon, such as X-SES-MESSAGE-TAGS",
		    s);
	return 0;
}

int
conf_check_sender(const char *s, struct err *err)
{
	struct address address;
	struct err why;

	if (address_parse(s, strlen(s), &address, &why) != ADDRESS_OK)
		return err_set(err, ERR_CONFIG,
		    "\"%s\" is no address (%s): write LOCAL@DOMAIN, such as "
		    "mailer-daemon@example.com",
		    s, why.text);
	return 0;
}

const char *
conf_default_fixed(const char *s)
{
	return strncmp(s, "fixed:", 6) == 0 ? s + 6 : NULL;
}

int
conf_check_default(const char *s, struct err *err)
{
	const char *fixed = conf_default_fixed(s);

	if (fixed != NULL)
		return conf_check_sender(fixed, err);
	if (strcmp(s, "reject") != 0 && strcmp(s, "defer") != 0 &&
	    strcmp(s, "srs") != 0)
		return err_set(err, ERR_CONFIG,
		    "\"%s\" is not known: write srs, fixed:ADDRESS, reject or "
		    "defer",
		    s);
	return 0;
}

int
conf_check_domain(const char *s, struct err *err)
{
	char ascii[ADDRESS_DOMAIN_MAX + 1];

	if (address_domain_ascii(s, strlen(s), ascii) == -1)
		return err_set(err, ERR_CONFIG,
		    "\"%s\" is no domain: write one such as example.com", s);
	return 0;
}

static int
listen_unix(const char *s, struct err *err)
{
	char path[sizeof(((struct sockaddr_un *)0)->sun_path) + 1];
	const char *mode, *group;
	size_t len = strcspn(s, ":");

	if (len >= sizeof(path))
		len = sizeof(path) - 1;
	memcpy(path, s, len);
	path[len] = '\0';
	if (conf_check_socket(path, err) == -1)
		return -1;
	if (s[len] == '\0')
		return 0;
	mode = s + len + 1;
	len = strcspn(mode, ":");
	if (len < 3 || len > 4 || !only(mode, len, "01234567") ||
	    (len == 4 && mode[0] != '0'))
		return err_set(err, ERR_CONFIG,
		    "\"unix:%s\" has no mode after its path: write it in "
		    "octal, such as unix:%s:0660",
		    s, path);
	group = mode + len;
	return *group == '\0' ? 0 : conf_check_user(group + 1, err);
}

static int
listen_inet(const char *s, struct err *err)
{
	const char *host, *end = host_end(s, &host, &(size_t){ 0 });
	size_t len = strcspn(s, ":");

	if (end == NULL || (s[0] != '[' && !is_address(AF_INET, s, len)))
		return err_set(err, ERR_CONFIG,
		    "\"inet:%s\" has no address of this host: write "
		    "inet:127.0.0.1:PORT or inet:[::1]:PORT",
		    s);
	/* 0 lets the system choose; posternd logs what it chose. */
	if (*end != ':' || (!is_port(end + 1) && strcmp(end + 1, "0") != 0))
		return err_set(err, ERR_CONFIG,
		    "\"inet:%s\" has no port from 1 to 65535: write it after "
		    "the address, such as inet:127.0.0.1:2424",
		    s);
	return 0;
}

int
conf_check_listen(const char *s, struct err *err)
{
	if (strncmp(s, "unix:", 5) == 0)
		return listen_unix(s + 5, err);
	if (strncmp(s, "inet:", 5) == 0)
		return listen_inet(s + 5, err);
	return err_set(err, ERR_CONFIG,
	    "\"%s\" is nothing to listen on: write unix:PATH[:MODE[:GROUP]] "
	    "or inet:ADDRESS:PORT",
	    s);
}

int
conf_check_cidr(const char *s, struct err *err)
{
	size_t len = strcspn(s, "/");
	const char *bits = s[len] == '/' ? s + len + 1 : NULL;
	bool v4 = is_address(AF_INET, s, len);
	size_t n = bits == NULL ? 1 : strlen(bits);

	if ((!v4 && !is_address(AF_INET6, s, len)) || n == 0 || n > 3 ||
	    (bits != NULL &&
		(!only(bits, n, DIGIT) || atoi(bits) > (v4 ? 32 : 128))))
		return err_set(err, ERR_CONFIG,
		    "\"%s\" is no network: write ADDRESS or ADDRESS/BITS, "
		    "such as 192.0.2.0/24 or 2001:db8::/32",
		    s);
	return 0;
}

int
conf_check_suppress(const char *s, struct err *err)
{
	if (strcmp(s, "bounce") != 0 && strcmp(s, "complaint") != 0)
		return err_set(err, ERR_CONFIG,
		    "\"%s\" is no such report: write bounce or complaint", s);
	return 0;
}
