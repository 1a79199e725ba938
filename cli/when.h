/*
 * when: times as people write and read them.
 */
#ifndef CLI_WHEN_H
#define CLI_WHEN_H

#include <stdint.h>

#include "core/clock.h"

/*
 * YYYY-MM-DD, YYYY-MM-DDTHH:MM[:SS[.FRACTION]][Z] (a blank does for the T), all
 * UTC, or a duration like 90s, 2h, 3d, which means that long before now, or
 * after it with future set. -1 when it is none of these, or no day of any year.
 */
int when_parse(const char *, int future, int64_t *wall_us_r);

/* 2026-11-22 03:22:12, in UTC. "" for 0. Returns text. */
#define WHEN_LEN 24
const char *when_short(int64_t wall_us, char text[WHEN_LEN]);

#endif
