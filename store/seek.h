/*
 * seek: where in the journal a time lies.
 *
 * `at` never falls as seq grows, so the first row of a time is found by
 * halving, within one statement and so in one state of the journal.
 */
#ifndef STORE_SEEK_H
#define STORE_SEEK_H

/*
 * Goes before a SELECT; ?1 is the time. The rows of `half` end with lo = hi,
 * the first row at that time or later, or the seq behind the last row: lo only
 * grows, from the journal's first row (1 when it is empty). A row that is not
 * there counts as later, and gap names one that was asked for, or is NULL.
 */
#define SEEK_HALF                                                              \
	"WITH RECURSIVE half(lo, hi, gap) AS ("                                \
	"SELECT coalesce((SELECT min(seq) FROM journal), 1), "                 \
	"coalesce((SELECT max(seq) FROM journal), 0) + 1, NULL UNION ALL "     \
	"SELECT CASE WHEN at < ?1 THEN (lo + hi) / 2 + 1 ELSE lo END, "        \
	"CASE WHEN at < ?1 THEN hi ELSE (lo + hi) / 2 END, "                   \
	"CASE WHEN at IS NULL THEN (lo + hi) / 2 ELSE gap END "                \
	"FROM half LEFT JOIN journal ON seq = (lo + hi) / 2 WHERE lo < hi) "

#endif
