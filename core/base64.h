/*
 * base64: RFC 4648 section 4, with padding.
 */
#ifndef CORE_BASE64_H
#define CORE_BASE64_H

#include <stddef.h>

/* Encode into a new string, to be freed with free(). */
char *base64_text(const void *, size_t len);

/*
 * Decode into out, at most max bytes. -1 for anything that base64_text would
 * not have written, and for more than max.
 */
int base64_bytes(const char *, size_t len, unsigned char *out, size_t max,
    size_t *len_r);

#endif
