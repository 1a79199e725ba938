/* SPDX-License-Identifier: BSD-2-Clause */
#include "config.h"

#include "tests/unit/unit.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/clock.h"
#include "identity/verified.h"

static char file[] = "/tmp/t_watched-XXXXXX";

/* Time stands still unless a test moves it. No file was changed long ago. */
static int64_t mono_us, wall_us;

int64_t __wrap_clock_mono_us(void);
int64_t __wrap_clock_wall_us(void);
int64_t
__wrap_clock_mono_us(void)
{
	return mono_us;
}

int64_t
__wrap_clock_wall_us(void)
{
	return wall_us;
}

static void
write_to(const char *name, const char *text)
{
	FILE *fp = fopen(name, "w");

	assert_non_null(fp);
	assert_true(fputs(text, fp) >= 0);
	assert_int_equal(fclose(fp), 0);
}

/* As an editor or a script does that writes a file of its own first. */
static void
rename_to(const char *text)
{
	char fresh[sizeof(file) + 4];

	(void)snprintf(fresh, sizeof(fresh), "%s.new", file);
	write_to(fresh, text);
	assert_int_equal(rename(fresh, file), 0);
}

static bool
covers(const struct verified *v, const char *domain)
{
	struct address a;
	struct err err;

	assert_int_equal(address_make("x", 1, domain, &a, &err), ADDRESS_OK);
	return verified_by(v, &a) != NULL;
}

/* Whether the file's set covers a domain at this look. */
static bool
now_covers(struct watched *w, const char *domain)
{
	struct verified *v = watched_get(w);
	bool covered = covers(v, domain);

	verified_release(v);
	return covered;
}

/* Standard error, which the log goes to, in a file. */
struct capture {
	int fd, saved;
};

static void
capture_begin(struct capture *c)
{
	char name[] = "/tmp/t_watched-log-XXXXXX";

	c->fd = mkstemp(name);
	c->saved = dup(2);
	assert_true(c->fd != -1 && c->saved != -1 && unlink(name) == 0);
	assert_true(dup2(c->fd, 2) == 2);
}

static size_t
capture_lines(const struct capture *c)
{
	char text[8192];
	ssize_t len = pread(c->fd, text, sizeof(text), 0);
	size_t n = 0;

	for (ssize_t i = 0; i < len; i++)
		n += text[i] == '\n';
	return n;
}

static void
capture_end(struct capture *c)
{
	assert_true(dup2(c->saved, 2) == 2);
	(void)close(c->saved);
	(void)close(c->fd);
}

static struct watched *
open_with(const char *text)
{
	struct watched *w;
	struct err err;

	rename_to(text);
	w = watched_open(&verified_kind, file, &err);
	if (w == NULL)
		fail_msg("%s", err.text);
	return w;
}

static void
no_file_is_none(void **state)
{
	struct watched *w;
	struct verified *v;
	struct err err;

	(void)state;
	w = watched_open(&verified_kind, "", &err);
	assert_non_null(w);
	v = watched_get(w);
	assert_true(verified_none(v));
	verified_release(v);
	watched_close(w);
	watched_close(NULL);
}

static void
another_file_is_read_at_once(void **state)
{
	struct watched *w = open_with("a.example\n");
	struct verified *old = watched_get(w);
	struct capture c;

	(void)state;
	capture_begin(&c);
	rename_to("a.example\nb.example\n");
	assert_true(now_covers(w, "b.example"));
	assert_false(covers(old, "b.example"));
	assert_int_equal(capture_lines(&c), 1);

	rename_to("a.example\nb.example\nbad line\n");
	assert_true(now_covers(w, "b.example"));
	assert_true(now_covers(w, "b.example"));
	assert_int_equal(capture_lines(&c), 2);

	rename_to("c.example\n");
	assert_false(now_covers(w, "b.example"));
	assert_true(now_covers(w, "c.example"));
	assert_int_equal(capture_lines(&c), 3);
	capture_end(&c);
	verified_release(old);
	watched_close(w);
}

/* Nothing of what a writer has in hand is seen, above all not the empty list,
 * which allows every sender. */
static void
one_written_in_place_must_settle(void **state)
{
	struct watched *w = open_with("a.example\n");
	struct capture c;

	(void)state;
	capture_begin(&c);
	write_to(file, "");
	assert_true(now_covers(w, "a.example"));
	assert_false(now_covers(w, "b.example"));
	mono_us += US_PER_SEC - 1;
	assert_false(now_covers(w, "b.example"));
	write_to(file, "b.exam");
	mono_us += 1;
	assert_true(now_covers(w, "a.example"));
	write_to(file, "b.example\nc.example\n");
	mono_us += US_PER_SEC - 1;
	assert_true(now_covers(w, "a.example"));
	mono_us += US_PER_SEC - 1;
	assert_true(now_covers(w, "a.example"));
	assert_int_equal(capture_lines(&c), 0);
	mono_us += 1;
	assert_true(now_covers(w, "c.example"));
	assert_false(now_covers(w, "a.example"));
	assert_int_equal(capture_lines(&c), 1);

	write_to(file, "bad line\n");
	assert_true(now_covers(w, "c.example"));
	assert_int_equal(capture_lines(&c), 1);
	mono_us += US_PER_SEC;
	assert_true(now_covers(w, "c.example"));
	assert_true(now_covers(w, "c.example"));
	assert_int_equal(capture_lines(&c), 2);
	capture_end(&c);
	watched_close(w);
}

/* The first mail for hours finds what was written hours ago. */
static void
one_written_long_ago_has_settled(void **state)
{
	struct watched *w = open_with("a.example\n");
	struct capture c;
	struct stat sb;

	(void)state;
	capture_begin(&c);
	write_to(file, "b.example\nc.example\n");
	assert_int_equal(stat(file, &sb), 0);
	wall_us = sb.st_ctim.tv_sec * US_PER_SEC;
	assert_false(now_covers(w, "c.example"));
	wall_us += 2 * US_PER_SEC;
	assert_true(now_covers(w, "c.example"));
	wall_us = 0;
	capture_end(&c);
	watched_close(w);
}

static void
one_that_cannot_be_read_is_tried_again(void **state)
{
	struct watched *w = open_with("a.example\n");
	struct rlimit was, none;
	struct capture c;

	(void)state;
	capture_begin(&c);
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &was), 0);
	none = (struct rlimit) { 3, was.rlim_max };
	rename_to("b.example\n");
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
	for (int i = 0; i < 3; i++)
		assert_true(now_covers(w, "a.example"));
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &was), 0);
	assert_int_equal(capture_lines(&c), 1);
	assert_true(now_covers(w, "b.example"));
	assert_int_equal(capture_lines(&c), 2);

	assert_int_equal(unlink(file), 0);
	for (int i = 0; i < 3; i++)
		assert_true(now_covers(w, "b.example"));
	assert_int_equal(capture_lines(&c), 3);
	rename_to("b.example\nc.example\n");
	mono_us += US_PER_SEC; /* it may have the number of the one before */
	(void)now_covers(w, "c.example");
	mono_us += US_PER_SEC;
	assert_true(now_covers(w, "c.example"));
	assert_int_equal(unlink(file), 0);
	(void)now_covers(w, "c.example");
	assert_int_equal(capture_lines(&c), 5);
	capture_end(&c);
	watched_close(w);
}

/* A kind whose reading takes until it is let go on. */
static struct {
	pthread_mutex_t lock;
	pthread_cond_t changed;
	bool slow, reading;
} gate = { .lock = PTHREAD_MUTEX_INITIALIZER,
	.changed = PTHREAD_COND_INITIALIZER };

static void *
slow_load(const char *name, struct err *err)
{
	(void)pthread_mutex_lock(&gate.lock);
	gate.reading = gate.slow;
	(void)pthread_cond_broadcast(&gate.changed);
	while (gate.slow)
		(void)pthread_cond_wait(&gate.changed, &gate.lock);
	(void)pthread_mutex_unlock(&gate.lock);
	return verified_kind.load(name, err);
}

static void *
look(void *w)
{
	return now_covers(w, "b.example") ? w : NULL;
}

static void
a_slow_look_holds_nobody_up(void **state)
{
	struct watched_kind kind = verified_kind;
	struct watched *w;
	struct capture c;
	pthread_t thread;
	struct err err;
	void *found;

	(void)state;
	(void)alarm(60); /* it would wait for ever */
	kind.load = slow_load;
	rename_to("a.example\n");
	w = watched_open(&kind, file, &err);
	assert_non_null(w);
	capture_begin(&c);
	gate.slow = true;
	rename_to("b.example\n");
	assert_int_equal(pthread_create(&thread, NULL, look, w), 0);
	(void)pthread_mutex_lock(&gate.lock);
	while (!gate.reading)
		(void)pthread_cond_wait(&gate.changed, &gate.lock);
	(void)pthread_mutex_unlock(&gate.lock);
	assert_true(now_covers(w, "a.example"));
	(void)pthread_mutex_lock(&gate.lock);
	gate.slow = false;
	(void)pthread_cond_broadcast(&gate.changed);
	(void)pthread_mutex_unlock(&gate.lock);
	assert_int_equal(pthread_join(thread, &found), 0);
	assert_ptr_equal(found, w);
	(void)alarm(0);
	capture_end(&c);
	watched_close(w);
}

static int
make_file(void **state)
{
	int fd = mkstemp(file);

	(void)state;
	return fd == -1 ? -1 : close(fd);
}

static int
remove_file(void **state)
{
	(void)state;
	(void)unlink(file);
	return 0;
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(no_file_is_none),
		cmocka_unit_test(another_file_is_read_at_once),
		cmocka_unit_test(one_written_in_place_must_settle),
		cmocka_unit_test(one_written_long_ago_has_settled),
		cmocka_unit_test(one_that_cannot_be_read_is_tried_again),
		cmocka_unit_test(a_slow_look_holds_nobody_up),
	};

	return cmocka_run_group_tests(tests, make_file, remove_file);
}
