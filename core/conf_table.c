/* SPDX-License-Identifier: BSD-2-Clause */
#include "config.h"

#include "core/conf_table.h"

#include <string.h>

#include "core/clock.h"
#include "core/conf_check.h"

/*
 * The rows are in the order of postern.conf(5), and a section's rows stand
 * together: whoever prints them relies on both.
 */

#define AT(member) offsetof(struct conf, member)
#define KEY(s, k) .section = (s), .key = (k), .name = s "." k

#define MS US_PER_MS
#define SEC US_PER_SEC
#define MINUTE (60 * SEC)
#define HOUR (60 * MINUTE)
#define DAY (24 * HOUR)
#define KILO INT64_C(1024)
#define MEGA (1024 * KILO)

const struct conf_key conf_keys[] = {
	{ KEY("daemon", "user"), CONF_TEXT, AT(daemon.user), "postern",
	    .check = conf_check_user, .restart = true,
	    .help = "who the daemons become when started as root" },
	{ KEY("daemon", "control"), CONF_TEXT, AT(daemon.control),
	    RUNSTATEDIR "/postern/control.sock", .check = conf_check_socket,
	    .restart = true, .help = "socket on which posternd takes orders" },
	{ KEY("daemon", "alarm-command"), CONF_TEXT, AT(daemon.alarm_command),
	    .dflt_words = "none", .check = conf_check_command,
	    .help = "run once for each change of state, words on stdin" },

	{ KEY("ses", "endpoint"), CONF_LIST, AT(ses.endpoint),
	    .dflt_words = "none, must be set", .check = conf_check_endpoint,
	    .not_empty = true,
	    .help = "HOST[:PORT] of SES, several are tried in order" },
	{ KEY("ses", "tls"), CONF_CHOICE, AT(ses.tls),
	    .dflt_words = "wrapper on 465 and 2465, else starttls",
	    .choices = "|starttls|wrapper",
	    .help = "when TLS begins: after STARTTLS or at once" },
	{ KEY("ses", "credentials"), CONF_TEXT, AT(ses.credentials),
	    .dflt_words = "none, must be set", .check = conf_check_path,
	    .help = "file with a USERNAME:PASSWORD a line, tried in order" },
	{ KEY("ses", "ca-file"), CONF_TEXT, AT(ses.ca_file),
	    .dflt_words = "the system's", .check = conf_check_path,
	    .help = "certificates to trust, in PEM form" },
	{ KEY("ses", "region"), CONF_TEXT, AT(ses.region),
	    .dflt_words = "taken from the endpoint's name",
	    .check = conf_check_region, .help = "AWS region of the account" },
	{ KEY("ses", "connections"), CONF_COUNT, AT(ses.connections), "50",
	    .min = 1, .max = 1000, .help = "most connections at once" },
	{ KEY("ses", "messages-per-connection"), CONF_COUNT,
	    AT(ses.messages_per_connection), "100", .min = 1, .max = 10000,
	    .help = "messages after which a connection is made anew" },
	{ KEY("ses", "configuration-set"), CONF_TEXT, AT(ses.configuration_set),
	    .dflt_words = "none", .check = conf_check_tag_name,
	    .help = "put into each message as X-SES-CONFIGURATION-SET" },
	{ KEY("ses", "message-tags"), CONF_LIST, AT(ses.message_tags),
	    .dflt_words = "none", .check = conf_check_tag,
	    .help = "\"NAME=VALUE\" put into each message's "
		    "X-SES-MESSAGE-TAGS" },
	{ KEY("ses", "allow-headers"), CONF_LIST, AT(ses.allow_headers),
	    .dflt_words = "none", .check = conf_check_ses_header,
	    .help = "X-SES-* headers that mail users may set themselves" },
	{ KEY("ses", "dkim-signature"), CONF_CHOICE, AT(ses.dkim_signature),
	    "drop", .choices = "drop|keep",
	    .help = "what becomes of a DKIM-Signature that a message has" },
	{ KEY("ses", "connect-timeout"), CONF_DURATION, AT(ses.connect_timeout),
	    "10s", .min = 100 * MS, .max = 10 * MINUTE,
	    .help = "for connecting to one address" },
	{ KEY("ses", "command-timeout"), CONF_DURATION, AT(ses.command_timeout),
	    "60s", .min = 100 * MS, .max = 10 * MINUTE,
	    .help = "for the reply to a command" },
	{ KEY("ses", "data-timeout"), CONF_DURATION, AT(ses.data_timeout),
	    "120s", .min = 100 * MS, .max = 30 * MINUTE,
	    .help = "for the reply to the final dot" },
	{ KEY("ses", "idle-timeout"), CONF_DURATION, AT(ses.idle_timeout), "8s",
	    .min = 100 * MS, .max = 10 * MINUTE,
	    .help = "how long an unused connection is kept" },

	{ KEY("quota", "rate"), CONF_RATE, AT(quota.rate), "1", .min = 0,
	    .max = 100000, .unlimited = true,
	    .help = "recipients a second, decimals allowed" },
	{ KEY("quota", "daily"), CONF_COUNT, AT(quota.daily), "200", .min = 1,
	    .max = 1000000000, .unlimited = true,
	    .help = "recipients in each rolling window" },
	{ KEY("quota", "daily-window"), CONF_DURATION, AT(quota.daily_window),
	    "24h", .min = SEC, .max = 7 * DAY,
	    .help = "length of that window" },

	{ KEY("identities", "file"), CONF_TEXT, AT(identities.file),
	    .dflt_words = "none", .check = conf_check_path,
	    .help = "verified domains and addresses, one a line" },
	{ KEY("identities", "sandbox"), CONF_YES_NO, AT(identities.sandbox),
	    "yes", .help = "are recipients refused who are not verified?" },

	{ KEY("rewrite", "senders"), CONF_TEXT, AT(rewrite.senders),
	    .dflt_words = "none", .check = conf_check_path,
	    .help = "table that says what becomes of which sender" },
	{ KEY("rewrite", "default"), CONF_TEXT, AT(rewrite.dflt_text), "reject",
	    .check = conf_check_default,
	    .help = "what becomes of a sender who is in no table" },
	{ KEY("rewrite", "null-sender"), CONF_TEXT, AT(rewrite.null_sender),
	    .dflt_words = "mailer-daemon@ the first verified domain, else "
			  "the first verified address",
	    .check = conf_check_sender,
	    .help = "stands in for the null sender, which SES refuses" },
	{ KEY("rewrite", "srs-domain"), CONF_TEXT, AT(rewrite.srs_domain),
	    .dflt_words = "the first verified domain",
	    .check = conf_check_domain,
	    .help = "domain of the SRS addresses that are made" },
	{ KEY("rewrite", "secret"), CONF_TEXT, AT(rewrite.secret),
	    .dflt_words = "none", .check = conf_check_path,
	    .help = "file with a key a line, for SRS and for the origin" },

	{ KEY("lmtp", "listen"), CONF_LIST, AT(lmtp.listen),
	    "unix:" RUNSTATEDIR "/postern/lmtp.sock:0660", .check = conf_check_listen,
	    .restart = true, .not_empty = true,
	    .help = "unix:PATH[:MODE[:GROUP]] or inet:ADDRESS:PORT" },
	{ KEY("lmtp", "allow"), CONF_LIST, AT(lmtp.allow), "127.0.0.0/8, ::1",
	    .check = conf_check_cidr,
	    .help = "networks that may use the inet sockets" },
	{ KEY("lmtp", "answer-within"), CONF_DURATION, AT(lmtp.answer_within),
	    "240s", .min = SEC, .max = HOUR,
	    .help = "longest hold of a transaction after its final dot" },
	{ KEY("lmtp", "max-sessions"), CONF_COUNT, AT(lmtp.max_sessions), "200",
	    .min = 1, .max = 10000,
	    .help = "most sessions at once, more wait" },
	{ KEY("lmtp", "max-message-size"), CONF_SIZE, AT(lmtp.max_message_size),
	    "40M", .min = KILO, .max = 1024 * MEGA,
	    .help = "largest message taken" },
	{ KEY("lmtp", "max-recipients"), CONF_COUNT, AT(lmtp.max_recipients),
	    "1000", .min = 1, .max = 50000,
	    .help = "most recipients in one transaction" },
	{ KEY("lmtp", "command-timeout"), CONF_DURATION,
	    AT(lmtp.command_timeout), "300s", .min = 100 * MS, .max = HOUR,
	    .help = "for the MTA's next command" },

	{ KEY("store", "path"), CONF_TEXT, AT(store.path),
	    LOCALSTATEDIR "/lib/postern/postern.db", .check = conf_check_path,
	    .restart = true, .help = "the journal, an SQLite database" },
	{ KEY("store", "repeat-window"), CONF_DURATION, AT(store.repeat_window),
	    "10d", .min = SEC, .max = 366 * DAY,
	    .help = "how long a message is known when it comes again" },
	{ KEY("store", "doubtful"), CONF_CHOICE, AT(store.doubtful), "resend",
	    .choices = "resend|hold",
	    .help = "what becomes of a delivery that SES may have" },

	{ KEY("events", "suppress"), CONF_LIST, AT(events.suppress),
	    "bounce, complaint", .check = conf_check_suppress,
	    .help = "reports of SES that put a recipient on the suppression "
		    "list" },

	{ KEY("milter", "listen"), CONF_TEXT, AT(milter.listen),
	    "unix:" RUNSTATEDIR "/postern/milter.sock", .check = conf_check_listen,
	    .restart = true,
	    .help = "where the MTA finds postern-milter, as lmtp.listen" },
	{ KEY("milter", "socketmap"), CONF_TEXT, AT(milter.socketmap),
	    "unix:" RUNSTATEDIR "/postern/socketmap.sock", .check = conf_check_listen,
	    .restart = true,
	    .help = "where the MTA looks SRS addresses up" },

	{ KEY("log", "to"), CONF_CHOICE, AT(log.to),
	    .dflt_words = "stderr on a terminal or under systemd, else syslog",
	    .choices = "|syslog|stderr", .restart = true,
	    .help = "where log lines go" },
};

const size_t conf_nkeys = sizeof(conf_keys) / sizeof(conf_keys[0]);

static bool
same(const char *name, const char *s, size_t len)
{
	return strlen(name) == len && memcmp(name, s, len) == 0;
}

const struct conf_key *
conf_key_find(
    const char *section, size_t section_len, const char *key, size_t key_len)
{
	size_t i;

	for (i = 0; i < conf_nkeys; i++) {
		if (same(conf_keys[i].section, section, section_len) &&
		    (key_len == 0 || same(conf_keys[i].key, key, key_len)))
			return &conf_keys[i];
	}
	return NULL;
}

#define NAME_MAX_LEN 32

/* Changes of one letter that turn one name into the other (Levenshtein). */
static size_t
distance(const char *a, const char *b, size_t b_len)
{
	size_t row[NAME_MAX_LEN + 1], i, j, left, diag, best;

	if (b_len > NAME_MAX_LEN)
		return NAME_MAX_LEN;
	for (j = 0; j <= b_len; j++)
		row[j] = j;
	for (i = 0; a[i] != '\0'; i++) {
		diag = row[0];
		row[0] = left = i + 1;
		for (j = 0; j < b_len; j++) {
			best = diag + (a[i] != b[j]);
			if (row[j + 1] + 1 < best)
				best = row[j + 1] + 1;
			if (left + 1 < best)
				best = left + 1;
			diag = row[j + 1];
			row[j + 1] = left = best;
		}
	}
	return row[b_len];
}

static bool
near(const char *name, const char *s, size_t len)
{
	return distance(name, s, len) <= (len < 5 ? 1 : 2);
}

/* Every section, or every key of one, with commas between. */
static void
list_names(const char *section, size_t section_len, struct buf *out)
{
	const char *last = "";
	size_t i;

	for (i = 0; i < conf_nkeys; i++) {
		if (section_len > 0 &&
		    !same(conf_keys[i].section, section, section_len))
			continue;
		if (section_len == 0 && strcmp(conf_keys[i].section, last) == 0)
			continue;
		last = conf_keys[i].section;
		if (out->len > 0)
			buf_adds(out, ", ");
		buf_adds(out, section_len > 0 ? conf_keys[i].key : last);
	}
}

void
conf_suggest(const char *section, size_t section_len, const char *key,
    size_t key_len, struct buf *out)
{
	const struct conf_key *k;
	size_t i;

	for (i = 0; i < conf_nkeys; i++) {
		k = &conf_keys[i];
		if (key_len == 0 && near(k->section, section, section_len)) {
			buf_addf(out, "did you mean %s?", k->section);
			return;
		}
		if (key_len > 0 && same(k->section, section, section_len) &&
		    near(k->key, key, key_len)) {
			buf_addf(out, "did you mean %s?", k->key);
			return;
		}
	}
	for (i = 0; i < conf_nkeys; i++) {
		k = &conf_keys[i];
		if (key_len > 0 && same(k->key, key, key_len)) {
			buf_addf(out, "it belongs into section %s", k->section);
			return;
		}
	}
	list_names(section, key_len > 0 ? section_len : 0, out);
}
