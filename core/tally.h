/*
 * tally: numbers by name.
 *
 * What was not named before starts with zeros. Memory is bounded: beyond
 * TALLY_NAMES_MAX names, new ones share one that is called "(others)". Not for
 * several threads at once.
 */
#ifndef CORE_TALLY_H
#define CORE_TALLY_H

#include <stddef.h>
#include <stdint.h>

#define TALLY_NAMES_MAX 500000
#define TALLY_NUMBERS 12

struct tally_row {
	char *name;
	int64_t n[TALLY_NUMBERS];
};

struct tally;

struct tally *tally_new(void);
void tally_free(struct tally *);

/* The row of a name, to add to; good until the next call. */
struct tally_row *tally_at(struct tally *, const char *name);

size_t tally_size(const struct tally *);

/*
 * All rows, sorted: by name, or with `largest` by falling n[0], then by name.
 * They belong to the tally, which can't be added to afterwards.
 */
enum tally_order { TALLY_BY_NAME, TALLY_LARGEST };
const struct tally_row *tally_sorted(struct tally *, enum tally_order);

#endif
