/*
 * control: what `postern` asks of a running posternd, JSON lines over a unix
 * socket (mode 0660).
 *
 * A request is an object with "op", the answer an object with "ok" and, when
 * that is false, "error". The peer's uid is the 'who' in the journal. Who is
 * neither root nor our own user may not prune, erase and scrub.
 *
 *	quota		limits, pace, what is spent, the next slot
 *	status		sessions, deliveries, senders, recipients put off at RCPT for a
 *			full day, open breakers, the journal's head
 *	suppress-add	address, reason, until (wall time in microseconds, 0: for ever)
 *	suppress-remove	address, reason
 *	search-catch-up	bring the search database up to date; rows read
 *	events		events (an array, as event_json writes them): into the
 *			journal; what became of how many
 *	prune-begin	archive (its whole path), unsettled, instead, remains: see
 *			store/prune.h; answers whether it has to look on, and nothing done: again
 *	prune-messages	archive, as_of, messages (an array of ids), whether they
 *			are the last; answers whether as_of was too far behind,
 *			and nothing done: again
 *	prune-rows	archive, after the last messages; answers whether some are
 *			left: again
 *	forget		address, items (an array of message, or none, and
 *			parties: an array of n and role), suppression_too: see
 *			store/forget.h; seqs
 *	scrub		page, 1 at first: forget_wipe; answers which page is next,
 *			0 at the end. The search database is discarded
 */
#ifndef LMTP_CONTROL_H
#define LMTP_CONTROL_H

#include "core/err.h"
#include "lmtp/listener.h"
#include "lmtp/server.h"

struct control;

/* Bind daemon.control. NULL and err. */
struct control *control_bind(const char *path, struct err *);
int control_start(struct control *, struct server *, struct listener *);

/* Remove the socket. */
void control_stop(struct control *);

#endif
