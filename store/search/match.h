/*
 * search/match: whether a delivery is one that was asked for.
 */
#ifndef STORE_SEARCH_MATCH_H
#define STORE_SEARCH_MATCH_H

#include <stdbool.h>

#include "store/search.h"

/*
 * All of the filter but its words and SES id, against what the journal has. from: the
 * addresses of From, or NULL. The envelope's sender may be neither of the two
 * that a hit has.
 */
bool search_match(const struct search_filter *, const struct search_hit *,
    const char *envelope_sender, const char *from);

#endif
