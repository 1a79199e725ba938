/*
 * numbering: a number for each of many texts.
 *
 * In memory, and found in the same time however many there are. Texts are
 * compared byte by byte. Not for several threads at once.
 */
#ifndef STORE_NUMBERING_H
#define STORE_NUMBERING_H

#include <stddef.h>

struct numbering;

/* It grows beyond what is expected. */
struct numbering *numbering_new(size_t expected);
void numbering_free(struct numbering *); /* NULL is fine */

/* The number of a text, or 0. */
unsigned numbering_find(const struct numbering *, const char *text);

/* Give a text, which is copied, a number, whatever it had before. */
void numbering_add(struct numbering *, const char *text, unsigned n);

#endif
