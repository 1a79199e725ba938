/*
 * conf_table: the one table of configuration keys, and what to do with a value.
 *
 * Private to core/conf*.c. A key that is to be added needs a member in struct
 * conf, a row here, and a paragraph in postern.conf(5), which a test asks for.
 */
#ifndef CORE_CONF_TABLE_H
#define CORE_CONF_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/buf.h"
#include "core/conf.h"
#include "core/err.h"

#define CONF_VALUE_MAX 1024 /* bytes in one value */
#define CONF_LIST_MAX 64    /* items in a list */

enum conf_kind {
	CONF_TEXT,     /* char * */
	CONF_LIST,     /* struct conf_list */
	CONF_COUNT,    /* int64_t */
	CONF_DURATION, /* int64_t */
	CONF_SIZE,     /* int64_t */
	CONF_RATE,     /* double */
	CONF_YES_NO,   /* bool */
	CONF_CHOICE    /* an enum, counted from the first word of choices */
};

struct conf_key {
	const char *section, *key, *name; /* name is section.key */
	enum conf_kind kind;
	size_t offset;
	const char *dflt; /* as written in the file; NULL when there is none */
	const char *dflt_words; /* what an unset key means, in place of dflt */
	const char *choices; /* CONF_CHOICE: words with | between; an empty one
				can't be written */
	int64_t min, max;    /* bounds of a number */
	bool unlimited;	     /* `unlimited` may stand for the number */
	bool restart;	     /* takes effect only at a restart */
	bool not_empty;	     /* a list that makes no sense without items */
	/* What else must hold for a text or an item: -1 and err in words that
	 * say what would be right. */
	int (*check)(const char *value, struct err *);
	const char *help;
};

extern const struct conf_key conf_keys[];
extern const size_t conf_nkeys;

const struct conf_key *conf_key_find(
    const char *section, size_t section_len, const char *key, size_t key_len);

/* "did you mean ...", or what there is to choose from. */
void conf_suggest(const char *section, size_t section_len, const char *key,
    size_t key_len, struct buf *out);

/* Set, or add to a list. -1 and err (ERR_CONFIG) saying what would be right;
 * nothing is changed then. */
int conf_value_set(
    const struct conf_key *, struct conf *, const char *value, struct err *);
void conf_value_default(const struct conf_key *, struct conf *);
void conf_value_print(
    const struct conf_key *, const struct conf *, struct buf *out);
void conf_value_free(const struct conf_key *, struct conf *);

#endif
