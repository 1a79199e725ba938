/*
 * search/words: what a delivery's replies say, as words it can be found by.
 */
#ifndef STORE_SEARCH_WORDS_H
#define STORE_SEARCH_WORDS_H

#include <stdbool.h>
#include <stddef.h>

#include "core/buf.h"

/* More of a question's words are not looked up, only compared. */
#define SEARCH_WORDS_MAX 8

/*
 * The next word of a text: letters, digits and bytes above ASCII, with . - _
 * between them, so that 5.1.1 is one. *at moves on. 1 and the word, or 0 at the
 * end.
 */
int search_word(const char **at, const char **word_r, size_t *len_r);

/*
 * Append what a row of the journal says in words, blanks between: code, dsn and
 * reply of an outcome, type, codes and texts of what SES reported. Nothing for
 * `sent` and for good news, which would only say "Ok" for every delivery.
 */
void search_row_words(const char *event, const char *detail, struct buf *out);

/* Whether text has every word of wanted, in any order and case. */
bool search_has_words(const char *text, const char *wanted);

#endif
