/*
 * fields: a header section taken apart, and the addresses in it.
 *
 * The sandbox's own parser, which reads as SES does: strictly where SES was
 * seen to refuse.
 */
#ifndef SANDBOX_FIELDS_H
#define SANDBOX_FIELDS_H

#include <stdbool.h>
#include <stddef.h>

#include "core/buf.h"

struct field {
	const char *name;
	size_t name_len;
	const char *value; /* blanks at both ends left out, still folded */
	size_t value_len;
};

struct fields {
	struct field *items;
	size_t n;
	unsigned garbage; /* lines that are neither field nor continuation */
};

/* The fields point into header, which has to stay. */
void fields_parse(struct fields *, const struct buf *header);
void fields_free(struct fields *);

bool field_is(const struct field *, const char *name);
/* The first field of that name, or NULL. */
const struct field *fields_find(const struct fields *, const char *name);

/* A value on one line. */
void field_unfold(const struct field *, struct buf *out);

/* The first once-only field that comes twice (facts section 3.4), or NULL. */
const struct field *fields_duplicate(const struct fields *);

/*
 * Call fn for each address of an address-list value: shown is "Name <address>"
 * or the bare address, as SES's refusal shows it. False when fn returned false,
 * or where the value can't be read: then words say why, in JavaMail's terms.
 */
typedef bool fields_address_fn(
    void *arg, const char *address, const char *shown);
bool fields_addresses(const struct field *, fields_address_fn *, void *arg,
    char *words, size_t size);

#endif
