/*
 * record_text: what replies and reasons say, as it may be stored.
 *
 * They enter the chain, which never forgets, so nobody's address may stand in
 * them. All of them are valid UTF-8, and cut at RECORD_TEXT_MAX_BYTES.
 */
#ifndef STORE_RECORD_TEXT_H
#define STORE_RECORD_TEXT_H

#include "store/journal.h"

#define RECORD_TEXT_MAX_BYTES 1000

/*
 * A text as it may stand in the detail of a row that is about no message
 * (journal_note): addresses become {address}. A new string, to be freed; NULL
 * stays NULL.
 */
char *record_storable(const char *text);

/*
 * Inside an op: a text of SES's or ours about recipient n of a message (0:
 * about the message), where parties' addresses become {recipient:N} and the
 * like. ses_id, which has a column of its own, becomes {ses-id}; it may be NULL.
 * *text_r is to be freed; NULL stays NULL.
 */
int record_storable_of(struct journal_tx *, const struct uuid *, unsigned n,
    const char *text, const char *ses_id, char **text_r, struct err *);

/*
 * The same for a remote server's words about recipient n, where what party_hide
 * knows as the recipient's name goes, too.
 */
int record_storable_words(struct journal_tx *, const struct uuid *, unsigned n,
    const char *text, char **text_r, struct err *);

#endif
