/*
 * json: writing JSON into a buffer, and reading flat objects (RFC 8259).
 *
 * Writing keeps no state beyond the buffer: a comma goes in where the last byte
 * says that one value has ended, so a document that follows another in the same
 * buffer needs a line end between. Strings come out as valid UTF-8 whatever
 * went in: bytes that are none become U+FFFD, control characters are escaped.
 */
#ifndef CORE_JSON_H
#define CORE_JSON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/buf.h"
#include "core/err.h"

/* '{' or '[', and '}' or ']'. */
void json_open(struct buf *, char bracket);
void json_close(struct buf *, char bracket);
void json_key(struct buf *, const char *key);

/* Values: array elements, or after json_key. A NULL string is null. */
void json_string(struct buf *, const char *s);
void json_string_len(struct buf *, const char *s, size_t len);
void json_int(struct buf *, int64_t);
void json_bool(struct buf *, bool);
void json_null(struct buf *);
/* Text that is JSON already. */
void json_raw(struct buf *, const char *json);

/* Members of an object. json_add_string leaves a NULL value out. */
void json_add_string(struct buf *, const char *key, const char *value);
void json_add_int(struct buf *, const char *key, int64_t value);
void json_add_bool(struct buf *, const char *key, bool value);

/* What stands where a value was asked for. */
enum json_type {
	JSON_ABSENT,
	JSON_STRING,
	JSON_NUMBER,
	JSON_BOOL,
	JSON_NULL,
	JSON_NESTED /* an object or array */
};

/*
 * Find a member of the object in text. value gets a string's characters with
 * escapes undone (\u0000 is refused: it would cut the string), and the text of
 * anything else. JSON_ABSENT also when the key is not there; -1 and err
 * (ERR_PROTO) when text is no object, or nested more than 32 deep.
 */
int json_get(const char *text, const char *key, enum json_type *type_r,
    struct buf *value, struct err *);

/*
 * The same for what must be a string or an integer: 1 when there, 0 when
 * absent or null, -1 and err.
 */
int json_get_string(const char *text, const char *key, struct buf *value,
    struct err *);
int json_get_int(const char *text, const char *key, int64_t *value_r,
    struct err *);

/*
 * The next element of an array: *at is the array's text, and moves on. 1 and
 * the element as json_get's values, 0 at the end, -1 and err (ERR_PROTO).
 */
int json_next(const char **at, enum json_type *type_r, struct buf *value,
    struct err *);

#endif
