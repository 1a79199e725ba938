/*
 * storetest: a private directory, SQL past the store's own code, and messages made up.
 */
#ifndef STORETEST_H
#define STORETEST_H

#include "tests/unit/unit.h"

#include <sys/stat.h>
#include <sys/types.h>
#include <sys/wait.h>

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <sqlite3.h>

#include "core/clock.h"
#include "core/log.h"
#include "store/record.h"

/* Long enough for the slowest sanitizer, short enough to notice a hang. */
#define SOON (clock_mono_us() + 30 * US_PER_SEC)
#define DAY_US (86400 * US_PER_SEC)

struct place {
	char dir[64];
	char path[96];
};

static inline int
place_setup(void **state)
{
	struct place *p = calloc(1, sizeof(*p));

	(void)snprintf(p->dir, sizeof(p->dir), "/tmp/t_storeXXXXXX");
	if (mkdtemp(p->dir) == NULL)
		return -1;
	(void)snprintf(p->path, sizeof(p->path), "%s/j.db", p->dir);
	*state = p;
	return 0;
}

static inline int
place_teardown(void **state)
{
	struct place *p = *state;
	DIR *dir = opendir(p->dir);
	struct dirent *e;
	char name[512];

	while (dir != NULL && (e = readdir(dir)) != NULL) {
		(void)snprintf(name, sizeof(name), "%s/%s", p->dir, e->d_name);
		(void)unlink(name);
	}
	if (dir != NULL)
		(void)closedir(dir);
	(void)rmdir(p->dir);
	free(p);
	return 0;
}

#define store_test(f) \
	cmocka_unit_test_setup_teardown(f, place_setup, place_teardown)

static inline struct journal *
open_journal(const char *path)
{
	struct journal *j = NULL;
	struct err err;

	if (journal_open(path, true, "test", &j, &err) == -1)
		fail_msg("open: %s", err.text);
	return j;
}

static inline sqlite3 *
raw_open(const char *path)
{
	sqlite3 *db;

	assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
	(void)sqlite3_busy_timeout(db, 5000);
	return db;
}

/* Run SQL; the error message, or "". */
static inline const char *
raw_exec(const char *path, const char *sql, char words[256])
{
	sqlite3 *db = raw_open(path);
	char *message = NULL;

	(void)sqlite3_exec(db, sql, NULL, NULL, &message);
	(void)snprintf(words, 256, "%s", message != NULL ? message : "");
	sqlite3_free(message);
	(void)sqlite3_close(db);
	return words;
}

static inline void
raw_ok(const char *path, const char *sql)
{
	char words[256];

	assert_string_equal(raw_exec(path, sql, words), "");
}

/* The first column of the first row, as text. */
static inline const char *
raw_get(const char *path, const char *sql, char text[512])
{
	sqlite3 *db = raw_open(path);
	sqlite3_stmt *stmt = NULL;

	if (sqlite3_prepare_v2(db, sql, -1, &stmt, NULL) != SQLITE_OK)
		fail_msg("%s: %s", sql, sqlite3_errmsg(db));
	(void)snprintf(text, 512, "%s", "(no row)");
	if (sqlite3_step(stmt) == SQLITE_ROW)
		(void)snprintf(text, 512, "%s",
		    sqlite3_column_type(stmt, 0) == SQLITE_NULL
			? "(null)"
			: (const char *)sqlite3_column_text(stmt, 0));
	(void)sqlite3_finalize(stmt);
	(void)sqlite3_close(db);
	return text;
}

#define assert_sql(path, sql, expected)                                  \
	do {                                                             \
		char sql_text_[512];                                     \
		assert_string_equal(                                     \
		    raw_get(path, sql, sql_text_), expected);            \
	} while (0)

/* A message from a@example.org to the given recipients; digest is filled with seed, 0 for none. */
struct made {
	struct record_arrival a;
	struct record_rcpt rcpts[16];
	unsigned char digest[SHA256_LEN];
};

static inline void
make(struct made *m, int seed, const char *const rcpts[])
{
	memset(m, 0, sizeof(*m));
	memset(m->digest, seed, sizeof(m->digest));
	m->a.digest = seed != 0 ? m->digest : NULL;
	m->a.size = 1000;
	m->a.sender = "a@example.org";
	m->a.client = "host.example.org[192.0.2.1]";
	m->a.queue_ids = "4AbCdEf";
	m->a.message_id = "<1@example.org>";
	m->a.repeat_window_us = 10 * DAY_US;
	m->a.rcpts = m->rcpts;
	for (; rcpts[m->a.nrcpts] != NULL; m->a.nrcpts++)
		m->rcpts[m->a.nrcpts].address = rcpts[m->a.nrcpts];
	m->a.id = uuid_new();
}

static inline void
arrive(struct journal *j, struct made *m)
{
	struct err err;

	if (record_arrival(j, &m->a, SOON, &err) == -1)
		fail_msg("arrival: %s", err.text);
}

static inline void
made_free(struct made *m)
{
	for (size_t i = 0; i < m->a.nrcpts; i++)
		free(m->rcpts[i].ses_id);
}

static inline void
send_dot(struct journal *j, const struct uuid *id, unsigned n, unsigned attempt)
{
	struct err err;

	if (record_sending(j, id, n, attempt, true, SOON, &err) == -1)
		fail_msg("sending: %s", err.text);
}

static inline void
settle(struct journal *j, const struct uuid *id, unsigned n, unsigned attempt,
    enum record_state state, const char *reply)
{
	struct record_outcome o = { .state = state,
		.attempt = attempt,
		.code = state == RECORD_SENT ? 250u
		    : state == RECORD_REFUSED ? 554u
					      : 451u,
		.dsn = state == RECORD_SENT ? "2.0.0" : "4.0.0",
		.ses_id = state == RECORD_SENT ? "0100-ses-id" : NULL,
		.endpoint = "ses.example[192.0.2.9]:587",
		.reply = reply };
	struct err err;

	if (record_outcome(j, id, n, &o, SOON, &err) == -1)
		fail_msg("outcome: %s", err.text);
}

#endif
