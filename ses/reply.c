/* SPDX-License-Identifier: BSD-2-Clause */
#include "config.h"

#include "ses/reply.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "core/cut.h"
#include "core/utf8.h"

/*
 * RFC 5321 section 4.5.3.1.5 allows 512 bytes a reply line. SES lists
 * identities in one line and cuts the list, so a line may be longer than that,
 * but not without end.
 */
#define REPLY_LINE_MAX 2048
#define REPLY_LINES_MAX 64

const char *
ses_phase_name(enum ses_phase phase)
{
	static const char *const names[] = {
		[SES_PHASE_CONNECT] = "connect",
		[SES_PHASE_TLS] = "TLS",
		[SES_PHASE_GREETING] = "greeting",
		[SES_PHASE_EHLO] = "EHLO",
		[SES_PHASE_AUTH] = "AUTH",
		[SES_PHASE_MAIL] = "MAIL",
		[SES_PHASE_RCPT] = "RCPT",
		[SES_PHASE_DATA] = "DATA",
		[SES_PHASE_BODY] = "body",
		[SES_PHASE_DOT] = "final dot",
		[SES_PHASE_RSET] = "RSET",
	};

	return names[phase];
}

const char *
ses_class_name(enum ses_class class)
{
	static const char *const names[] = {
		[SES_OK] = "ok",
		[SES_RECONNECT] = "reconnect",
		[SES_UNREACHABLE] = "unreachable",
		[SES_TLS_TROUBLE] = "tls",
		[SES_DOUBTFUL] = "doubtful",
		[SES_PACE] = "rate",
		[SES_DAY_FULL] = "daily-quota",
		[SES_TRY_AGAIN] = "service-failure",
		[SES_DEFERRED] = "deferred",
		[SES_ACCOUNT] = "account",
		[SES_DENIED] = "access-denied",
		[SES_MAIL_FROM] = "mail-from-domain",
		[SES_CONFIG_SET] = "configuration-set",
		[SES_UNVERIFIED] = "unverified",
		[SES_TOO_LARGE] = "too-large",
		[SES_REFUSED] = "refused",
		[SES_UNKNOWN_5XX] = "unknown-5xx",
	};

	return names[class];
}

/*
 * reply-line = 3DIGIT ( "-" / SP / nothing ) text CRLF      (RFC 5321 section
 * 4.2) Returns 1 for a last line, 0 when more follow, -1 for anything else.
 */
static int
parse_line(const char *line, size_t len, unsigned *code_r, const char **text_r,
    size_t *text_len_r)
{
	while (len > 0 && (line[len - 1] == '\n' || line[len - 1] == '\r'))
		len--;
	if (len < 3 || line[0] < '2' || line[0] > '5' ||
	    !isdigit((unsigned char)line[1]) ||
	    !isdigit((unsigned char)line[2]))
		return -1;
	if (len > 3 && line[3] != ' ' && line[3] != '-')
		return -1;
	*code_r = (unsigned)(line[0] - '0') * 100 +
	    (unsigned)(line[1] - '0') * 10 + (unsigned)(line[2] - '0');
	*text_r = line + (len > 3 ? 4 : 3);
	*text_len_r = len - (len > 3 ? 4 : 3);
	return len > 3 && line[3] == '-' ? 0 : 1;
}

int
ses_reply_read(struct stream *s, struct ses_reply *reply, struct err *err)
{
	const char *line, *text;
	size_t len, text_len, used = 0;
	unsigned code;
	int got, last;

	reply->code = 0;
	for (unsigned n = 0; n < REPLY_LINES_MAX; n++) {
		got = stream_line(s, REPLY_LINE_MAX, &line, &len, err);
		if (got == 0)
			return err_set(err, ERR_NET,
			    "SES closed the connection");
		if (got == -1)
			return -1;
		last = parse_line(line, len, &code, &text, &text_len);
		if (last == -1 || (n > 0 && code != reply->code))
			return err_set(err, ERR_PROTO,
			    "not an SMTP reply: %.*s",
			    (int)(len > 100 ? cut_length(line, 100) : len),
			    line);
		reply->code = code;
		if (used + text_len + 2 > sizeof(reply->text))
			return err_set(err, ERR_PROTO, "endless reply");
		if (n > 0)
			reply->text[used++] = '\n';
		memcpy(reply->text + used, text, text_len);
		used += text_len;
		reply->text[used] = '\0';
		if (last)
			return 0;
	}
	return err_set(err, ERR_PROTO, "endless reply");
}

/* Text from the wire on one printable line. */
static void
set_text(struct ses_result *r, const char *text)
{
	size_t used = 0, n;

	while (*text != '\0' && used + 4 < sizeof(r->text)) {
		n = utf8_printable(text);
		if (n == 0) {
			r->text[used++] = *text == '\n' ? ' ' : '?';
			text++;
			continue;
		}
		memcpy(r->text + used, text, n);
		used += n;
		text += n;
	}
	if (*text != '\0')
		used = cut_length(r->text, used);
	r->text[used] = '\0';
}

/* SES cuts long lists of identities by itself, wherever it happens to be. */
static void
drop_parted(struct ses_result *r)
{
	static const char mark[] = "...";
	size_t len = strlen(r->text);

	if (len < strlen(mark))
		return;
	len -= strlen(mark);
	if (strcmp(r->text + len, mark) == 0)
		memcpy(r->text + cut_length(r->text, len), mark, sizeof(mark));
}

static bool
contains(const char *text, const char *part)
{
	size_t len = strlen(part);

	if (len == 0)
		return true;
	for (; *text != '\0'; text++)
		if (strncasecmp(text, part, len) == 0)
			return true;
	return false;
}

/* SES puts "Message rejected: " before some of its texts. */
static bool
begins(const char *text, const char *part)
{
	static const char rejected[] = "Message rejected: ";

	if (strncasecmp(text, rejected, sizeof(rejected) - 1) == 0)
		text += sizeof(rejected) - 1;
	return strncasecmp(text, part, strlen(part)) == 0;
}

#define ANY_PHASE (~0U)
#define AT(phase) (1U << (phase))
#define BEFORE_MAIL                                                            \
	(AT(SES_PHASE_CONNECT) | AT(SES_PHASE_TLS) | AT(SES_PHASE_GREETING) |  \
	    AT(SES_PHASE_EHLO) | AT(SES_PHASE_AUTH))

enum where { ANYWHERE, AT_START };

/*
 * The first row that fits counts. 5xx texts quote addresses and display names,
 * which anybody may choose: what a user can write into a reply must not pass
 * for trouble with the account. So those texts are known by their beginning,
 * and come first.
 */
static const struct {
	unsigned phases;
	unsigned low, high;
	enum where where;
	const char *text;
	enum ses_class class;
} rules[] = {
	{ BEFORE_MAIL, 400, 499, ANYWHERE, "sigv2", SES_ACCOUNT },
	{ BEFORE_MAIL, 400, 499, ANYWHERE, "", SES_UNREACHABLE },
	{ ANY_PHASE, 400, 499, ANYWHERE, "timeout waiting", SES_RECONNECT },
	{ ANY_PHASE, 421, 421, ANYWHERE, "message count", SES_RECONNECT },
	{ ANY_PHASE, 421, 421, ANYWHERE, "too many messages", SES_RECONNECT },
	{ ANY_PHASE, 421, 421, ANYWHERE, "concurrent", SES_UNREACHABLE },
	{ ANY_PHASE, 421, 421, ANYWHERE, "", SES_RECONNECT },
	{ ANY_PHASE, 454, 454, ANYWHERE, "sigv2", SES_ACCOUNT },
	{ ANY_PHASE, 454, 454, ANYWHERE, "maximum sending rate", SES_PACE },
	{ ANY_PHASE, 454, 454, ANYWHERE, "daily message quota", SES_DAY_FULL },
	{ ANY_PHASE, 454, 454, ANYWHERE, "authentication", SES_ACCOUNT },
	{ ANY_PHASE, 454, 454, ANYWHERE, "throttling failure", SES_PACE },
	{ ANY_PHASE, 451, 454, ANYWHERE, "temporary service failure",
	    SES_TRY_AGAIN },
	{ ANY_PHASE, 400, 499, ANYWHERE, "", SES_DEFERRED },

	{ AT(SES_PHASE_AUTH), 500, 599, ANYWHERE, "", SES_ACCOUNT },
	{ BEFORE_MAIL, 500, 599, ANYWHERE, "", SES_UNREACHABLE },
	{ ANY_PHASE, 530, 530, ANYWHERE, "", SES_ACCOUNT },
	{ ANY_PHASE, 535, 535, ANYWHERE, "", SES_ACCOUNT },
	{ ANY_PHASE, 501, 501, ANYWHERE, "", SES_REFUSED },
	{ ANY_PHASE, 553, 553, ANYWHERE, "", SES_REFUSED },
	{ ANY_PHASE, 552, 552, ANYWHERE, "", SES_TOO_LARGE },
	/* 500, 502, 503, 504: the dialogue has got out of step, and a fresh
	 * connection is worth a try before anybody's mail bounces. */
	{ ANY_PHASE, 500, 504, ANYWHERE, "", SES_RECONNECT },
	{ ANY_PHASE, 500, 599, AT_START, "transaction failed", SES_REFUSED },
	{ ANY_PHASE, 500, 599, AT_START, "email address is not verified",
	    SES_UNVERIFIED },
	{ ANY_PHASE, 500, 599, AT_START, "access denied", SES_DENIED },
	{ ANY_PHASE, 500, 599, AT_START, "mail from domain", SES_MAIL_FROM },
	{ ANY_PHASE, 500, 599, AT_START, "stream is more than", SES_TOO_LARGE },
	{ ANY_PHASE, 500, 599, AT_START, "message length", SES_TOO_LARGE },
	{ ANY_PHASE, 500, 599, AT_START, "message is", SES_TOO_LARGE },
	{ ANY_PHASE, 500, 599, AT_START, "configuration set", SES_CONFIG_SET },
	{ ANY_PHASE, 500, 599, AT_START, "sending paused", SES_ACCOUNT },
	{ ANY_PHASE, 500, 599, AT_START, "sending suspended", SES_ACCOUNT },
	{ ANY_PHASE, 500, 599, AT_START, "account is paused", SES_ACCOUNT },
	{ ANY_PHASE, 500, 599, AT_START, "your account is paused",
	    SES_ACCOUNT },
	{ ANY_PHASE, 500, 599, AT_START, "account is suspended", SES_ACCOUNT },
	{ ANY_PHASE, 500, 599, ANYWHERE, "identities failed the check",
	    SES_UNVERIFIED },
	{ ANY_PHASE, 500, 599, ANYWHERE, "", SES_UNKNOWN_5XX },
};

/* 250 Ok ID */
static void
take_id(struct ses_result *r)
{
	const char *id = r->text;
	size_t len;

	if (strncasecmp(id, "ok", 2) == 0 && id[2] == ' ')
		id += 3;
	len = strcspn(id, " ");
	if (len > SES_ID_MAX)
		len = SES_ID_MAX;
	memcpy(r->ses_id, id, len);
	r->ses_id[len] = '\0';
}

void
ses_reply_classify(enum ses_phase phase, const struct ses_reply *reply,
    struct ses_result *r)
{
	r->phase = phase;
	r->code = reply->code;
	r->ses_id[0] = '\0';
	set_text(r, reply->text);
	if (reply->code < 400) {
		r->class = SES_OK;
		if (phase == SES_PHASE_DOT)
			take_id(r);
		return;
	}
	r->class = SES_DEFERRED;
	for (size_t i = 0; i < sizeof(rules) / sizeof(rules[0]); i++)
		if ((rules[i].phases & AT(phase)) != 0 &&
		    reply->code >= rules[i].low &&
		    reply->code <= rules[i].high &&
		    (rules[i].where == AT_START
			    ? begins(r->text, rules[i].text)
			    : contains(r->text, rules[i].text))) {
			r->class = rules[i].class;
			break;
		}
	if (r->class == SES_UNVERIFIED)
		drop_parted(r);
}

void
ses_error_classify(enum ses_phase phase, const struct err *err,
    struct ses_result *r)
{
	r->phase = phase;
	r->code = 0;
	r->ses_id[0] = '\0';
	set_text(r, err->text);
	if (phase == SES_PHASE_DOT)
		r->class = SES_DOUBTFUL;
	else if (phase >= SES_PHASE_MAIL)
		/* By TLS, too: the handshake was good, and a record was not. */
		r->class = SES_RECONNECT;
	else if (err->class == ERR_TLS ||
	    (phase == SES_PHASE_TLS && err->class == ERR_PROTO))
		r->class = SES_TLS_TROUBLE;
	else
		r->class = SES_UNREACHABLE;
}
