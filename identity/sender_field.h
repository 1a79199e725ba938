/*
 * sender_field: From or Sender taken apart, and written anew with some of its
 * addresses replaced. For senders.c, which decides about them.
 */
#ifndef IDENTITY_SENDER_FIELD_H
#define IDENTITY_SENDER_FIELD_H

#include <stdbool.h>
#include <stddef.h>

#include "core/address.h"
#include "core/buf.h"
#include "core/header.h"

struct sender_mailbox {
	struct header_mailbox mb;
	char *spec; /* owns mb.spec */
	struct address addr;
	enum address_fault fault; /* of spec, as an address */
	bool replace;		  /* by to, when it is written anew */
	bool show; /* the original becomes the display name if it has none */
	struct address to;
};

struct sender_field {
	const char *name; /* "From" or "Sender" */
	struct header_field f;
	const char *wrong; /* with the field as a whole, or NULL: words that
			    * follow its name */
	struct sender_mailbox *box;
	size_t n;
};

/* The field has to outlive it. */
void sender_field_init(struct sender_field *, const char *name,
    const struct header_field *);
void sender_field_free(struct sender_field *);

/*
 * Whether a display name has an @ outside quotes: SES reads it as one more
 * address, and checks that.
 */
bool sender_field_has_at(const struct sender_field *);

/*
 * Append the field once more, with those display names quoted and addresses
 * replaced where it says so. Everything between stays.
 */
void sender_field_write(const struct sender_field *, struct buf *out);

#endif
