/* SPDX-License-Identifier: BSD-2-Clause */
#include "config.h"

#include "lmtp/command.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

int
command_parse(const char *line, size_t len, struct command *c)
{
	size_t n = 0;

	c->verb[0] = '\0';
	c->arg[0] = '\0';
	if (len > 0 && line[len - 1] == '\n')
		len--;
	if (len > 0 && line[len - 1] == '\r')
		len--;
	if (len > COMMAND_LINE_MAX || memchr(line, '\0', len) != NULL ||
	    memchr(line, '\r', len) != NULL)
		return -1;
	while (n < len && isalpha((unsigned char)line[n]) &&
	    n + 1 < sizeof(c->verb)) {
		c->verb[n] = (char)toupper((unsigned char)line[n]);
		n++;
	}
	c->verb[n] = '\0';
	if (n < len && line[n] != ' ' && line[n] != '\t')
		return -1;
	while (n < len && (line[n] == ' ' || line[n] == '\t'))
		n++;
	while (len > n && (line[len - 1] == ' ' || line[len - 1] == '\t'))
		len--;
	memcpy(c->arg, line + n, len - n);
	c->arg[len - n] = '\0';
	return 0;
}

int
command_path(const char *arg, const char *keyword, struct address *address,
    const char **params_r, enum address_fault *fault_r, struct err *err)
{
	size_t len = strlen(keyword), used = 0;

	if (strncasecmp(arg, keyword, len) != 0)
		return err_set(err, ERR_PROTO, "%s<address> expected", keyword);
	arg += len;
	arg += strspn(arg, " \t");
	*fault_r = address_parse_path(arg, strlen(arg), address, &used, err);
	*params_r = arg + used;
	return 0;
}

bool
command_param(const char **params, char key[32], char value[512])
{
	const char *at = *params + strspn(*params, " \t");
	size_t key_len, len;

	len = strcspn(at, " \t");
	if (len == 0)
		return false;
	*params = at + len;
	key_len = strcspn(at, "= \t");
	(void)snprintf(key, 32, "%.*s", (int)key_len, at);
	(void)snprintf(value, 512, "%.*s",
	    key_len < len ? (int)(len - key_len - 1) : 0, at + key_len + 1);
	return true;
}

static int
hex(char c)
{
	return c >= '0' && c <= '9' ? c - '0'
	    : c >= 'A' && c <= 'F'  ? c - 'A' + 10
				    : -1;
}

void
command_xtext(char *text)
{
	char *to = text;

	while (*text != '\0') {
		if (*text == '+' && hex(text[1]) != -1 && hex(text[2]) != -1) {
			*to++ = (char)(hex(text[1]) << 4 | hex(text[2]));
			text += 3;
		} else {
			*to++ = *text++;
		}
	}
	*to = '\0';
}
