/*
 * audit: the whole story of one message.
 */
#ifndef STORE_AUDIT_H
#define STORE_AUDIT_H

#include <stddef.h>
#include <stdint.h>

#include "core/err.h"
#include "store/journal.h"

struct audit_message {
	struct uuid id;
	int64_t received_at, size;
	/* NULL where there is none. */
	const char *queue_ids, *message_id, *repairs;
};
struct audit_party {
	const char *role;
	unsigned n;
	const char *value; /* NULL: erased */
};
struct audit_delivery {
	unsigned n, attempts, code;
	const char *state, *ses_id, *dsn, *reply, *feedback;
	int64_t sent_at, updated_at;
};
struct audit_row {
	int64_t seq, at;
	const char *event;
	unsigned n;
	const char *detail; /* JSON */
};

/* Texts last until the callback returns. */
struct audit_listener {
	void (*message)(void *arg, const struct audit_message *);
	void (*party)(void *arg, const struct audit_party *);
	void (*delivery)(void *arg, const struct audit_delivery *);
	void (*row)(void *arg, const struct audit_row *);
	void *arg;
};

struct audit;

/* The search database is used where there is one. */
struct audit *audit_open(const char *journal_path, struct err *);
void audit_close(struct audit *);

/*
 * The messages that go by a name: a UUID, or what the search database knows
 * (queue id of any hop, SES id, Message-ID). At most max. Returns how many, or
 * -1 and err: ERR_STATE when the name is no UUID and there is no search
 * database.
 */
int audit_find(struct audit *, const char *name, struct uuid *ids, size_t max,
    struct err *);

/*
 * Tell a message: itself, its parties, its deliveries, its rows in their
 * order. 1, 0 when there is no such message, -1 and err.
 */
int audit_tell(struct audit *, const struct uuid *,
    const struct audit_listener *, struct err *);

#endif
