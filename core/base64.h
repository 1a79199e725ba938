/*
 * base64: RFC 4648 section 4, with padding.
 */
#ifndef CORE_BASE64_H
#define CORE_BASE64_H

#include <stddef.h>

/* Encode into a new string, to be freed with free(). */
char *base64_text(const void *, size_t len);

#endif
