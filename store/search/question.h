/*
 * search/question: which deliveries may be those asked for, newest first.
 *
 * Answered from the search database alone, in the order of ids. What it finds
 * is to be compared with the journal: two values may share a term, and a state
 * may have changed since.
 */
#ifndef STORE_SEARCH_QUESTION_H
#define STORE_SEARCH_QUESTION_H

#include "store/db.h"
#include "store/search.h"
#include "store/search/plain.h"
#include "store/search/words.h"

/* Those of a filter, and the words of a reply. */
#define SEARCH_TERMS_MAX (8 + SEARCH_WORDS_MAX)

/* What a question leads with: whatever has the fewest deliveries to look at. */
enum search_lead {
	SEARCH_LEAD_ALL,
	SEARCH_LEAD_TERM,
	SEARCH_LEAD_STATE,
	SEARCH_LEAD_FEEDBACK,
	SEARCH_LEAD_PLAIN
};

/* The filter has to last as long as its question. */
struct search_question {
	struct db *db;
	int64_t terms[SEARCH_TERMS_MAX];
	size_t n;
	const char *state;    /* asked for and listed, so not `sent` */
	const char *feedback; /* the same, so not `delivered` */
	bool plain[SEARCH_PLAINS]; /* asked for: these two */
	enum search_lead lead;
	enum search_plain plain_lead;
	struct search_plain_walk walk;
	sqlite3_stmt *stmt;
	int64_t part;
	int64_t id; /* that was looked at last */
};

/* The statements, for search_index_open. */
extern const struct db_sql search_question_sql;

/* On a connection of search_index_open, whose newest id is last. */
int search_question_make(struct search_question *, struct db *,
    const struct search_filter *, int64_t last, struct err *);

/* From the newest that is below an id; one question at a time. */
void search_question_begin(struct search_question *, int64_t below);

/* 1 and the next one's id in q->id, 0 at the end, -1. */
int search_question_next(struct search_question *, struct err *);

/* Let go of the database. */
void search_question_end(struct search_question *);

#endif
