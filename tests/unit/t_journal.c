/* SPDX-License-Identifier: BSD-2-Clause */
#include "config.h"

#include "tests/unit/storetest.h"

#include <sys/mount.h>

#include <fcntl.h>
#include <grp.h>
#include <pthread.h>
#include <sched.h>

#include "core/mem.h"
#include "store/db.h"
#include "store/event_take.h"
#include "store/hidden.h"
#include "store/journal/parts.h"
#include "store/place.h"
#include "store/schema.h"

/*
 * Other processes are forked before any thread is started, and wait at a pipe
 * for their turn, since the thread sanitizer knows no other way.
 */
struct helper {
	pid_t pid;
	int go, done; /* a byte each way */
};

static void
helper_wait(const struct helper *h)
{
	char c;

	if (read(h->go, &c, 1) != 1)
		_exit(9);
}

static void
helper_say(const struct helper *h)
{
	if (write(h->done, "x", 1) != 1)
		_exit(9);
}

static struct helper
helper_start(const struct place *p,
    int (*run)(const struct helper *, const struct place *))
{
	struct helper h;
	int go[2], done[2];

	assert_int_equal(pipe(go), 0);
	assert_int_equal(pipe(done), 0);
	h.pid = fork();
	assert_int_not_equal(h.pid, -1);
	if (h.pid == 0) {
		(void)close(go[1]);
		(void)close(done[0]);
		h.go = go[0];
		h.done = done[1];
		_exit(run(&h, p));
	}
	(void)close(go[0]);
	(void)close(done[1]);
	h.go = go[1];
	h.done = done[0];
	return h;
}

static void
helper_go(const struct helper *h)
{
	assert_int_equal(write(h->go, "x", 1), 1);
}

static void
helper_said(const struct helper *h)
{
	char c;

	assert_int_equal(read(h->done, &c, 1), 1);
}

static void
helper_end(const struct helper *h, int expected)
{
	int status;

	(void)close(h->go);
	(void)close(h->done);
	assert_int_equal(waitpid(h->pid, &status, 0), h->pid);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), expected);
}

static void
note(struct journal *j, const char *event)
{
	struct err err;

	if (journal_note(j, event, "{}", SOON, &err) == -1)
		fail_msg("%s: %s", event, err.text);
}

#define THREADS 16
#define NOTES 40

static void *
many_notes(void *arg)
{
	for (int i = 0; i < NOTES; i++)
		note(arg, "config");
	return NULL;
}

static void
group_commit(void **state)
{
	struct place *p = *state;
	struct journal *j = open_journal(p->path);
	struct journal_stats stats;
	pthread_t threads[THREADS];

	for (int i = 0; i < THREADS; i++)
		assert_int_equal(
		    pthread_create(&threads[i], NULL, many_notes, j), 0);
	for (int i = 0; i < THREADS; i++)
		(void)pthread_join(threads[i], NULL);
	journal_stats(j, &stats);
	assert_int_equal(stats.rows, 1 + THREADS * NOTES);
	assert_true(stats.commits < stats.rows);
	assert_int_equal(stats.failed, 0);
	journal_close(j);
	assert_sql(p->path, "SELECT count(*) FROM journal", "642");
	assert_sql(p->path,
	    "SELECT group_concat(event) FROM (SELECT event FROM journal "
	    "WHERE seq IN (1, 642) ORDER BY seq)",
	    "started,stopped");
}

static int
broken_op(struct journal_tx *tx, void *arg, struct err *err)
{
	(void)arg;
	if (journal_append(tx, "config", NULL, 0, "{\"no\":1}", NULL, err) == -1)
		return -1;
	return err_set(err, ERR_POLICY, "changed its mind");
}

static void *
many_broken(void *arg)
{
	struct err err;

	for (int i = 0; i < NOTES; i++) {
		assert_int_equal(
		    journal_do(arg, broken_op, NULL, SOON, &err), -1);
		assert_int_equal(err.class, ERR_POLICY);
		assert_string_equal(err.text, "changed its mind");
	}
	return NULL;
}

static void
savepoints(void **state)
{
	struct place *p = *state;
	struct journal *j = open_journal(p->path);
	pthread_t good[4], bad[4];

	for (int i = 0; i < 4; i++) {
		(void)pthread_create(&good[i], NULL, many_notes, j);
		(void)pthread_create(&bad[i], NULL, many_broken, j);
	}
	for (int i = 0; i < 4; i++) {
		(void)pthread_join(good[i], NULL);
		(void)pthread_join(bad[i], NULL);
	}
	journal_close(j);
	assert_sql(p->path, "SELECT count(*) FROM journal", "162");
	assert_sql(p->path, "SELECT max(seq) FROM journal", "162");
	assert_sql(
	    p->path, "SELECT count(*) FROM journal WHERE detail LIKE '%no%'", "0");
}

static int
lock_database(const struct helper *h, const struct place *p)
{
	sqlite3 *db;

	helper_wait(h);
	if (sqlite3_open(p->path, &db) != SQLITE_OK ||
	    sqlite3_exec(db, "BEGIN IMMEDIATE", NULL, NULL, NULL) != SQLITE_OK)
		return 1;
	helper_say(h);
	helper_wait(h);
	clock_sleep_until(clock_mono_us() + 700 * US_PER_MS);
	(void)sqlite3_exec(db, "ROLLBACK", NULL, NULL, NULL);
	(void)sqlite3_close(db);
	return 0;
}

static void
locked(void **state)
{
	struct place *p = *state;
	struct helper h = helper_start(p, lock_database);
	struct journal *j = open_journal(p->path);
	struct err err;

	helper_go(&h);
	helper_said(&h);
	assert_int_equal(journal_note(j, "config", "{}",
			     clock_mono_us() + 300 * US_PER_MS, &err),
	    -1);
	assert_int_equal(err.class, ERR_STATE);
	assert_contains(err.text, "locked");
	helper_go(&h);
	note(j, "config");
	helper_end(&h, 0);
	journal_close(j);
	assert_sql(p->path, "SELECT count(*) FROM journal", "3");
}

static int
open_second(const struct helper *h, const struct place *p)
{
	char pid[32];
	struct journal *j;
	struct err err;

	helper_wait(h);
	(void)snprintf(pid, sizeof(pid), "process %ld", (long)getppid());
	if (journal_open(p->path, true, "second", &j, &err) != -1)
		return 1;
	if (err.class != ERR_STATE)
		return 2;
	return strstr(err.text, pid) != NULL ? 0 : 3;
}

static void
one_writer(void **state)
{
	struct place *p = *state;
	struct helper h = helper_start(p, open_second);
	struct journal *j = open_journal(p->path);

	helper_go(&h);
	helper_end(&h, 0);
	journal_close(j);
}

static void
migration(void **state)
{
	struct place *p = *state;
	struct journal *j;
	char sql[128], copy[128];
	struct err err;

	raw_ok(p->path, schema_journal[0]);
	raw_ok(p->path, "PRAGMA user_version = 1");
	raw_ok(p->path,
	    "INSERT INTO journal VALUES (1, 1, 1, 1, 'started', NULL, 0, '{}', "
	    "zeroblob(32))");
	j = open_journal(p->path);
	journal_close(j);
	assert_sql(p->path, "SELECT count(*) FROM audit", "0");
	(void)snprintf(copy, sizeof(copy), "%s.v1", p->path);
	assert_sql(copy, "PRAGMA user_version", "1");
	assert_sql(copy, "SELECT count(*) FROM journal", "1");

	(void)snprintf(sql, sizeof(sql), "PRAGMA user_version = 99");
	raw_ok(p->path, sql);
	assert_int_equal(journal_open(p->path, true, "test", &j, &err), -1);
	assert_int_equal(err.class, ERR_STATE);
	assert_contains(err.text, "schema 99");
}

/* As one that was made while the schema was in the making: the number is the
 * same, and SQL would have the last word. */
static void
other_columns(void **state)
{
	struct place *p = *state;
	struct journal *j;
	struct err err;
	struct db *db;

	j = open_journal(p->path);
	journal_close(j);
	assert_non_null(db = db_open_journal(p->path, &err));
	db_close(db);
	raw_ok(p->path, "DROP VIEW audit; CREATE VIEW audit AS SELECT 1 AS one");
	assert_null(db_open_journal(p->path, &err));
	assert_contains(err.text, "but audit in it is");
	raw_ok(p->path, "ALTER TABLE message RENAME COLUMN repairs TO mended");
	assert_int_equal(journal_open(p->path, true, "test", &j, &err), -1);
	assert_int_equal(err.class, ERR_STATE);
	assert_contains(err.text, "but message in it is");
	assert_contains(err.text, "move the file away");
}

static void
foreign_database(void **state)
{
	struct place *p = *state;
	struct journal *j;
	struct err err;

	raw_ok(p->path, "CREATE TABLE addressbook (name)");
	assert_int_equal(journal_open(p->path, true, "test", &j, &err), -1);
	assert_int_equal(err.class, ERR_STATE);
	assert_contains(err.text, "no journal of Postern's");
}

static void
not_there(void **state)
{
	struct place *p = *state;
	struct journal *j;
	struct err err;

	assert_int_equal(journal_open(p->path, false, "test", &j, &err), -1);
	assert_contains(err.text, "no journal");
	assert_int_equal(access(p->path, F_OK), -1);
}

static void
triggers(void **state)
{
	static const char *const refused[] = {
		"UPDATE journal SET detail = '{}'",
		"UPDATE journal SET at = at + 1 WHERE seq = 1",
		"DELETE FROM journal WHERE seq = 1",
		"DELETE FROM journal",
		"REPLACE INTO journal SELECT * FROM journal WHERE seq = 1",
		("INSERT INTO journal SELECT 9, 9, 9, 9, '', NULL, 0, '', "
		 "chain FROM journal WHERE seq = 1"),
		"INSERT INTO pruned VALUES (1, 1, zeroblob(32), 'x')",
		"UPDATE party SET value = 'b@example.org'",
	};
	static const char *const rcpts[] = { "b@example.net", NULL };
	struct place *p = *state;
	struct journal *j = open_journal(p->path);
	char words[256];
	struct made m;

	make(&m, 1, rcpts);
	arrive(j, &m);
	journal_close(j);
	for (size_t i = 0; i < sizeof(refused) / sizeof(*refused); i++)
		if (*raw_exec(p->path, refused[i], words) == '\0')
			fail_msg("not refused: %s", refused[i]);
	raw_ok(p->path, "UPDATE party SET value = NULL, salt = NULL");
	made_free(&m);
}

static void
pruned_prefix(void **state)
{
	struct place *p = *state;
	struct journal *j = open_journal(p->path);
	char words[256];
	struct err err;

	note(j, "config");
	assert_int_equal(journal_note(j, "pruned",
			     "{\"last_seq\":1,\"last_chain\":"
			     "\"00000000000000000000000000000000"
			     "00000000000000000000000000000000\"}",
			     SOON, &err),
	    0);
	journal_close(j);
	raw_ok(p->path, "INSERT INTO pruned VALUES (3, 1, zeroblob(32), 'x')");
	assert_contains(raw_exec(p->path,
			    "DELETE FROM journal WHERE seq <= 2", words),
	    "only what prune has archived");
	raw_ok(p->path, "DELETE FROM journal WHERE seq <= 1");
	j = open_journal(p->path);
	journal_close(j);
}

static void
moved_away(void **state)
{
	struct place *p = *state;
	struct journal *j = open_journal(p->path);
	char away[128];
	struct err err;

	(void)snprintf(away, sizeof(away), "%s.away", p->path);
	assert_int_equal(rename(p->path, away), 0);
	assert_int_equal(journal_note(j, "config", "{}",
			     clock_mono_us() + 200 * US_PER_MS, &err),
	    -1);
	assert_int_equal(err.class, ERR_STATE);
	assert_contains(err.text, "moved away");
	assert_int_equal(rename(away, p->path), 0);
	note(j, "config");
	journal_close(j);
	assert_sql(p->path, "SELECT count(*) FROM journal", "3");
}

/* Chain and tables are what the reopened journal goes on from. */
static void
goes_on(void **state)
{
	struct place *p = *state;
	struct journal *j;
	char first[65], second[65];
	int64_t seq;

	j = open_journal(p->path);
	journal_head(j, &seq, first);
	assert_int_equal(seq, 1);
	journal_close(j);
	j = open_journal(p->path);
	journal_head(j, &seq, second);
	assert_int_equal(seq, 3);
	assert_string_not_equal(first, second);
	journal_close(j);
}

/* Somebody has written past the lock: the chain goes on behind his row. */
static void
foreign_row(void **state)
{
	struct place *p = *state;
	struct journal *j = open_journal(p->path);

	raw_ok(p->path,
	    "INSERT INTO journal SELECT max(seq) + 1, at, boot, mono, 'forged', "
	    "NULL, 0, '{}', zeroblob(32) FROM journal");
	note(j, "config");
	journal_close(j);
	assert_sql(p->path,
	    "SELECT group_concat(event) FROM (SELECT event FROM journal "
	    "ORDER BY seq)",
	    "started,forged,config,stopped");
}

/* In a file system of its own that is nearly full. Exit codes tell what failed. */
static int
on_full_disk(const struct helper *h, const struct place *p)
{
	char path[128], hog[128], big[65536] = { 0 };
	struct journal *j;
	struct err err;
	int fd;

	(void)h;
	if (unshare(CLONE_NEWNS) == -1 ||
	    mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) == -1 ||
	    mount("tmpfs", p->dir, "tmpfs", 0, "size=2m") == -1)
		return 77;
	(void)snprintf(path, sizeof(path), "%s/j.db", p->dir);
	(void)snprintf(hog, sizeof(hog), "%s/hog", p->dir);
	if (journal_open(path, true, "test", &j, &err) == -1)
		return 1;
	fd = open(hog, O_WRONLY | O_CREAT, 0600);
	while (write(fd, big, sizeof(big)) > 0)
		continue;
	while (write(fd, big, 1) > 0)
		continue;
	memset(big, ' ', sizeof(big) - 1);
	memcpy(big, "{}", 2);
	if (journal_note(j, "config", big, clock_mono_us() + 300 * US_PER_MS,
		&err) != -1)
		return 2;
	if (err.class != ERR_FULL)
		return 3;
	if (ftruncate(fd, 0) == -1 ||
	    journal_note(j, "config", big, SOON, &err) == -1)
		return 4;
	journal_close(j);
	(void)close(fd);
	return 0;
}

static void
disk_full(void **state)
{
	struct helper h;
	int status;

	if (geteuid() != 0)
		skip();
	h = helper_start(*state, on_full_disk);
	assert_int_equal(waitpid(h.pid, &status, 0), h.pid);
	(void)close(h.go);
	(void)close(h.done);
	assert_true(WIFEXITED(status));
	if (WEXITSTATUS(status) == 77)
		skip();
	assert_int_equal(WEXITSTATUS(status), 0);
}

/*
 * The disk is made full for the journal alone: hardly more pages than it has.
 * The gate holds its thread until mail waits behind what does not fit, so that
 * both are in one transaction.
 */
struct gate {
	struct journal *j;
	int64_t deadline_us;
	int began[2], open[2];
	int rc;
	struct err err;
};

static int
leave_little(struct db *db, struct err *err)
{
	char limit[64];
	int64_t pages;

	if (db_get_int(db, "PRAGMA page_count", &pages, err) == -1)
		return -1;
	(void)snprintf(limit, sizeof(limit), "PRAGMA max_page_count = %d",
	    (int)pages + 4);
	return db_exec(db, limit, err);
}

static int
gate_op(struct journal_tx *tx, void *arg, struct err *err)
{
	struct gate *g = arg;
	char c;

	if (write(g->began[1], "x", 1) != 1 || read(g->open[0], &c, 1) != 1)
		return err_set(err, ERR_LOCAL, "pipe");
	if (leave_little(journal_tx_db(tx), err) == -1)
		return -1;
	return journal_append(tx, "config", NULL, 0, "{}", NULL, err);
}

static void *
wait_at_gate(void *arg)
{
	struct gate *g = arg;
	struct err err;

	assert_int_equal(
	    journal_do(g->j, gate_op, g, g->deadline_us, &err), 0);
	return NULL;
}

static int
large_op(struct journal_tx *tx, void *arg, struct err *err)
{
	(void)arg;
	return db_exec(journal_tx_db(tx),
	    "INSERT INTO mark VALUES ('large', zeroblob(1000000))", err);
}

static void *
try_large(void *arg)
{
	struct gate *g = arg;

	g->rc = journal_try(g->j, large_op, NULL, g->deadline_us, &g->err);
	return NULL;
}

static void *
try_events(void *arg)
{
	static char type[] = "Bounce", ses_id[] = "0100-ses-id";
	const struct conf_list suppress = { NULL, 0 };
	struct event events[EVENT_TAKE_LOT] = { { .type = NULL } };
	struct event_counts counts = { 0 };
	char text[EVENT_TEXT_MAX] = "";
	struct gate *g = arg;

	memset(text, 'x', sizeof(text) - 1);
	for (size_t i = 0; i < EVENT_TAKE_LOT; i++) {
		events[i].type = type;
		events[i].ses_id = ses_id;
		events[i].text = text;
		events[i].time = (int64_t)i;
	}
	g->rc = event_take(g->j, NULL, &suppress, events, EVENT_TAKE_LOT,
	    g->deadline_us - clock_mono_us(), &counts, &g->err);
	assert_int_equal(counts.unmatched, 0);
	return NULL;
}

static bool
waits(struct journal *j, size_t n)
{
	(void)pthread_mutex_lock(&j->lock);
	for (const struct request *r = j->first; r != NULL; r = r->next)
		n--;
	(void)pthread_mutex_unlock(&j->lock);
	return n == 0;
}

static void
assert_is_alone(const char *path, void *(*what_does_not_fit)(void *gate))
{
	struct gate g = { .j = open_journal(path),
		.deadline_us = clock_mono_us() + 20 * US_PER_SEC };
	pthread_t gate, large, mail;
	char c;

	assert_int_equal(pipe(g.began), 0);
	assert_int_equal(pipe(g.open), 0);
	(void)pthread_create(&gate, NULL, wait_at_gate, &g);
	assert_int_equal(read(g.began[0], &c, 1), 1);
	(void)pthread_create(&large, NULL, what_does_not_fit, &g);
	while (!waits(g.j, 1))
		(void)sched_yield();
	(void)pthread_create(&mail, NULL, many_notes, g.j);
	while (!waits(g.j, 2))
		(void)sched_yield();
	assert_int_equal(write(g.open[1], "x", 1), 1);
	(void)pthread_join(gate, NULL);
	(void)pthread_join(large, NULL);
	(void)pthread_join(mail, NULL);
	assert_int_equal(g.rc, -1);
	assert_int_equal(g.err.class, ERR_FULL);
	assert_true(clock_mono_us() < g.deadline_us);
	for (int i = 0; i < 2; i++) {
		(void)close(g.began[i]);
		(void)close(g.open[i]);
	}
	journal_close(g.j);
	assert_sql(path, "SELECT count(*) FROM journal", "43");
}

static void
what_does_not_fit_is_alone(void **state)
{
	const struct place *p = *state;

	assert_is_alone(p->path, try_large);
}

static void
events_that_do_not_fit_are_alone(void **state)
{
	const struct place *p = *state;

	assert_is_alone(p->path, try_events);
}

#define READER_ID 54321

static int
count_rows(const char *path)
{
	sqlite3 *db;
	sqlite3_stmt *stmt = NULL;
	int n = -1;

	if (sqlite3_open_v2(path, &db, SQLITE_OPEN_READONLY, NULL) ==
		SQLITE_OK &&
	    sqlite3_prepare_v2(db, "SELECT count(*) FROM journal", -1, &stmt,
		NULL) == SQLITE_OK &&
	    sqlite3_step(stmt) == SQLITE_ROW)
		n = sqlite3_column_int(stmt, 0);
	(void)sqlite3_finalize(stmt);
	(void)sqlite3_close(db);
	return n;
}

static int
read_as_other(const struct helper *h, const struct place *p)
{
	gid_t none[1] = { READER_ID };

	if (setgroups(1, none) == -1 || setgid(READER_ID) == -1 ||
	    setuid(READER_ID) == -1)
		return 77;
	helper_wait(h);
	if (access(p->path, W_OK) == 0)
		return 1;
	if (count_rows(p->path) != 1)
		return 2;
	helper_say(h);
	helper_wait(h);
	return count_rows(p->path) == 2 ? 0 : 3;
}

static void
auditors(void **state)
{
	struct place *p = *state;
	struct journal *j;
	struct helper h;
	mode_t old;

	if (geteuid() != 0)
		skip();
	assert_int_equal(chown(p->dir, 0, READER_ID), 0);
	assert_int_equal(chmod(p->dir, 02750), 0);
	h = helper_start(p, read_as_other);
	old = umask(077);
	j = open_journal(p->path);
	(void)umask(old);
	helper_go(&h);
	helper_said(&h);
	journal_close(j);
	helper_go(&h);
	helper_end(&h, 0);
}

static void *
make_key(void *arg)
{
	struct hidden_key *key = mem_new(sizeof(*key));
	struct err err;

	if (hidden_key_make(arg, key, &err) == 0)
		return key;
	free(key);
	return NULL;
}

static void
one_key_for_all(void **state)
{
	struct place *p = *state;
	struct hidden_key lasting;
	struct err err;
	pthread_t threads[8];
	void *key;

	assert_int_equal(place_create(p->path, &err), 0);
	assert_int_equal(hidden_key_load(p->path, &lasting, &err), 0);
	for (size_t i = 0; i < 8; i++)
		assert_int_equal(
		    pthread_create(&threads[i], NULL, make_key, p->path), 0);
	for (size_t i = 0; i < 8; i++) {
		assert_int_equal(pthread_join(threads[i], &key), 0);
		assert_non_null(key);
		assert_int_equal(
		    hidden_key_load(p->path, &lasting, &err), 1);
		assert_memory_equal(key, &lasting, sizeof(lasting));
		free(key);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		store_test(group_commit),
		store_test(savepoints),
		store_test(locked),
		store_test(one_writer),
		store_test(migration),
		store_test(other_columns),
		store_test(foreign_database),
		store_test(not_there),
		store_test(triggers),
		store_test(pruned_prefix),
		store_test(moved_away),
		store_test(goes_on),
		store_test(foreign_row),
		store_test(disk_full),
		store_test(what_does_not_fit_is_alone),
		store_test(events_that_do_not_fit_are_alone),
		store_test(one_key_for_all),
		store_test(auditors),
	};

	return cmocka_run_group_tests_name("journal", tests, NULL, NULL);
}
