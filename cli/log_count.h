/*
 * log_count: deliveries counted instead of listed (postern log --count).
 */
#ifndef CLI_LOG_COUNT_H
#define CLI_LOG_COUNT_H

#include <stdbool.h>
#include <stddef.h>

#include "cli/cli.h"
#include "store/search.h"

struct log_count;

/* What --by may name, with commas between, for messages. */
extern const char log_count_keys[];

/* NULL when deliveries can't be counted by that; by NULL counts them all. */
struct log_count *log_count_new(const char *by);
void log_count_free(struct log_count *);

/* A search_fn; arg is the struct log_count. */
int log_count_hit(void *arg, const struct search_hit *);

/* Print limit rows at most (0: all), as a table, CSV or an object a line.
 * Returns how many there are. */
size_t log_count_print(
    struct log_count *, const struct cli *, bool csv, size_t limit);

#endif
