/* SPDX-License-Identifier: BSD-2-Clause */
#include "config.h"

#include "lmtp/recipient.h"

#include <stdatomic.h>
#include <stdio.h>

#include "core/clock.h"
#include "core/log.h"
#include "core/mem.h"
#include "lmtp/gate.h"

static void
refuse(struct session *s, struct recipient *r)
{
	session_reply(s, r->verdict.code, r->verdict.dsn, "%s",
	    r->verdict.text);
}

static void
refuse_with(struct session *s, struct recipient *r, unsigned code,
    const char *dsn, const char *words)
{
	verdict_answer(code, dsn, words, &r->verdict);
	refuse(s, r);
}

void
recipient_malformed(struct session *s, const char *path,
    enum address_fault bad, const struct err *err)
{
	struct address none = { .text = "" };
	struct recipient *r = transaction_add(s->txn, &none);
	char written[ADDRESS_WRITTEN_MAX + 1];
	static const struct {
		unsigned code;
		const char *dsn;
	} replies[] = {
		[ADDRESS_SYNTAX] = { 501, "5.1.3" },
		[ADDRESS_TOO_LONG] = { 501, "5.1.3" },
		[ADDRESS_NO_DOMAIN] = { 501, "5.1.3" },
		[ADDRESS_NON_ASCII_LOCAL] = { 553, "5.6.7" },
		[ADDRESS_BAD_DOMAIN] = { 501, "5.1.2" },
	};

	address_written(path, written);
	r->raw = mem_strdup(written);
	refuse_with(s, r, replies[bad].code, replies[bad].dsn, err->text);
}

/* Once for each change: the refusals themselves are too many to be told. */
static void
tell_day(struct server *server, bool spent, const char *words)
{
	if (atomic_exchange(&server->day_spent, spent) == spent)
		return;
	if (spent)
		log_warning(NULL, "day-spent", "reply", words);
	else
		log_info(NULL, "day-free");
}

/*
 * The peek at the day: would this recipient's slot, counting all that wait and
 * those this transaction already has, come too late?
 */
static bool
day_is_full(struct session *s, struct recipient *r)
{
	int64_t now = clock_mono_us(), slot;
	struct quota_state state;

	if (address_is_simulator(&r->address))
		return false;
	slot = quota_day_slot(s->server->quota,
	    dispatch_waiting(s->server->dispatch) + s->txn->naccepted);
	if (slot <= now + s->conf->lmtp.answer_within) {
		tell_day(s->server, false, NULL);
		return false;
	}
	quota_state(s->server->quota, &state);
	verdict_day_full(state.spent, state.limits.daily,
	    clock_wall_us() + slot - now, &r->verdict);
	tell_day(s->server, true, r->verdict.text);
	r->counted_only = true;
	atomic_fetch_add(&s->server->put_off, 1);
	return true;
}

static void
refuse_suppressed(struct session *s, struct recipient *r, const char *reason)
{
	bool is_said = *reason != '\0';
	char text[VERDICT_TEXT_MAX + 1];

	(void)snprintf(text, sizeof(text),
	    "<%s> is suppressed%s%s%s; postern suppress remove %s",
	    r->address.text, is_said ? " (" : "", reason, is_said ? ")" : "",
	    address_pasteable(&r->address));
	refuse_with(s, r, 550, "5.7.1", text);
}

static bool
may_receive(struct session *s, struct recipient *r)
{
	struct rewrite_rules rules;
	enum gate_result result;
	struct gate_reply reply;
	char reason[SUPPRESSION_REASON_LEN];

	if (suppressions_find(s->server->suppressions, &r->address, reason)) {
		refuse_suppressed(s, r, reason);
		return false;
	}
	server_rules(s->server, NULL, &rules);
	result = gate_recipient(&rules, &r->address, &reply);
	rules_put(&rules);
	if (result == GATE_PASS)
		return true;
	refuse_with(s, r, reply.code, reply.dsn, reply.text);
	return false;
}

void
recipient_answer(struct session *s, const struct address *address)
{
	struct recipient *r = transaction_add(s->txn, address);

	r->same = transaction_find(s->txn, address);
	if (r->same == NULL) {
		if (!may_receive(s, r))
			return;
		if (day_is_full(s, r)) {
			refuse(s, r);
			return;
		}
		s->txn->naccepted++;
	}
	r->accepted = true;
	session_reply(s, 250, "2.1.5", "Ok");
}
