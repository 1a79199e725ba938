/*
 * mem: memory that is there or the program ends.
 *
 * For the many small allocations whose failure nothing sensible can follow.
 * Nothing here returns NULL. Whatever grows with what a peer sends is bounded
 * by its owner (see buf.h) or lives in a file (see message.h).
 */
#ifndef CORE_MEM_H
#define CORE_MEM_H

#include <stddef.h>

/*
 * Zeroed memory for one object of size bytes. The caller frees it with free().
 */
void *mem_new(size_t size);

/*
 * Zeroed memory for n objects of size bytes; an overflowing product ends the
 * program.
 */
void *mem_array(size_t n, size_t size);

/* Grow p to n objects of size bytes; what is new is not zeroed. */
void *mem_grow(void *p, size_t n, size_t size);

/*
 * Copies, NUL-terminated, to be freed with free(). NULL stays NULL in
 * mem_strdup.
 */
char *mem_strdup(const char *s);
char *mem_strndup(const char *s, size_t len);
char *mem_printf(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* Overwrite a secret so that the compiler can't leave it out. */
void mem_wipe(void *p, size_t len);

#endif
