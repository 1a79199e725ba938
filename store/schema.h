/*
 * schema: the numbered SQL of schema/, built in.
 */
#ifndef STORE_SCHEMA_H
#define STORE_SCHEMA_H

/* Text of step N at [N - 1]; NULL ends it. */
extern const char *const schema_journal[];
extern const char schema_search[];

#endif
