/* SPDX-License-Identifier: BSD-2-Clause */
#include "config.h"

#include "lmtp/verdict.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "core/clock.h"

static void __attribute__((format(printf, 5, 6)))
set(struct verdict *v, enum record_state state, unsigned code, const char *dsn,
    const char *fmt, ...)
{
	va_list ap;

	v->state = state;
	v->code = code;
	(void)snprintf(v->dsn, sizeof(v->dsn), "%s", dsn);
	v->ses_id[0] = '\0';
	va_start(ap, fmt);
	(void)vsnprintf(v->text, sizeof(v->text), fmt, ap);
	va_end(ap);
}

void
verdict_from_ses(const struct ses_result *r, struct verdict *v)
{
	const char *phase = ses_phase_name(r->phase);

	switch (r->class) {
	case SES_OK:
		set(v, RECORD_SENT, 250, "2.0.0", "Ok %s", r->ses_id);
		(void)snprintf(v->ses_id, sizeof(v->ses_id), "%s", r->ses_id);
		break;
	case SES_DOUBTFUL:
		set(v, RECORD_DOUBTFUL, 451, "4.4.2",
		    "SES may have accepted it: no answer after the final dot "
		    "(%s)", r->text);
		break;
	case SES_RECONNECT:
		set(v, RECORD_DEFERRED, 451, "4.4.2",
		    "lost the connection to SES at %s: %s", phase, r->text);
		break;
	case SES_UNREACHABLE:
		set(v, RECORD_DEFERRED, 451, "4.4.1",
		    "cannot reach SES (%s): %s", phase, r->text);
		break;
	case SES_TLS_TROUBLE:
		set(v, RECORD_DEFERRED, 451, "4.7.5",
		    "no trustworthy TLS connection to SES: %s", r->text);
		break;
	case SES_PACE:
	case SES_DAY_FULL:
		set(v, RECORD_DEFERRED, 451, "4.4.5", "SES says: %u %s",
		    r->code, r->text);
		break;
	case SES_TRY_AGAIN:
	case SES_DEFERRED:
		set(v, RECORD_DEFERRED, 451, "4.3.0", "SES says at %s: %u %s",
		    phase, r->code, r->text);
		break;
	case SES_ACCOUNT:
	case SES_DENIED:
	case SES_MAIL_FROM:
	case SES_CONFIG_SET:
		set(v, RECORD_DEFERRED, 451, "4.7.0",
		    "trouble with the SES account (%s), see the log of "
		    "posternd: %s", ses_class_name(r->class), r->text);
		break;
	case SES_UNVERIFIED:
		set(v, RECORD_REFUSED, 550, "5.7.1",
		    "SES has not verified this sender or recipient: %s",
		    r->text);
		break;
	case SES_TOO_LARGE:
		set(v, RECORD_REFUSED, 552, "5.3.4", "SES says: %u %s",
		    r->code, r->text);
		break;
	case SES_REFUSED:
		set(v, RECORD_REFUSED, 550, "5.6.0", "SES says at %s: %u %s",
		    phase, r->code, r->text);
		break;
	case SES_UNKNOWN_5XX:
		set(v, RECORD_REFUSED, r->code, "5.0.0", "SES says at %s: %s",
		    phase, r->text);
		break;
	}
}

void
verdict_sent_before(const char *ses_id, int64_t at_us, struct verdict *v)
{
	char when[CLOCK_RFC3339_LEN];

	set(v, RECORD_SENT, 250, "2.0.0", "Ok %s (sent before, at %s)", ses_id,
	    clock_rfc3339(at_us, when));
	(void)snprintf(v->ses_id, sizeof(v->ses_id), "%s", ses_id);
}

void
verdict_held(struct verdict *v)
{
	set(v, RECORD_DOUBTFUL, 451, "4.4.2",
	    "SES may have accepted it before; held until an event of SES "
	    "settles it (store.doubtful = hold)");
}

void
verdict_no_turn(int64_t waited_us, double pace, int64_t next_at_us,
    struct verdict *v)
{
	char when[CLOCK_RFC3339_LEN], words[64] = "";

	if (next_at_us != 0)
		(void)snprintf(words, sizeof(words), "; next slot at %s",
		    clock_rfc3339(next_at_us, when));
	if (pace < 0)
		set(v, RECORD_DEFERRED, 451, "4.4.5",
		    "no turn within %lld s%s", (long long)(waited_us /
			US_PER_SEC), words);
	else
		set(v, RECORD_DEFERRED, 451, "4.4.5",
		    "no turn within %lld s at %.3g recipients a second%s",
		    (long long)(waited_us / US_PER_SEC), pace, words);
}

void
verdict_day_full(int64_t spent, int64_t daily, int64_t next_at_us,
    struct verdict *v)
{
	char when[CLOCK_RFC3339_LEN];

	set(v, RECORD_DEFERRED, 451, "4.4.5",
	    "daily quota used: %lld of %lld recipients; next slot at %s",
	    (long long)spent, (long long)daily,
	    clock_rfc3339(next_at_us, when));
}

void
verdict_stopping(struct verdict *v)
{
	set(v, RECORD_DEFERRED, 451, "4.3.2",
	    "not sent: posternd is stopping or its client went away");
}

void
verdict_answer(unsigned code, const char *dsn, const char *words,
    struct verdict *v)
{
	set(v, code < 500 ? RECORD_DEFERRED : RECORD_REFUSED, code, dsn, "%s",
	    words);
}

void
verdict_local(const struct err *err, struct verdict *v)
{
	if (err->class == ERR_FULL)
		set(v, RECORD_DEFERRED, 452, "4.3.1", "%s", err->text);
	else
		set(v, RECORD_DEFERRED, 451, "4.3.0", "%s", err->text);
}
