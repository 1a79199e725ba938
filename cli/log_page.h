/*
 * log_page: deliveries one by one (postern log without --count), as a table,
 * CSV or JSON lines.
 */
#ifndef CLI_LOG_PAGE_H
#define CLI_LOG_PAGE_H

#include <stdbool.h>
#include <stdint.h>

#include "cli/output.h"
#include "store/search.h"

struct log_page;

/*
 * A table, but for csv, whose head is written at once, and --json. wide: also
 * as whom it was sent. out must last.
 */
struct log_page *log_page_new(const struct output *out, bool csv, bool wide);
void log_page_free(struct log_page *);

/* A search_fn; arg is the struct log_page. CSV and JSON are written at once. */
int log_page_hit(void *arg, const struct search_hit *);

/* The table, if it is one, and what its marks mean. */
void log_page_print(const struct log_page *);

/* The cursor at which the page has ended, for the one after it. */
int64_t log_page_next(const struct log_page *);

#endif
